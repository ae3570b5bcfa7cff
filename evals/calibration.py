"""Whether the confidence of a category is the chance that it is right.

Every category of an answer with a confidence is one forecast, right where its id is expected or acceptable; queries
without labelled categories make none.

Sources: Naeini, Cooper, Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning (ECE; here in
bins of equal mass); Brier (1950), Verification of forecasts expressed in terms of probability; Wilson (1927), Probable
inference (the interval of a share).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.understanding import Understanding
from evals.case import Case
from evals.estimates import Array, Ratio

__all__ = ["BINS", "CalibrationError", "Forecasts", "Reliability", "ReliabilityBin", "reliability"]

BINS = 10
"""Bins of a reliability diagram at most."""

_Z = 1.959964  # standard normal quantile of 0.975


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecasts:
    """The forecasts of some answers, by the place of their query among ``queries`` of them."""

    places: NDArray[np.intp]
    confidence: Array
    right: Array
    queries: int

    @classmethod
    def of(cls, cases: Sequence[Case], answers: Sequence[Understanding]) -> Forecasts:
        """Collect the forecasts of answers in the order of their cases; of an id given twice the first counts."""
        rows = []
        for place, (case, answer) in enumerate(zip(cases, answers, strict=True)):
            if case.categories is not None:
                given = {c.id: c.confidence for c in reversed(answer.categories)}
                right = {*case.categories, *case.acceptable}
                rows += [(place, sure, i in right) for i, sure in given.items() if sure is not None]
        places, confidence, hits = np.array(rows, dtype=np.float64).reshape(-1, 3).T
        return cls(places=places.astype(np.intp), confidence=confidence, right=hits, queries=len(cases))

    def only(self, members: NDArray[np.intp]) -> Forecasts:
        """Return the forecasts for these queries alone, whose places are those among the members."""
        at = np.full(self.queries, -1, dtype=np.intp)
        at[members] = np.arange(members.size)
        kept = at[self.places] >= 0
        return Forecasts(
            places=at[self.places[kept]], confidence=self.confidence[kept], right=self.right[kept], queries=members.size
        )

    def summed(self, values: Array) -> Array:
        """Return the sum of a number of each forecast over the forecasts of each query."""
        return np.bincount(self.places, weights=values, minlength=self.queries).astype(np.float64)

    def bins(self, most: int = BINS) -> NDArray[np.intp]:
        """Return the bin of each forecast, from 0, in ascending order of confidence.

        Bins hold as many forecasts as each other, but for one thing: equal confidences are never parted, so there may
        be fewer bins. None is empty.
        """
        if not self.confidence.size:
            return np.empty(0, dtype=np.intp)
        edges = np.unique(np.quantile(self.confidence, np.arange(1, most + 1) / most, method="inverted_cdf"))
        return np.searchsorted(edges, self.confidence, side="left")

    @property
    def brier(self) -> Ratio:
        """The mean squared distance of confidence and outcome."""
        squares = self.summed((self.confidence - self.right) ** 2)
        return Ratio(top=squares, bottom=self.summed(np.ones_like(self.confidence)))


@dataclass(frozen=True, kw_only=True, eq=False)
class CalibrationError:
    """ECE as a statistic: the mean over forecasts of their bin's distance between mean confidence and share right.

    Under weights the bins, and on which side of its confidence each bin's share lies, stay those of the queries as they
    are. Distances of resampled bins would each add the noise of the resample, which an absolute value does not cancel,
    and the interval would lie above its value.
    """

    forecasts: Forecasts

    def under(self, weights: Array) -> Array:
        """Return ECE for each row of weights; NaN where there is no forecast."""
        forecasts = self.forecasts
        gaps = forecasts.confidence - forecasts.right
        bins = forecasts.bins()
        sides = np.sign(np.bincount(bins, weights=gaps)) if bins.size else np.empty(0)
        ratio = Ratio(top=forecasts.summed(sides[bins] * gaps), bottom=forecasts.summed(np.ones_like(gaps)))
        return np.maximum(ratio.under(weights), 0.0)

    def only(self, members: NDArray[np.intp]) -> CalibrationError:
        """Return ECE over these queries alone, in bins of their own."""
        return CalibrationError(forecasts=self.forecasts.only(members))

    @property
    def judged(self) -> int:
        """Queries with a forecast."""
        return len(np.unique(self.forecasts.places))


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """One bin: its mean confidence, the share of its forecasts that are right with Wilson's 95% interval."""

    confidence: float
    right: float
    low: float
    high: float
    forecasts: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """The data of a reliability diagram, in ascending order of confidence.

    ``error`` is ECE. ``floor`` is about what chance alone would make of it if every confidence were the true chance: an
    error near it shows no miscalibration.
    """

    bins: tuple[ReliabilityBin, ...]
    error: float
    floor: float


def reliability(forecasts: Forecasts) -> Reliability | None:
    """Return the diagram of some forecasts, or None where there is none."""
    if not forecasts.confidence.size:
        return None
    at = forecasts.bins()
    found = [
        _bin(forecasts.confidence[at == number], forecasts.right[at == number]) for number in range(int(at.max()) + 1)
    ]
    # A mean of n outcomes has the deviation sqrt(sum of p (1 - p)) / n, and a normal one lies sqrt(2 / pi) of that from
    # 0 in the mean; bins weigh by their forecasts, so that n falls out.
    spread = np.bincount(at, weights=forecasts.confidence * (1 - forecasts.confidence))
    total = forecasts.confidence.size
    return Reliability(
        bins=tuple(found),
        error=sum(one.forecasts * abs(one.confidence - one.right) for one in found) / total,
        floor=float(np.sqrt(2 / np.pi) * np.sqrt(np.maximum(spread, 0.0)).sum() / total),
    )


def _bin(confidence: Array, right: Array) -> ReliabilityBin:
    n = confidence.size
    share = float(right.mean())
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    arm = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return ReliabilityBin(
        confidence=float(confidence.mean()),
        right=share,
        low=max(0.0, middle - arm),
        high=min(1.0, middle + arm),
        forecasts=n,
    )
