"""What a bound is about, per query: a measure of one system, or the difference of a measure between two.

Most measures are no means over queries: F1 is a harmonic mean of ratios of sums. Leaving each query out in turn gives
values whose mean is the measure and whose spread is that of the measure (the jackknife's pseudo-values: Tukey 1958,
Bias and confidence in not quite large samples, Annals of Mathematical Statistics 29). Of a mean over queries they are
the queries' own values.

The ends of the scale are what one query could be worth at worst and at best: 0 and 1 for a mean, and beyond them where
a query with many ids weighs more than others. For the weight of what was not drawn the heaviest that was drawn stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.calibration import CalibrationError
from evals.estimates import Array, Harmonic, Ratio, Statistic
from evals.gate.spread import Spread

__all__ = ["Quantity", "gained", "measured"]

_BLOCK = 4_000_000  # weights in memory at a time: 32 MB


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantity:
    """A measure, or a difference of two, with its spread over the queries that have something to judge.

    ``low`` and ``high`` are what a query could be worth at worst and at best. ``judged`` is the fewer queries of the
    two sides of a difference.
    """

    value: float
    spread: Spread
    judged: int
    low: float
    high: float

    @property
    def queries(self) -> int:
        """How many queries the spread is over."""
        return round(self.spread.queries)

    def negated(self) -> Quantity:
        """Return the quantity with the opposite sign."""
        spread = Spread(values=-self.spread.values[::-1], counts=self.spread.counts[::-1])
        return Quantity(value=-self.value, spread=spread, judged=self.judged, low=-self.high, high=-self.low)


def measured(statistic: Statistic, members: NDArray[np.intp]) -> Quantity | None:
    """Return a measure over some queries, or None where they have nothing to judge."""
    places = members[_is_judged(statistic, members)]
    if not places.size:
        return None
    part = statistic.only(places)
    values = _pseudo_values(part, places.size)
    value, heaviest = float(values.mean()), _heaviest(part)
    return Quantity(
        value=value,
        spread=Spread.of(values),
        judged=places.size,
        low=value - heaviest * value,
        high=value + heaviest * (1 - value),
    )


def gained(candidate: Statistic, base: Statistic, members: NDArray[np.intp]) -> Quantity | None:
    """Return the measure of a candidate less that of its base, on the same queries.

    Returns:
        None where one of them has nothing to judge.
    """
    of_candidate, of_base = _is_judged(candidate, members), _is_judged(base, members)
    if not of_candidate.any() or not of_base.any():
        return None
    places = members[of_candidate | of_base]
    parts = candidate.only(places), base.only(places)
    first, second = (_pseudo_values(part, places.size) for part in parts)
    heavy, heavy_base = (_heaviest(part) for part in parts)
    value, of_first, of_second = float((first - second).mean()), float(first.mean()), float(second.mean())
    return Quantity(
        value=value,
        spread=Spread.of(first - second),
        judged=min(int(np.count_nonzero(of_candidate)), int(np.count_nonzero(of_base))),
        low=value - heavy * of_first - heavy_base * (1 - of_second),
        high=value + heavy * (1 - of_first) + heavy_base * of_second,
    )


def _is_judged(statistic: Statistic, members: NDArray[np.intp]) -> NDArray[np.bool_]:
    each = (bool(statistic.only(members[i : i + 1]).judged) for i in range(members.size))
    return np.fromiter(each, dtype=np.bool_, count=members.size)


def _heaviest(statistic: Statistic) -> float:
    """Return how many average queries the heaviest query weighs."""
    if isinstance(statistic, Harmonic):
        return max(_heaviest(statistic.precision), _heaviest(statistic.recall))
    if isinstance(statistic, Ratio):
        weights = statistic.bottom
    elif isinstance(statistic, CalibrationError):
        weights = statistic.forecasts.brier.bottom
    else:
        return 1.0
    return float(weights.max() / weights.mean()) if weights.any() else 1.0


def _pseudo_values(statistic: Statistic, queries: int) -> Array:
    value = float(statistic.under(np.ones((1, queries)))[0])
    without = np.concatenate([_without(statistic, block, queries) for block in _blocks(queries)])
    # Without the only query of its kind there may be no measure; such a query is no evidence of spread.
    values: Array = np.where(np.isnan(without), value, queries * value - (queries - 1) * without)
    return np.asarray(values - values.mean() + value, dtype=np.float64)


def _without(statistic: Statistic, block: range, queries: int) -> Array:
    weights = np.ones((len(block), queries))
    weights[np.arange(len(block)), np.array(block)] = 0.0
    return statistic.under(weights)


def _blocks(queries: int) -> list[range]:
    step = max(1, _BLOCK // queries)
    return [range(start, min(start + step, queries)) for start in range(0, queries, step)]
