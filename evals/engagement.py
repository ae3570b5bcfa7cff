"""The baseline that knows only behaviour: the categories a query's shoppers convert in."""

from __future__ import annotations

from collections.abc import Sequence

from domain.context import ContextStore
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Category, Reason, Understanding

__all__ = ["EngagementBaseline"]


class EngagementBaseline:
    """An `Understander` that answers with the top-converting categories of the log, and abstains without evidence.

    It is what a shop has before any language model, and what a release must beat. Only categories that products are
    filed under are answered, not the ancestors they roll up to.

    Args:
        contexts: What the log says of each query.
        taxonomy: The tree of the shop.
        min_share: Smoothed share of the query's demand that a category needs, in [0, 1]. From 0.25 to 0.4 its F1
            was about flat, and better than below: a strong opponent is the point of it.
        min_events: Actions (clicks, carts, purchases) a category needs; fewer are taken for chance.
        limit: Categories answered at most, the largest share first.
    """

    def __init__(
        self,
        contexts: ContextStore,
        taxonomy: Taxonomy,
        *,
        min_share: float = 0.3,
        min_events: int = 3,
        limit: int = 3,
    ) -> None:
        self._contexts = contexts
        self._taxonomy = taxonomy
        self._min_share = min_share
        self._min_events = min_events
        self._limit = limit

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query, in order; confidence is the smoothed share of demand."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: str) -> Understanding:
        normalized = normalise(query)
        categories = self._categories(normalized)
        reason: Reason = "precomputed" if categories else "abstained_low_confidence" if normalized else "empty_query"
        return Understanding(
            query=query,
            normalized=normalized,
            source="head" if categories else "fallback",
            reason=reason,
            release="engagement",
            categories=categories,
        )

    def _categories(self, normalized: str) -> tuple[Category, ...]:
        context = self._contexts.get(normalized)
        enough = [
            evidence
            for evidence in (context.categories if context else ())
            if evidence.is_own
            and evidence.category_id in self._taxonomy
            and evidence.share >= self._min_share
            and evidence.events >= self._min_events
        ]
        enough.sort(key=lambda evidence: (-evidence.share, evidence.category_id))
        return tuple(
            Category(
                id=evidence.category_id,
                path=self._taxonomy.path(evidence.category_id),
                confidence=min(evidence.share, 1.0),
            )
            for evidence in enough[: self._limit]
        )
