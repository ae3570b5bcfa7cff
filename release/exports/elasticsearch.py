"""Files for Elasticsearch: synonyms sets for its Synonyms API, index settings, and queries."""

from __future__ import annotations

from collections.abc import Iterator

from release.exports.analysis import analyzer_names, settings_file
from release.exports.by_query import fallback_file, rules_by_query
from release.exports.dsl import json_file, query_file, template_file
from release.exports.selection import Selection
from release.exports.settings import ExportSettings
from release.exports.synonym_lines import replacements, shards
from release.exports.written import File, Written

__all__ = ["write_elasticsearch"]


def write_elasticsearch(selection: Selection, settings: ExportSettings) -> Written:
    """Return the files; ``synonyms-1.json`` and so on are the bodies of ``PUT _synonyms/<name>-1`` and so on."""
    return Written(files=_files(selection, settings))


def _files(selection: Selection, settings: ExportSettings) -> Iterator[File]:
    number = 0
    for number, members in enumerate(shards(replacements(selection), settings.rules_per_set), start=1):
        rules = [{"id": one.rule.id, "synonyms": one.line} for one in members]
        yield json_file(f"synonyms-{number}.json", {"synonyms_set": rules})
    sources = [{"synonyms_set": f"{settings.name}-{each}"} for each in range(1, number + 1)]
    yield settings_file(sources, settings)
    yield template_file(analyzer_names(settings, number), settings)
    yield query_file(rules_by_query(selection), selection.taxonomy, settings)
    yield fallback_file(rules_by_query(selection))
