"""How far two systems answer alike, which needs no labels."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Literal

import numpy as np

from domain.text import normalise
from domain.understanding import Understanding
from evals.categories import predicted_ids
from evals.estimates import Array, Ratio, Statistic

__all__ = ["AGREEMENT", "Part", "agreement", "changed"]

Part = Literal["categories", "top", "specificity", "annotations", "rewrites"]
"""What of an answer can differ: the set of categories, the first of them, and the rest."""

AGREEMENT = {
    "same_answer": "queries on which nothing differs",
    "same_categories": "queries with the same set of categories",
    "same_categories_by_searches": "the same, as a share of all searches",
    "same_top": "queries with the same first category",
    "categories_jaccard": "mean overlap of the sets of categories",
    "same_specificity": "queries with the same specificity",
    "annotations_jaccard": "mean overlap, where a side has any",
    "rewrites_jaccard": "mean overlap, where a side has any",
}
"""Every measure of agreement, by name."""


def changed(a: Understanding, b: Understanding) -> tuple[Part, ...]:
    """Return the parts in which two answers to one query differ."""
    first, second = predicted_ids(a), predicted_ids(b)
    differs: dict[Part, bool] = {
        "categories": set(first) != set(second),
        "top": first[:1] != second[:1],
        "specificity": a.specificity != b.specificity,
        "annotations": _places(a) != _places(b),
        "rewrites": _rewrites(a) != _rewrites(b),
    }
    return tuple(part for part, yes in differs.items() if yes)


def agreement(a: Sequence[Understanding], b: Sequence[Understanding], weights: Array) -> dict[str, Statistic]:
    """Return the statistic of every measure, in the order of `AGREEMENT`; two empty sets of categories are alike.

    Args:
        a: Answers of one side.
        b: Answers of the other.
        weights: Searches that each query stands for.
    """
    pairs = list(zip(a, b, strict=True))
    parts = [changed(*pair) for pair in pairs]
    same = _array(["categories" not in part for part in parts])
    return {
        "same_answer": Ratio.mean(_array([not part for part in parts])),
        "same_categories": Ratio.mean(same),
        "same_categories_by_searches": Ratio(top=same * weights, bottom=weights),
        "same_top": Ratio.mean(_array(["top" not in part for part in parts])),
        "categories_jaccard": Ratio.mean(
            _array([_jaccard(set(predicted_ids(x)), set(predicted_ids(y)), neither=1.0) for x, y in pairs])
        ),
        "same_specificity": Ratio.mean(_array(["specificity" not in part for part in parts])),
        "annotations_jaccard": Ratio.mean(_array([_jaccard(_places(x), _places(y), neither=np.nan) for x, y in pairs])),
        "rewrites_jaccard": Ratio.mean(
            _array([_jaccard(_rewrites(x), _rewrites(y), neither=np.nan) for x, y in pairs])
        ),
    }


def _places(answer: Understanding) -> Set[tuple[int, int, str]]:
    return {(span.start, span.end, span.type) for span in answer.annotations}


def _rewrites(answer: Understanding) -> Set[str]:
    return {normalise(rewrite.query) for rewrite in answer.rewrites}


def _jaccard(one: Set[object], other: Set[object], *, neither: float) -> float:
    return len(one & other) / len(one | other) if one or other else neither


def _array(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)
