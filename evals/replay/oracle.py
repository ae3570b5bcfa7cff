"""Labelled categories as a system: how far a right understanding could take the search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Category, Understanding
from evals.case import Case

__all__ = ["Oracle"]


class Oracle:
    """Answers with the expected categories, each of confidence 1; `queries` says which are labelled."""

    def __init__(self, cases: Iterable[Case], taxonomy: Taxonomy) -> None:
        self._known = {
            case.normalized: tuple(
                Category(id=category_id, path=taxonomy.path(category_id), confidence=1.0)
                for category_id in case.categories
            )
            for case in cases
            if case.categories is not None
        }

    @property
    def queries(self) -> frozenset[str]:
        """The queries with labelled categories, in normal form; an empty list of categories is a label."""
        return frozenset(self._known)

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query, in order; one that is not labelled with nothing."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: str) -> Understanding:
        normalized = normalise(query)
        return Understanding(
            query=query,
            normalized=normalized,
            source="head",
            reason="precomputed",
            release="gold",
            categories=self._known.get(normalized, ()),
        )
