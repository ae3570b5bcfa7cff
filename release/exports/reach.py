"""Whether a rule holds wherever its words stand, or for the whole query alone.

A label says what a *query* means. A synonym filter knows no queries: it replaces words wherever they stand, so that
``ice``, which alone means bagged ice, would turn up in ice cream. What else the release says tells the two apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.understanding import AnnotationType
from release.exports.conflicts import Said
from release.exports.rule import Held

__all__ = ["Meaning", "Reaches"]

_PRODUCT: Final[frozenset[AnnotationType]] = frozenset({"product_type", "brand"})
_SURE_READING: Final = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class Meaning:
    """What counts of a precomputed answer here.

    Attributes:
        categories: Ids.
        sure: The confidence of the first category; 0 where there is none.
        product: Whether a kind of product or a brand was marked in the query.
        value: The shop's form of what was marked, in normal form, where that is the whole query; else empty.
    """

    categories: tuple[str, ...]
    sure: float
    product: bool
    value: str

    @staticmethod
    def is_product(kind: AnnotationType) -> bool:
        """Whether an annotation names a product, not merely something about it."""
        return kind in _PRODUCT


class Reaches:
    """Tells the reach of rules of one release.

    Args:
        meanings: By normalised query, all of the release.
        lineages: Ids from the root to each category, itself included.
        said: What counts of what the labels say.
    """

    def __init__(
        self, meanings: Mapping[str, Meaning], lineages: Mapping[str, Sequence[str]], said: Sequence[Said]
    ) -> None:
        self._meanings = meanings
        self._lineages = lineages
        self._mended = {one.query for one in said if one.type == "spelling"}
        sources = {one.query for one in said if one.type in ("spelling", "synonym")}
        self._longer = _longer(sources, meanings)
        self._longer_targets = _longer(self._mended, {one.target for one in said})

    def held(self, one: Said) -> Held | None:
        """Return why what a label says holds for the whole query alone, or None where it holds anywhere."""
        if one.type not in ("spelling", "synonym"):
            return "kind"
        if not (_plain(one.query) and _plain(one.target)):
            return "signs"
        return self._mend_held(one) if one.type == "spelling" else self._synonym_held(one)

    def _mend_held(self, one: Said) -> Held | None:
        # Where a longer query with these words was not mended, somebody found nothing wrong with them there.
        known = (query for query in self._longer[one.query] if query not in self._mended)
        return "elsewhere" if any(known) or any(self._longer_targets[one.query]) else None

    def _synonym_held(self, one: Said) -> Held | None:
        query, target = one.query.split(), one.target.split()
        meaning = self._meanings[one.query]
        if one.query in self._mended:
            return "misspelt"
        if set(query) <= set(target):
            return "adds_words"
        if set(target) < set(query):
            return "drops_words"
        if not meaning.product:
            return "no_product"
        if len(query) == 1:
            if meaning.sure < _SURE_READING:
                return "two_readings"
            value = meaning.value.split()
            if len(value) > 1 and one.query in (value[0], value[-1]):
                return "short_for"
        other = self._meanings.get(one.target)
        if other is not None and self._unrelated(meaning, other):
            return "unlike"
        if any(self._unrelated(meaning, self._meanings[longer]) for longer in self._longer[one.query]):
            return "elsewhere"
        return None

    def _unrelated(self, one: Meaning, other: Meaning) -> bool:
        """Whether both have categories, and none of one is, or lies above or below, one of the other."""
        if not one.categories or not other.categories:
            return False
        return not any(
            a in self._lineages[b] or b in self._lineages[a] for a in one.categories for b in other.categories
        )


def _longer(sources: Iterable[str], queries: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """Return, by source, the queries that have its words in a row and others beside them."""
    found: dict[str, list[str]] = {source: [] for source in sources}
    for query in queries:
        words = query.split()
        rows = {" ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)}
        for row in rows:
            if row != query and row in found:
                found[row].append(query)
    return found


def _plain(text: str) -> bool:
    """Whether every word begins and ends with a letter or digit, so that no tokenizer drops a sign with a meaning."""
    return all(_letter(word[0]) and _letter(word[-1]) for word in text.split())


def _letter(char: str) -> bool:
    # Unicode 3.2, of 2002: the tables of any engine in use know its letters; of a later one they may make no word.
    category = unicodedata.ucd_3_2_0.category(char)
    return category[0] == "L" or category == "Nd"
