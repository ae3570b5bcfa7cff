"""Numbers over queries with percentile bootstrap intervals, alone and in pairs.

Every measure is a ratio of two sums over queries, or the harmonic mean of two such ratios; a resample of the queries
is a row of integer weights, so a thousand resamples are one matrix product.

Sources: Efron (1979), Bootstrap methods: another look at the jackknife; Koehn (2004), Statistical significance tests
for machine translation evaluation (the paired form).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Estimate", "Harmonic", "Ratio", "Sample", "Statistic", "bootstrap"]

Array = NDArray[np.float64]
_K = TypeVar("_K")
_BLOCK = 4_000_000  # weights in memory at a time: 32 MB


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value with its 95% interval, over ``queries`` queries that had something to judge."""

    value: float
    low: float
    high: float
    queries: int


class Statistic(Protocol):
    """A number that follows from how often each query is counted."""

    def under(self, weights: Array) -> Array:
        """Return the number for each row of weights (rows x queries); NaN where nothing is there to judge."""
        ...

    def only(self, members: NDArray[np.intp]) -> Statistic:
        """Return the statistic over these queries alone."""
        ...

    @property
    def judged(self) -> int:
        """Queries that had something to judge."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Ratio:
    """The sum of ``top`` over the sum of ``bottom``; a query with bottom 0 has nothing to judge."""

    top: Array
    bottom: Array

    @classmethod
    def mean(cls, values: Array) -> Ratio:
        """Return the mean over the values that are not NaN."""
        return cls(top=np.nan_to_num(values), bottom=(~np.isnan(values)).astype(np.float64))

    def under(self, weights: Array) -> Array:
        """Return the ratio for each row of weights."""
        bottom = weights @ self.bottom
        return np.where(bottom > 0, (weights @ self.top) / np.where(bottom > 0, bottom, 1.0), np.nan)

    def only(self, members: NDArray[np.intp]) -> Ratio:
        """Return the ratio over these queries alone."""
        return Ratio(top=self.top[members], bottom=self.bottom[members])

    @property
    def judged(self) -> int:
        """Queries that had something to judge."""
        return int(np.count_nonzero(self.bottom))


@dataclass(frozen=True, kw_only=True, eq=False)
class Harmonic:
    """F1: the harmonic mean of precision and recall; 0 where only one of them can be had, NaN where neither."""

    precision: Ratio
    recall: Ratio

    def under(self, weights: Array) -> Array:
        """Return F1 for each row of weights."""
        precision, recall = self.precision.under(weights), self.recall.under(weights)
        neither = np.isnan(precision) & np.isnan(recall)
        precision, recall = np.nan_to_num(precision), np.nan_to_num(recall)
        both = precision + recall
        f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(both)), where=both > 0)
        return np.where(neither, np.nan, f1)

    def only(self, members: NDArray[np.intp]) -> Harmonic:
        """Return F1 over these queries alone."""
        return Harmonic(precision=self.precision.only(members), recall=self.recall.only(members))

    @property
    def judged(self) -> int:
        """Queries that had something to judge."""
        return int(np.count_nonzero(self.precision.bottom + self.recall.bottom))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A statistic's value on the queries as they are, and on each resample of them."""

    value: float
    draws: Array
    judged: int

    def estimate(self) -> Estimate | None:
        """Return the value with its interval, or None when there was nothing to judge."""
        if np.isnan(self.value):
            return None
        drawn = self.draws[~np.isnan(self.draws)]
        low, high = np.quantile(drawn, (0.025, 0.975)) if drawn.size else (self.value, self.value)
        return Estimate(value=self.value, low=float(low), high=float(high), queries=self.judged)

    def over(self, base: Sample) -> Sample:
        """Return the difference to a sample drawn by the same resamples."""
        return Sample(value=self.value - base.value, draws=self.draws - base.draws, judged=self.judged)


def bootstrap(statistics: Mapping[_K, Statistic], *, queries: int, draws: int, seed: int) -> dict[_K, Sample]:
    """Draw resamples of the queries, the same for every statistic, so that any two of them can be paired."""
    rng = np.random.default_rng(seed)
    chances = np.full(queries, 1 / queries)
    drawn: dict[_K, list[Array]] = {name: [] for name in statistics}
    step = max(1, _BLOCK // queries)
    for start in range(0, draws, step):
        weights = rng.multinomial(queries, chances, size=min(step, draws - start)).astype(np.float64)
        for name, statistic in statistics.items():
            drawn[name].append(statistic.under(weights))
    as_they_are = np.ones((1, queries))
    return {
        name: Sample(
            value=float(statistic.under(as_they_are)[0]),
            draws=np.concatenate(drawn[name]) if drawn[name] else np.empty(0),
            judged=statistic.judged,
        )
        for name, statistic in statistics.items()
    }
