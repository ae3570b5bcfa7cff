"""Queries in the DSL that Elasticsearch and OpenSearch share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from domain import Taxonomy
from release.exports.by_query import QueryRules, category_ids, json_lines
from release.exports.settings import ExportSettings
from release.exports.written import File

__all__ = ["body", "json_file", "query_file", "template_file"]


def query_file(queries: Iterable[QueryRules], taxonomy: Taxonomy, settings: ExportSettings) -> File:
    """Return, as JSON Lines, the body of a search for each query of which something is known beyond its fallbacks."""
    rows = (each.head() | {"body": body(each, taxonomy, settings)} for each in queries if each.matched)
    return File(name="queries.jsonl", lines=json_lines(rows))


def body(rules: QueryRules, taxonomy: Taxonomy, settings: ExportSettings) -> dict[str, Any]:
    """Return the body of a search.

    The best of query and synonyms counts, a synonym as much as it is sure. A product in an expected category, or below
    it, has its score multiplied by 1 + boost x confidence, by the best where it is in several. Each clause is named by
    its rule, so that ``matched_queries`` of a hit says which ones put it there.
    """
    query = _match(rules.text, settings, name=rules.mend.id if rules.mend else "query")
    if rules.synonyms:
        named = [_match(r.target, settings, name=r.id, boost=round(r.confidence, 4)) for r in rules.synonyms]
        query = {"dis_max": {"queries": [query, *named]}}
    if not rules.categories:
        return {"query": query}
    functions = [
        {
            "filter": {"terms": {settings.category_field: list(category_ids(taxonomy, r.target)), "_name": r.id}},
            "weight": round(1 + settings.multiplied * r.confidence, 4),
        }
        for r in rules.categories
    ]
    scored = {"query": query, "functions": functions, "score_mode": "max", "boost_mode": "multiply"}
    return {"query": {"function_score": scored}}


def template_file(analyzers: Sequence[str], settings: ExportSettings) -> File:
    """Return a search template for every other query: with each of the analyzers, of which the best counts."""
    queries = [_match("{{query}}", settings, name=name, analyzer=name) for name in analyzers]
    source = {"query": queries[0] if len(queries) == 1 else {"dis_max": {"queries": queries}}}
    return json_file("template.json", {"script": {"lang": "mustache", "source": source}})


def json_file(name: str, document: Any) -> File:
    """Return a JSON document that people can read."""
    return File(name=name, lines=[json.dumps(document, ensure_ascii=False, indent=1)])


def _match(
    text: str, settings: ExportSettings, *, name: str, boost: float | None = None, analyzer: str | None = None
) -> dict[str, Any]:
    clause: dict[str, Any] = {
        "query": text,
        "fields": list(settings.text_fields),
        "type": "cross_fields",
        "operator": "and",
        "_name": name,
    }
    if boost is not None:
        clause["boost"] = boost
    if analyzer is not None:
        clause["analyzer"] = analyzer
    return {"multi_match": clause}
