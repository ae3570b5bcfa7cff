"""Queries with what people say of products for them, and a judge where they say nothing."""

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
    """A query in normal form; each judged product's rating, 0 to 3, is the median of its raters.

    ``by_judge`` are the products that no person rated: their rating is the grade of a judge.
    """

    query: str
    searches: int
    ratings: Mapping[str, float]
    by_judge: frozenset[str] = frozenset()


def judged_queries(
    judgements: Iterable[Judgement], searches: Mapping[str, int], *, grades: Iterable[Judgement] = ()
) -> tuple[JudgedQuery, ...]:
    """Gather judgements by query, in the order of the text.

    Args:
        judgements: What people say.
        searches: How often each query was searched.
        grades: What a judge says, of each pair once. It counts where no person rated the product and people rated
            others for the query: of a query that they know nothing of, it alone decides nothing.
    """
    given: dict[str, dict[str, list[int]]] = {}
    for judgement in judgements:
        given.setdefault(judgement.query, {}).setdefault(judgement.product_id, []).append(judgement.rating)
    filled: dict[str, set[str]] = {query: set() for query in given}
    for grade in grades:
        if grade.query in given and grade.product_id not in given[grade.query]:
            given[grade.query][grade.product_id] = [grade.rating]
            filled[grade.query].add(grade.product_id)
    return tuple(
        JudgedQuery(
            query=query,
            searches=searches.get(query, 0),
            ratings={product: float(median(ratings)) for product, ratings in sorted(products.items())},
            by_judge=frozenset(filled[query]),
        )
        for query, products in sorted(given.items())
    )


def half_of(query: str) -> Half:
    """Return the half that a query belongs to: by its own digest, so that other queries do not move it."""
    return "held back" if hashlib.sha256(query.encode()).digest()[0] % 2 else "development"
