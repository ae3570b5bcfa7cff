"""What a label of a query is worth before there is one: searches x uncertainty x disagreement.

Searches say how much traffic an answer serves; uncertainty, as in uncertainty sampling (Lewis & Gale, "A sequential
algorithm for training text classifiers", SIGIR 1994), how little is known of it; disagreement, as in query by committee
(Seung, Opper & Sompolinsky, COLT 1992), how far two systems that cost nothing differ on it: what shoppers chose after
the query, and retrieval by its words.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from domain.context import DomainContext
from domain.retrieval import Candidate

__all__ = ["Nearest", "disagreement_of", "most_valuable", "order_by_value"]

_APART: Final = 1.0
_UNDECIDED: Final = 0.5
_AGREED: Final = 0.25
_NEAREST: Final = 5


class Nearest(Protocol):
    """Retrieval, as far as it is needed here."""

    def nearest(self, query: str, limit: int) -> Sequence[Candidate]:
        """Return up to `limit` categories for a normalised query, nearest first."""
        ...


def order_by_value(
    contexts: Iterable[DomainContext],
    *,
    uncertainty: Mapping[str, float] | None = None,
    disagreement: Mapping[str, float] | None = None,
) -> list[str]:
    """Return queries by what their labels are worth, the most first, ties by query.

    Args:
        contexts: The queries.
        uncertainty: How unsure a student is of each, 0 to 1; 1 for whatever is not in it.
        disagreement: How far engagement and retrieval differ on each, 0 to 1; 1 for whatever is not in it.
    """
    unsure, apart = uncertainty or {}, disagreement or {}
    worth = {c.query: c.searches * unsure.get(c.query, 1.0) * apart.get(c.query, 1.0) for c in contexts}
    return sorted(worth, key=lambda query: (-worth[query], query))


def disagreement_of(context: DomainContext, index: Nearest) -> float:
    """Return how far engagement and retrieval differ on a query.

    Engagement says the category, of those that products lie in directly, that most of the demand goes to. It is 1 when
    that is none of the five nearest of retrieval, 0.25 when it is the nearest, and 0.5 when it is another of them, or
    when engagement has nothing to say.
    """
    chosen = next((category.category_id for category in context.categories if category.is_own), None)
    if chosen is None:
        return _UNDECIDED
    near = [candidate.category_id for candidate in index.nearest(context.query, _NEAREST)]
    if chosen not in near:
        return _APART
    return _AGREED if chosen == near[0] else _UNDECIDED


def most_valuable(
    searches: Mapping[str, int],
    count: int,
    *,
    disagreement: Callable[[str], float],
    uncertainty: Mapping[str, float] | None = None,
) -> list[str]:
    """Return the first `count` queries of `order_by_value`; disagreement is measured only where it can decide.

    Args:
        searches: The queries, and how often each was searched.
        count: How many to return, or all where there are fewer.
        disagreement: Measures it for a query, 0 to 1. It takes some milliseconds, and a tail may be a million queries.
        uncertainty: As in `order_by_value`.
    """
    unsure = uncertainty or {}
    # What a query is worth at most, were there no agreement at all.
    ceilings = sorted((-number * unsure.get(query, 1.0), query) for query, number in searches.items())
    best: list[tuple[float, str]] = []
    for ceiling in ceilings:
        if len(best) == count and best[-1] <= ceiling:
            break
        most, query = ceiling
        insort(best, (most * disagreement(query), query))
        del best[count:]
    return [query for _, query in best]
