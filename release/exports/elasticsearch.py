"""Files for Elasticsearch: synonyms sets for its Synonyms API, index settings, and queries."""

from __future__ import annotations

from release.exports.analysis import analyzer_names, settings_file
from release.exports.by_query import fallback_file, rules_by_query
from release.exports.dsl import json_file, query_file, template_file
from release.exports.selection import Selection
from release.exports.settings import ExportSettings
from release.exports.synonym_lines import replacements, shards
from release.exports.written import Written

__all__ = ["write_elasticsearch"]


def write_elasticsearch(selection: Selection, settings: ExportSettings) -> Written:
    """Return the files; ``synonyms-1.json`` and so on are the bodies of ``PUT _synonyms/<name>-1`` and so on."""
    sets = shards(replacements(selection), settings.rules_per_set)
    queries = list(rules_by_query(selection))
    bodies = {
        f"synonyms-{number}.json": json_file(
            {"synonyms_set": [{"id": one.rule.id, "synonyms": one.line} for one in members]}
        )
        for number, members in enumerate(sets, start=1)
    }
    names = [{"synonyms_set": f"{settings.name}-{number}"} for number in range(1, len(sets) + 1)]
    return Written(
        files={
            **bodies,
            "settings.json": settings_file(names, settings),
            "template.json": template_file(analyzer_names(settings, len(sets)), settings),
            "queries.jsonl": query_file(queries, selection.taxonomy, settings),
            "fallbacks.jsonl": fallback_file(queries),
        }
    )
