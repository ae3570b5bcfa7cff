"""Files for OpenSearch, which has no Synonyms API: a synonyms file for its nodes, index settings, and queries."""

from __future__ import annotations

from release.exports.analysis import analyzer_names, settings_file
from release.exports.by_query import fallback_file, rules_by_query
from release.exports.dsl import query_file, template_file
from release.exports.selection import Selection
from release.exports.settings import ExportSettings
from release.exports.synonym_lines import synonym_file
from release.exports.written import Written

__all__ = ["write_opensearch"]


def write_opensearch(selection: Selection, settings: ExportSettings) -> Written:
    """Return the files; ``synonyms.txt`` goes to every node, where `settings.json` looks for it."""
    files = (
        synonym_file(selection),
        settings_file([{"synonyms_path": f"analysis/{settings.name}-synonyms.txt"}], settings),
        template_file(analyzer_names(settings, 1), settings),
        query_file(rules_by_query(selection), selection.taxonomy, settings),
        fallback_file(rules_by_query(selection)),
    )
    return Written(files=iter(files))
