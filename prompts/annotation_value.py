"""What the value of an annotation may be: a short plain name, in words of the query or of the shop."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from domain.constraint_words import SIZES, UNITS
from domain.retrieval import RetrievalIndex
from domain.text import normalise
from domain.understanding import AnnotationType
from prompts.departments import Departments
from prompts.evidence import quote
from prompts.rejection import DropReason
from prompts.spelling import is_respelling

__all__ = ["ReadValue", "ValueJudge"]

# The longest of 4,000 recorded values has 27 characters.
_LONGEST = 60
_MARKUP = re.compile(r"[<>‹›{}\[\]\\|`=]|//|[a-z]:\S|\bwww\b|@|[a-z0-9]\.[a-z]{2}", re.IGNORECASE)
_NAMES = (text for words in (UNITS, SIZES) for name, others in words.items() for text in (name, *others))
_MEASURES = frozenset(word for text in _NAMES for word in text.split())


@dataclass(frozen=True, kw_only=True)
class ReadValue:
    """A value that can be served, and what there was against the one that was answered."""

    value: str
    objection: DropReason | None = None


@dataclass(frozen=True, kw_only=True)
class ValueJudge:
    """Judges the values of one query's annotations.

    Attributes:
        query: The normalised query.
        spelling: The mended query, where that stands.
        categories: Those of the answer that stood.
        departments: What the log says of the query, with tree and index.
    """

    query: str
    spelling: str | None
    categories: Sequence[str]
    departments: Departments

    def read(self, text: str, kind: AnnotationType, value: str) -> ReadValue:
        """Return a value as it can be served for words of the query: as it was answered, on one line, or those words.

        Words of the query may stand in any value, and a value may be another spelling of the text. For the rest, a
        brand must be one that the shop has, and, where it shares no word with the query, one that the query's shoppers
        chose, as far as the log says which. Of a type of product the shop must know the words, and not have it in other
        departments alone. Of anything else it must know the words; a size may put in units, and no other number.
        """
        line = quote(value, longest=_LONGEST)
        if not normalise(line):
            return ReadValue(value=text)
        if line.endswith("…") or _MARKUP.search(line):
            return ReadValue(value=text, objection="annotation_value_unfit")
        objection = self._objection(text, kind, normalise(line))
        return ReadValue(value=text if objection else line, objection=objection)

    def _objection(self, text: str, kind: AnnotationType, said: str) -> DropReason | None:
        if is_respelling(text, said):
            return None
        added = [word for word in said.split() if not self._stems >= set(self._index.stems(word))]
        if not added:
            return None
        if kind == "brand":
            known = self._is_brand(said, added)
        elif kind == "size":
            known = _digits(said) in ("", _digits(text)) and self._knows(w for w in added if not _digits(w))
        else:
            known = self._knows(added)
        if not known:
            return "annotation_value_unknown"
        return "annotation_value_elsewhere" if kind == "product_type" and self._is_elsewhere(said) else None

    def _is_brand(self, said: str, added: list[str]) -> bool:
        context = self.departments.context
        chosen = {normalise(f.value) for f in context.annotations if f.name == "brand"} if context else set()
        if chosen and len(added) == len(said.split()) and said not in chosen:
            return False
        return bool(self._finds(" ".join(added)))

    def _is_elsewhere(self, said: str) -> bool:
        return self.departments.lead_elsewhere(self._finds(said), self.categories)

    def _finds(self, text: str) -> dict[str, int]:
        return self._index.finds(text, self.departments.taxonomy)

    def _knows(self, words: Iterable[str]) -> bool:
        return all(word in _MEASURES or self._index.matches(word) for word in words)

    @property
    def _index(self) -> RetrievalIndex:
        return self.departments.index

    @cached_property
    def _stems(self) -> set[str]:
        return set(self._index.stems(f"{self.query} {self.spelling or ''}"))


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d", text))
