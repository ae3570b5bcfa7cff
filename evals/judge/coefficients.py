"""Coefficients of agreement that can be drawn anew: each follows from small tables of counts, one a query.

A resample counts some queries twice and some not at all, and all items of a query go with it, since they are not
independent of one another (the cluster bootstrap: Davison, Hinkley 1997, section 3.8). Tables of counts add up, so a
thousand resamples are one matrix product.

Sources: Cohen (1960), A coefficient of agreement for nominal scales; Cohen (1968), Weighted kappa; Krippendorff (2019),
Content Analysis, 4th edition, chapter 12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from evals.estimates import Array, Estimate, Sample, Statistic, bootstrap
from evals.judge.table import GradeTable

__all__ = ["Alpha", "Coefficient", "Kappa", "Mean", "coefficient", "coincidences", "drawn", "why_undefined"]

_K = TypeVar("_K")


@dataclass(frozen=True, kw_only=True)
class Coefficient:
    """A coefficient with its interval, or the reason why it is not defined; exactly one of the two is there."""

    estimate: Estimate | None
    undefined: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Kappa:
    """Cohen's kappa, 1 less observed over expected disagreement; ``counts`` is queries x grades x grades.

    Two grades that differ are apart by 1 (nominal) or by the square of their difference (quadratic).
    """

    counts: Array
    distance: Literal["nominal", "quadratic"]

    def under(self, weights: Array) -> Array:
        """Return kappa for each row of weights; NaN without items, or where both raters know one and the same grade."""
        table = np.tensordot(weights, self.counts, axes=1)
        apart = _apart(table.shape[1], self.distance)
        items = table.sum(axis=(1, 2))
        observed = items * (table * apart).sum(axis=(1, 2))
        expected = np.einsum("ri,rj,ij->r", table.sum(axis=2), table.sum(axis=1), apart)
        return _one_less(observed, expected)

    def only(self, members: NDArray[np.intp]) -> Kappa:
        """Return kappa over these queries alone."""
        return Kappa(counts=self.counts[members], distance=self.distance)

    @property
    def judged(self) -> int:
        """Queries with an item that both graded."""
        return int(np.count_nonzero(self.counts.sum(axis=(1, 2))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Alpha:
    """Krippendorff's alpha; ``counts`` are the `coincidences` of each query.

    Two grades that differ are apart by 1 (nominal) or by the square of how many given grades lie between (ordinal).
    """

    counts: Array
    distance: Literal["nominal", "ordinal"]

    def under(self, weights: Array) -> Array:
        """Return alpha for each row of weights; NaN without two grades of one item, or where all grades are one."""
        table = np.tensordot(weights, self.counts, axes=1)
        values = table.sum(axis=2)
        if self.distance == "nominal":
            apart = _apart(table.shape[1], "nominal")[np.newaxis]
        else:
            # The grades up to and half of each: the difference is what lies between the middles of two.
            middles = np.cumsum(values, axis=1) - values / 2
            apart = (middles[:, :, np.newaxis] - middles[:, np.newaxis, :]) ** 2
        observed = (values.sum(axis=1) - 1) * (table * apart).sum(axis=(1, 2))
        expected = (values[:, :, np.newaxis] * values[:, np.newaxis, :] * apart).sum(axis=(1, 2))
        return _one_less(observed, expected)

    def only(self, members: NDArray[np.intp]) -> Alpha:
        """Return alpha over these queries alone."""
        return Alpha(counts=self.counts[members], distance=self.distance)

    @property
    def judged(self) -> int:
        """Queries with an item of two grades or more."""
        return int(np.count_nonzero(self.counts.sum(axis=(1, 2))))


@dataclass(frozen=True, kw_only=True, eq=False)
class Mean:
    """The mean of coefficients, those left out that a resample does not define."""

    parts: Sequence[Kappa]

    def under(self, weights: Array) -> Array:
        """Return the mean for each row of weights; NaN where no part is defined."""
        values = np.array([part.under(weights) for part in self.parts]).reshape(-1, len(weights))
        known = (~np.isnan(values)).sum(axis=0)
        return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)

    def only(self, members: NDArray[np.intp]) -> Statistic:
        """Return the mean over these queries alone."""
        return Mean(parts=[part.only(members) for part in self.parts])

    @property
    def judged(self) -> int:
        """Queries with an item for any of the parts."""
        return int(np.count_nonzero(sum(part.counts.sum(axis=(1, 2)) for part in self.parts)))


def coincidences(table: GradeTable) -> Array:
    """Count pairs of grades of one item by different raters, each divided by the item's raters less one.

    Returns:
        Counts, queries x grades x grades, symmetric; an item with a single grade adds nothing.
    """
    given = (table.grades[:, :, np.newaxis] == np.arange(table.levels)).sum(axis=1).astype(np.float64)
    pairs = given[:, :, np.newaxis] * given[:, np.newaxis, :] - given[:, :, np.newaxis] * np.eye(table.levels)
    pairs /= np.maximum(given.sum(axis=1) - 1, 1)[:, np.newaxis, np.newaxis]
    counts = np.zeros((table.queries, table.levels, table.levels))
    np.add.at(counts, table.query_of, pairs)
    return counts


def why_undefined(counts: Array) -> str:
    """Return why kappa says nothing of these counts, or an empty text.

    A rater with one grade for everything agrees with anybody just as often as chance would have it.
    """
    table = counts.sum(axis=0)
    if not table.any():
        return "no item has both grades"
    for values in (table.sum(axis=1), table.sum(axis=0)):
        if np.count_nonzero(values) == 1:
            return f"one of the two gives every item the grade {int(values.argmax())}"
    return ""


def drawn(statistics: Mapping[_K, Statistic], *, queries: int, draws: int, seed: int) -> dict[_K, Sample]:
    """Draw resamples as `bootstrap` does; of no queries nothing is known."""
    if not queries:
        return {name: Sample(value=np.nan, draws=np.empty(0), judged=0) for name in statistics}
    return bootstrap(statistics, queries=queries, draws=draws, seed=seed)


def coefficient(sample: Sample, undefined: str = "", *, value: float | None = None) -> Coefficient:
    """Return what a sample says, under a value that is known better, or why it says nothing."""
    estimate = None if undefined else sample.estimate()
    if estimate is None:
        return Coefficient(estimate=None, undefined=undefined or "no two grades can be compared")
    point = estimate.value if value is None else value
    estimate = Estimate(value=point, low=estimate.low, high=estimate.high, queries=estimate.queries)
    return Coefficient(estimate=estimate, undefined="")


def _apart(levels: int, distance: Literal["nominal", "quadratic"]) -> Array:
    grades = np.arange(levels, dtype=np.float64)
    difference = grades[:, np.newaxis] - grades
    return difference**2 if distance == "quadratic" else (difference != 0).astype(np.float64)


def _one_less(observed: Array, expected: Array) -> Array:
    return np.where(expected > 0, 1 - observed / np.where(expected > 0, expected, 1.0), np.nan)
