"""Queries with what people say of products for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

from domain.judgements import Judgement

__all__ = ["Half", "JudgedQuery", "half_of", "judged_queries"]

Half = Literal["development", "held back"]


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedQuery:
    """A query in normal form; each judged product's rating, 0 to 3, is the median of its raters."""

    query: str
    searches: int
    ratings: Mapping[str, float]


def judged_queries(judgements: Iterable[Judgement], searches: Mapping[str, int]) -> tuple[JudgedQuery, ...]:
    """Gather judgements by query, in the order of the text; `searches` is how often each was searched."""
    given: dict[str, dict[str, list[int]]] = {}
    for judgement in judgements:
        given.setdefault(judgement.query, {}).setdefault(judgement.product_id, []).append(judgement.rating)
    return tuple(
        JudgedQuery(
            query=query,
            searches=searches.get(query, 0),
            ratings={product: float(median(ratings)) for product, ratings in sorted(products.items())},
        )
        for query, products in sorted(given.items())
    )


def half_of(query: str) -> Half:
    """Return the half that a query belongs to: by its own digest, so that other queries do not move it."""
    return "held back" if hashlib.sha256(query.encode()).digest()[0] % 2 else "development"
