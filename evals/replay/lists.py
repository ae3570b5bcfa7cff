"""What a ranked list is worth, against judged products.

Sources: Järvelin, Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques; the gain 2^rating - 1 is that of
Burges et al. (2005), Learning to rank using gradient descent; Sakai (2007), Alternatives to Bpref, for condensed lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.judgements import MAX_RATING

__all__ = ["DEPTH", "LISTED", "ListScores", "ndcg", "score_list", "sure_loss"]

LISTED: Final = 10
"""Places that a shopper sees."""

DEPTH: Final = 1000
"""Hits from which the unjudged are removed for the condensed list."""

_RECALL_DEPTH = 100
_RELEVANT = 2.0


@dataclass(frozen=True, kw_only=True)
class ListScores:
    """Scores of one list; NaN is what cannot be said.

    Attributes:
        ndcg: nDCG@10, an unjudged product counting as rated 0; NaN where no product is rated above 0.
        condensed: The same over the list without its unjudged products.
        judged: Share of the first 10 that are judged; NaN for an empty list.
        recall: Share of the products rated 2 or more that are among the first 100; NaN where there is none.
        zero: 1 for an empty list, else 0.
    """

    ndcg: float
    condensed: float
    judged: float
    recall: float
    zero: float


def score_list(ranked: Sequence[str], ratings: Mapping[str, float]) -> ListScores:
    """Score a list of product ids, the best first."""
    first = ranked[:LISTED]
    relevant = {product for product, rating in ratings.items() if rating >= _RELEVANT}
    return ListScores(
        ndcg=ndcg(ranked, ratings),
        condensed=ndcg([product for product in ranked if product in ratings], ratings),
        judged=sum(product in ratings for product in first) / len(first) if first else math.nan,
        recall=len(relevant.intersection(ranked[:_RECALL_DEPTH])) / len(relevant) if relevant else math.nan,
        zero=float(not ranked),
    )


def ndcg(ranked: Sequence[str], ratings: Mapping[str, float]) -> float:
    """Return nDCG@10 with the gain 2^rating - 1; the ideal list is that of all judged products."""
    ideal = _dcg(sorted(ratings.values(), reverse=True))
    return _dcg([ratings.get(product, 0.0) for product in ranked[:LISTED]]) / ideal if ideal else math.nan


def sure_loss(before: Sequence[str], after: Sequence[str], ratings: Mapping[str, float]) -> float:
    """Return the nDCG@10 that `after` loses to `before` whatever its unjudged products would be rated.

    Each unjudged product is given the rating, 0 or the highest there is, that makes the loss least. The ideal list is
    still that of the judged products: it scales the loss and leaves its sign. Below 0 the loss may be a gain.
    """
    ideal = _dcg(sorted(ratings.values(), reverse=True))
    if not ideal:
        return math.nan
    places = ({product: place for place, product in enumerate(some[:LISTED], start=1)} for some in (before, after))
    old, new = places
    lost = 0.0
    for product in dict.fromkeys([*old, *new]):
        moved = _discount(old.get(product)) - _discount(new.get(product))
        rating = ratings.get(product, 0.0 if moved > 0 else MAX_RATING)
        lost += (2**rating - 1) * moved
    return lost / ideal


def _discount(place: int | None) -> float:
    return 1 / math.log2(place + 1) if place else 0.0


def _dcg(ratings: Sequence[float]) -> float:
    return sum((2**rating - 1) * _discount(place) for place, rating in enumerate(ratings[:LISTED], start=1))
