"""Files for Solr: a synonyms file, a field type for it, and parameters by query.

There are no managed synonyms: Solr splits those at white space, whatever the field does, so that ``coca-cola`` never
meets the two words of the index; and what is put there is merged, so that a rule which is gone stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain import Taxonomy
from release.exports.by_query import QueryRules, category_ids, fallback_file, json_lines, rules_by_query
from release.exports.dsl import json_file
from release.exports.rule import Rule
from release.exports.selection import Selection
from release.exports.settings import ExportSettings
from release.exports.synonym_lines import synonym_file
from release.exports.written import File, Written

__all__ = ["category_clause", "write_solr"]


def write_solr(selection: Selection, settings: ExportSettings) -> Written:
    """Return the files."""
    rows = _rows(rules_by_query(selection), selection.taxonomy, settings)
    files = (
        synonym_file(selection),
        json_file("schema.json", _schema(settings)),
        File(name="queries.jsonl", lines=json_lines(rows)),
        fallback_file(rules_by_query(selection)),
    )
    return Written(files=iter(files))


def category_clause(rule: Rule, taxonomy: Taxonomy, settings: ExportSettings) -> str:
    """Return a clause in Solr's query syntax for the products of a category and of all below it.

    It is for the terms parser, since a search takes 1,024 clauses of any other at most. The brackets leave what stands
    behind them, such as a weight, to the parser that calls it.
    """
    ids = category_ids(taxonomy, rule.target)
    # Ids are printable, so that the last sign is in none of them.
    parted = next(sign for sign in ",;|\x1f" if not any(sign in i for i in ids))
    separator = "" if parted == "," else f" separator='{parted}'"
    return f"({{!terms f={settings.category_field}{separator} v='{_escape(parted.join(ids))}'}})"


def _rows(queries: Iterable[QueryRules], taxonomy: Taxonomy, settings: ExportSettings) -> Iterable[dict[str, Any]]:
    for each in queries:
        if not each.matched:
            continue
        # ^= gives each product of a category the same score: how rare the category is says nothing of the need.
        boosts = [
            f"{category_clause(r, taxonomy, settings)}^={settings.added * r.confidence:.4f}" for r in each.categories
        ]
        yield each.head() | {
            "params": {"q": each.text, "bq": boosts},
            "alternatives": [{"q": r.target, "confidence": r.confidence, "rule": r.id} for r in each.synonyms],
        }


def _schema(settings: ExportSettings) -> dict[str, Any]:
    """Return a field type whose queries, and only they, are expanded.

    Its synonyms are split like its text, and not at white space, as they would be without ``tokenizerFactory``.
    """
    tokenizer, lower = {"name": "standard"}, {"name": "lowercase"}
    synonyms = {
        "name": "synonymGraph",
        "synonyms": f"{settings.name}-synonyms.txt",
        "ignoreCase": "true",
        "tokenizerFactory": "solr.StandardTokenizerFactory",
    }
    field_type = {
        "name": f"text_{settings.name}",
        "class": "solr.TextField",
        "positionIncrementGap": "100",
        "indexAnalyzer": {"tokenizer": tokenizer, "filters": [lower]},
        "queryAnalyzer": {"tokenizer": tokenizer, "filters": [lower, synonyms]},
    }
    return {"add-field-type": field_type}


def _escape(text: str) -> str:
    """Return what stands between single quotes of a local parameter; ``#`` would begin a comment of Querqy's."""
    return "".join(f"\\{char}" if char in "\\'#" else char for char in text)
