"""What a bound is about, per query: a measure of one system, or the difference of a measure between two.

Most measures are no means over queries: F1 is a harmonic mean of ratios of sums. Leaving each query out in turn gives
values whose mean is the measure and whose spread is that of the measure (the jackknife's pseudo-values: Tukey 1958,
Bias and confidence in not quite large samples, Annals of Mathematical Statistics 29). Of a mean over queries they are
the queries' own values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.estimates import Array, Statistic
from evals.gate.spread import Spread

__all__ = ["Quantity", "gained", "measured"]

_BLOCK = 4_000_000  # weights in memory at a time: 32 MB


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantity:
    """A measure, or a difference of two, with its spread over the queries that have something to judge.

    ``low`` and ``high`` are the ends of its scale. ``judged`` is the fewer queries of the two sides of a difference.
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
    return Quantity(value=float(values.mean()), spread=Spread.of(values), judged=places.size, low=0.0, high=1.0)


def gained(candidate: Statistic, base: Statistic, members: NDArray[np.intp]) -> Quantity | None:
    """Return the measure of a candidate less that of its base, on the same queries.

    Returns:
        None where one of them has nothing to judge.
    """
    of_candidate, of_base = _is_judged(candidate, members), _is_judged(base, members)
    if not of_candidate.any() or not of_base.any():
        return None
    places = members[of_candidate | of_base]
    first, second = (_pseudo_values(side.only(places), places.size) for side in (candidate, base))
    values = first - second
    judged = min(np.count_nonzero(of_candidate), np.count_nonzero(of_base))
    return Quantity(value=float(values.mean()), spread=Spread.of(values), judged=int(judged), low=-1.0, high=1.0)


def _is_judged(statistic: Statistic, members: NDArray[np.intp]) -> NDArray[np.bool_]:
    each = (bool(statistic.only(members[i : i + 1]).judged) for i in range(members.size))
    return np.fromiter(each, dtype=np.bool_, count=members.size)


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
