"""What the rules say of each query, for a search backend that knows the whole query."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from domain import Taxonomy
from release.exports.rule import Kind, Rule
from release.exports.selection import Selection
from release.exports.written import File

__all__ = ["QueryRules", "category_ids", "fallback_file", "json_lines", "rules_by_query"]


@dataclass(frozen=True, kw_only=True)
class QueryRules:
    """The rules of one query.

    Attributes:
        query: As it is typed, in normal form.
        text: What to search for: the mended query, or the query.
        mend: The rule that mends it, or None.
        synonyms: Of the query, and of the mended one where it was mended.
        categories: Of the query; of the mended one where it has none of its own.
        fallbacks: What to search for where that finds too little: broader queries, then substitutes, surest first.
    """

    query: str
    text: str
    mend: Rule | None
    synonyms: tuple[Rule, ...]
    categories: tuple[Rule, ...]
    fallbacks: tuple[Rule, ...]

    @property
    def matched(self) -> tuple[Rule, ...]:
        """The rules that change what is matched and how it is scored."""
        return ((self.mend,) if self.mend else ()) + self.synonyms + self.categories

    def head(self) -> dict[str, Any]:
        """Return what every line about the query begins with; ``expires`` is the first day of any of its rules."""
        return {
            "query": self.query,
            "rules": [rule.id for rule in self.matched],
            "expires": min(rule.expires for rule in self.matched),
        }


def rules_by_query(selection: Selection) -> Iterator[QueryRules]:
    """Yield the rules of each query that has any, in the order of the release."""
    for query, group in groupby(selection.rules(), key=lambda rule: rule.query):
        rules = tuple(group)
        mend = next(iter(_of_kind(rules, "spelling")), None)
        mended = selection.of(mend.target) if mend else ()
        text = mend.target if mend else query
        synonyms = _of_kind(rules, "synonym") + _of_kind(mended, "synonym")
        yield QueryRules(
            query=query,
            text=text,
            mend=mend,
            synonyms=_one_each(rule for rule in synonyms if rule.target != text),
            categories=_of_kind(rules, "category") or _of_kind(mended, "category"),
            fallbacks=_one_each(_of_kind(rules, "broader") + _of_kind(rules, "substitute")),
        )


def _of_kind(rules: Iterable[Rule], kind: Kind) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if rule.kind == kind)


def _one_each(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the first rule for each target."""
    found: dict[str, Rule] = {}
    for rule in rules:
        found.setdefault(rule.target, rule)
    return tuple(found.values())


def category_ids(taxonomy: Taxonomy, category_id: str) -> tuple[str, ...]:
    """Return a category and all below it: a product is kept under one of them, mostly a leaf."""
    found = [category_id]
    for at in found:
        found.extend(taxonomy.children.get(at, ()))
    return tuple(found)


def fallback_file(queries: Iterable[QueryRules]) -> File:
    """Return, as JSON Lines, what to search for where a query finds too little, in the order to try it."""
    lines = json_lines(
        {
            "query": each.query,
            "fallbacks": [
                {
                    "query": rule.target,
                    "kind": rule.kind,
                    "confidence": rule.confidence,
                    "rule": rule.id,
                    "expires": rule.expires,
                }
                for rule in each.fallbacks
            ],
        }
        for each in queries
        if each.fallbacks
    )
    return File(name="fallbacks.jsonl", lines=lines)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield rows as JSON; dates as ``2026-11-22``."""
    return map(json.JSONEncoder(ensure_ascii=False, default=_date).encode, rows)


def _date(value: Any) -> str:
    if not isinstance(value, date):
        raise TypeError(f"{value!r} has no JSON form")
    return value.isoformat()
