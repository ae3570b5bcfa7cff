"""What a search backend makes of an understanding: words to look for, categories to favour or to stay within.

Each way of use is a pure function from an understanding to clauses, so that a part of it can be replayed alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from domain.understanding import RewriteType, Understanding
from domain.withheld import Part

__all__ = ["REWRITE_WEIGHTS", "WAYS", "Clauses", "Favoured", "Way", "Words", "clauses_of"]

Way = Literal["boost", "filter", "expand", "boost+expand", "filter+expand"]

WAYS: Final[Mapping[Way, tuple[Part, ...]]] = {
    "boost": ("categories",),
    "filter": ("categories",),
    "expand": ("rewrites",),
    "boost+expand": ("categories", "rewrites"),
    "filter+expand": ("categories", "rewrites"),
}
"""Each way, and the parts of an understanding that it uses."""

REWRITE_WEIGHTS: Final[Mapping[RewriteType, float]] = {"synonym": 0.6, "broader": 0.3, "substitute": 0.2}
"""Weight of a rewrite's words beside the query's own, before confidence; a spelling takes the query's place."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """A bag of words; what a product scores for them is multiplied by ``weight``."""

    text: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Favoured:
    """A category whose products, and those of its descendants, score ``weight`` points more."""

    category_id: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Clauses:
    """A search.

    A product needs a word of any of ``words`` and scores as for the best of them, so that a word that query and rewrite
    share does not count twice. Of the favoured categories that hold it the heaviest counts. Where ``within`` is not
    empty, the product must lie in or below one of its categories.
    """

    words: tuple[Words, ...]
    favoured: tuple[Favoured, ...] = ()
    within: tuple[str, ...] = ()


def clauses_of(understanding: Understanding, way: Way | None, *, factor: float = 1.0) -> Clauses:
    """Return the search for a query that uses its understanding in one way; None is the query alone.

    Args:
        understanding: The answer for the query. A category without a confidence is not acted upon: nobody said how
            sure it is.
        way: How to use it.
        factor: Points of score that a category of confidence 1 adds, where categories are boosted.
    """
    clauses = Clauses(words=(Words(text=understanding.normalized, weight=1.0),))
    if way is None:
        return clauses
    if "rewrites" in WAYS[way]:
        clauses = replace(clauses, words=_expanded(understanding))
    sure = {category.id: category.confidence for category in understanding.categories if category.confidence}
    if way in ("boost", "boost+expand"):
        favoured = (Favoured(category_id=i, weight=factor * confidence) for i, confidence in sure.items())
        return replace(clauses, favoured=tuple(favoured))
    return replace(clauses, within=tuple(sure)) if "categories" in WAYS[way] else clauses


def _expanded(understanding: Understanding) -> tuple[Words, ...]:
    """Return the query, or its spelling of most confidence, and beside it the rewrites of other types."""
    spellings = [rewrite for rewrite in understanding.rewrites if rewrite.type == "spelling"]
    best = max(spellings, key=lambda rewrite: rewrite.confidence).query if spellings else understanding.normalized
    others = (
        Words(text=rewrite.query, weight=REWRITE_WEIGHTS[rewrite.type] * rewrite.confidence)
        for rewrite in understanding.rewrites
        if rewrite.type != "spelling" and rewrite.confidence > 0
    )
    return (Words(text=best, weight=1.0), *others)
