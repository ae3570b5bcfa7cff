"""Index settings of Elasticsearch and OpenSearch: synonyms at search time only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from release.exports.dsl import json_file
from release.exports.settings import ExportSettings
from release.exports.written import File

__all__ = ["analyzer_names", "settings_file"]


def analyzer_names(settings: ExportSettings, count: int) -> list[str]:
    """Return the names of the search analyzers, one for each set of synonyms."""
    return [f"{settings.name}_search_{number}" for number in range(1, count + 1)]


def settings_file(sources: Sequence[Mapping[str, Any]], settings: ExportSettings) -> File:
    """Return what to create an index with.

    Synonyms of several words make a token graph. An index cannot store one, so the filter stands in analyzers for
    queries alone; nor can a second synonym filter read one, so each set has an analyzer of its own.

    Args:
        sources: Where each filter has its synonyms from.
        settings: Of the index.
    """
    filters, analyzers = {}, {f"{settings.name}_index": _analyzer("lowercase")}
    names = analyzer_names(settings, len(sources))
    for name, source in zip(names, sources, strict=True):
        filters[f"{name}_synonyms"] = {"type": "synonym_graph", **source, "updateable": True}
        analyzers[name] = _analyzer("lowercase", f"{name}_synonyms")
    text = {"type": "text", "analyzer": f"{settings.name}_index", "search_analyzer": names[0]}
    properties: dict[str, Any] = dict.fromkeys(settings.plain_fields, text)
    properties[settings.category_field] = {"type": "keyword"}
    analysis = {"filter": filters, "analyzer": analyzers}
    return json_file("settings.json", {"settings": {"analysis": analysis}, "mappings": {"properties": properties}})


def _analyzer(*filters: str) -> dict[str, Any]:
    return {"type": "custom", "tokenizer": "standard", "filter": list(filters)}
