"""The plug-point for what answers a query that has no precomputed answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from domain import Taxonomy

__all__ = ["Candidate", "LoadRetriever", "Retriever", "WordOverlap", "open_retriever"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A category near a query; ``score`` orders candidates and is no probability."""

    category_id: str
    score: float


class CandidateLike(Protocol):
    """What the cascade reads of a candidate, so that an index can return a type of its own."""

    @property
    def category_id(self) -> str:
        """Id in the release's taxonomy."""
        ...


class Retriever(Protocol):
    """Finds categories near a normalised query."""

    def nearest(self, query: str, limit: int) -> Sequence[CandidateLike]:
        """Return at most `limit` categories near enough to show, the nearest first, and none where none is near."""
        ...


LoadRetriever = Callable[[Path], Retriever]
"""Opens the ``retrieval`` folder of a release."""


class WordOverlap:
    """The simplest retriever: the share of the words of a category's name that the query has.

    It needs no index, is exact, and serves tests and trials of the cascade; it finds no synonym and no product.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._words = {category_id: _words(taxonomy[category_id].name) for category_id in taxonomy}

    def nearest(self, query: str, limit: int) -> Sequence[Candidate]:
        """Return the categories whose names share a word with the query."""
        asked = _words(query)
        found = [
            Candidate(category_id=category_id, score=len(words & asked) / len(words))
            for category_id, words in self._words.items()
            if words & asked
        ]
        return sorted(found, key=lambda candidate: (-candidate.score, candidate.category_id))[:limit]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))


def open_retriever(index: Path) -> Retriever:
    """Open the index that a release carries; imported here, because it takes a second and not every release has one."""
    from domain.retrieval import NearestCategories, RetrievalIndex

    # One thread: a serving process keeps to its core, and the others have workers of their own.
    return NearestCategories(RetrievalIndex(index, threads=1))
