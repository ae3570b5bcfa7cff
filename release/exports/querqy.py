"""Files for Querqy: spellings for its Replace Rewriter, everything else for its Common Rules Rewriter.

Querqy can say what a synonym filter cannot: that a rule holds for the whole query alone (its input stands in quotes),
and how much a synonym weighs. Properties carry the provenance; each stands on one line, because in a property over
several lines Querqy takes a line that begins like an instruction for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from release.exports.by_query import QueryRules, category_ids, fallback_file, rules_by_query
from release.exports.rule import Kind, Rule
from release.exports.selection import Selection
from release.exports.settings import ExportSettings
from release.exports.solr import category_clause
from release.exports.written import File, Written

__all__ = ["write_querqy"]

_ESCAPED: Final = re.compile(r'[\\*#"]')
# A colon would name a field, $1 what a wildcard matched, =>, and a bracket in boolean input, the end of something.
_NO_WAY: Final = re.compile(r"[:(){}]|\$\d|=>")
_NO_WAY_IN_VALUE: Final = re.compile(r"[#\\]")


def write_querqy(selection: Selection, settings: ExportSettings) -> Written:
    """Return the files: ``replace.txt`` is to run before ``rules.txt``."""
    writer = _Writer(selection, settings)
    files = (
        File(name="replace.txt", lines=chain(_header(selection), writer.replacements())),
        File(name="rules.txt", lines=chain(_header(selection), writer.rules())),
        fallback_file(rules_by_query(selection)),
    )
    return Written(files=iter(files), unwritable=writer.unwritable)


class _Writer:
    def __init__(self, selection: Selection, settings: ExportSettings) -> None:
        self._selection = selection
        self._settings = settings
        self.unwritable: list[str] = []

    def replacements(self) -> Iterator[str]:
        """Yield the lines of the spellings that hold wherever their words stand."""
        for rule in self._selection.rules():
            if rule.kind == "spelling" and rule.reach == "words":
                yield f"# {rule.id} confidence {rule.confidence:.2f}, until {rule.expires}"
                yield f"{rule.query} => {rule.target}"

    def rules(self) -> Iterator[str]:
        """Yield the lines of all other rules; last, those that misspelt queries leave to a mended one without its own.

        Several may leave it the same, which counts once: Querqy adds boosts up.
        """
        moved: dict[tuple[str, Kind, str], Rule] = {}
        for each in rules_by_query(self._selection):
            mended = each.mend.target if each.mend and each.mend.reach == "words" else None
            if mended is None:
                for rule in _own(each):
                    yield from self._block(rule, each.query)
            elif not self._selection.of(mended):
                for rule in _own(each):
                    place = (mended, rule.kind, rule.target)
                    moved[place] = max(moved.get(place, rule), rule, key=lambda one: one.confidence)
        for (query, _, _), rule in moved.items():
            yield from self._block(rule, query)

    def _block(self, rule: Rule, query: str) -> Iterator[str]:
        instruction = self._instruction(rule)
        if instruction is None or _NO_WAY.search(query):
            self.unwritable.append(rule.id)
            return
        words = _escape(query)
        yield from ("", f"{words} =>" if rule.reach == "words" else f'"{words}" =>', f"  {instruction}")
        yield from self._properties(rule)

    def _instruction(self, rule: Rule) -> str | None:
        if rule.kind == "category":
            weight, raw = f"{self._settings.added * rule.confidence:.4f}", self._category(rule)
            return None if "%%" in raw else f"UP({weight}): * {raw}"
        if rule.kind in ("spelling", "synonym"):
            return None if _NO_WAY.search(rule.target) else f"SYNONYM({rule.confidence:.4f}): {_escape(rule.target)}"
        return None if _NO_WAY_IN_VALUE.search(rule.target) else f"DECORATE({rule.kind}): {rule.target}"

    def _category(self, rule: Rule) -> str:
        taxonomy, settings = self._selection.taxonomy, self._settings
        if settings.raw_queries == "solr":
            # 1 for each product, which Querqy then multiplies; how rare the category is says nothing of the need.
            return f"{category_clause(rule, taxonomy, settings)}^=1"
        return _json({"terms": {settings.category_field: list(category_ids(taxonomy, rule.target))}})

    def _properties(self, rule: Rule) -> Iterator[str]:
        origin = self._selection.origin
        provenance = {
            "kind": rule.kind,
            "confidence": round(rule.confidence, 4),
            "expires": rule.expires.isoformat(),
            "release": origin.release,
            "models": origin.models,
            "prompts": origin.prompts,
        }
        yield f"  @_id: {_json(rule.id)}"
        yield f"  @{_json(provenance)}@"


def _own(each: QueryRules) -> Iterator[Rule]:
    """Yield the rules of the label of a query itself, but for a spelling that is a replacement."""
    for rule in (each.mend, *each.synonyms, *each.categories, *each.fallbacks):
        if rule is not None and rule.query == each.query and not (rule.kind == "spelling" and rule.reach == "words"):
            yield rule


def _header(selection: Selection) -> list[str]:
    origin = selection.origin
    return [f"# release {origin.release} of {' '.join(origin.shop.split())}, made {origin.created:%Y-%m-%d}"]


def _escape(text: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", text)


def _json(value: object) -> str:
    """Return JSON on one line, without the sign that would begin a comment."""
    return json.dumps(value, ensure_ascii=True).replace("#", "\\u0023")
