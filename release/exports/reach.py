"""Whether a rule holds wherever its words stand, or for the whole query alone.

A label says what a *query* means. A synonym filter knows no queries: it replaces words wherever they stand, so that
``ice``, which alone means bagged ice, would turn up in ice cream. What else the release says tells the two apart. Words
are those of the engine, to which ``ice-cream`` and ``ice cream`` are the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from release.exports.heard import Heard, Known, Said
from release.exports.rule import Held
from release.exports.words import words_of

__all__ = ["Reaches"]

_SURE_READING: Final = 0.9


class Reaches:
    """Tells the reach of rules of one release, once it has looked at all of its queries, twice.

    Args:
        heard: Returns the answer for a query, or None.
        known: Returns the same, and what counts of its label.
        lineages: Ids from the root to each category, itself included.
    """

    def __init__(
        self,
        heard: Callable[[str], Heard | None],
        known: Callable[[str], Known | None],
        lineages: Mapping[str, Sequence[str]],
    ) -> None:
        self._heard = heard
        self._known = known
        self._lineages = lineages
        # Hashes, for there may be a million: whoever is found is looked up.
        self._sources: set[int] = set()
        # Queries that are not written as their words are, by these: few have a sign in them.
        self._signed: dict[str, list[str]] = {}
        self._let_pass: set[str] = set()
        self._elsewhere: set[str] = set()

    def note(self, known: Known) -> None:
        """Look at a query for the first time."""
        if any(one.kind in ("spelling", "synonym") for one in known.said):
            query = known.answer.query
            words = " ".join(words_of(query))
            if words == query:
                self._sources.add(hash(query))
            else:
                self._signed.setdefault(words, []).append(query)

    def compare(self, known: Known) -> None:
        """Look at a query for the second time: at the others whose words it has in a row."""
        for shorter in self._sources_in(known.answer.query):
            if shorter.is_mended and not known.is_mended:
                # Somebody found nothing wrong with these words there.
                self._let_pass.add(shorter.answer.query)
            if self._unrelated(shorter.answer, known.answer):
                self._elsewhere.add(shorter.answer.query)
        for target in {one.target for one in known.said}:
            self._let_pass.update(each.answer.query for each in self._sources_in(target) if each.is_mended)

    def held(self, one: Said, known: Known) -> Held | None:
        """Return why what a label says holds for the whole query alone, or None where it holds anywhere.

        Args:
            one: What it says.
            known: All of it.
        """
        if one.kind not in ("spelling", "synonym"):
            return "kind"
        if not (_plain(one.query) and _plain(one.target)):
            return "signs"
        if one.kind == "spelling":
            return "elsewhere" if one.query in self._let_pass else None
        return self._synonym_held(one, known)

    def _synonym_held(self, one: Said, known: Known) -> Held | None:
        query, target, answer = words_of(one.query), words_of(one.target), known.answer
        if known.is_mended:
            return "misspelt"
        if set(query) <= set(target):
            return "adds_words"
        if set(target) < set(query):
            return "drops_words"
        if not answer.product:
            return "no_product"
        # One word as shoppers write it: ``t-shirt`` too.
        if len(one.query.split()) == 1:
            if answer.sure < _SURE_READING:
                return "two_readings"
            value = words_of(answer.value)
            if len(value) > len(query) and query in (value[: len(query)], value[-len(query) :]):
                return "short_for"
        other = self._heard(one.target)
        if other is not None and self._unrelated(answer, other):
            return "unlike"
        return "elsewhere" if one.query in self._elsewhere else None

    def _sources_in(self, query: str) -> Iterator[Known]:
        words = words_of(query)
        rows = {" ".join(words[start:end]) for start in range(len(words)) for end in range(start + 1, len(words) + 1)}
        for row in rows:
            for source in ((row,) if hash(row) in self._sources else ()) + tuple(self._signed.get(row, ())):
                if source != query and (known := self._known(source)) is not None:
                    yield known

    def _unrelated(self, one: Heard, other: Heard) -> bool:
        """Whether both have categories, and none of one is, or lies above or below, one of the other."""
        if not one.categories or not other.categories:
            return False
        return not any(
            a in self._lineages[b] or b in self._lineages[a] for a in one.categories for b in other.categories
        )


def _plain(text: str) -> bool:
    """Whether every word begins and ends with a letter or digit, so that no tokenizer drops a sign with a meaning."""
    return all(_letter(word[0]) and _letter(word[-1]) for word in text.split())


def _letter(char: str) -> bool:
    # Unicode 3.2, of 2002: the tables of any engine in use know its letters; of a later one they may make no word.
    category = unicodedata.ucd_3_2_0.category(char)
    return category[0] == "L" or category == "Nd"
