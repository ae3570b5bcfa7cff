"""The two tests of one bound, that it is broken and that it holds, on a sample of queries or on a given interval.

Here a bound is always something to lie above; what has to lie below one is negated before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evals.estimates import Estimate
from evals.gate.power import MOST_QUERIES, POWER, chance_of_showing, queries_to_show
from evals.gate.quantity import Quantity
from evals.gate.spread import NORMAL

__all__ = ["BoundTest", "IntervalTest", "Levels", "SpreadTest", "holm"]

_ARM = NORMAL.inv_cdf(0.975)


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What p may be at most: of "it is broken" for a PASS, of "it holds" for a FAIL that stands alone."""

    to_pass: float
    to_fail: float


class BoundTest(Protocol):
    """A bound tested on some evidence."""

    @property
    def p_violated(self) -> float:
        """The p value of the hypothesis that the bound is broken."""
        ...

    @property
    def p_holds(self) -> float:
        """The p value of the hypothesis that the bound holds."""
        ...

    def needed(self, levels: Levels) -> int | None:
        """Return how many queries in all settle it four times in five; None where no number would."""
        ...


@dataclass(frozen=True, kw_only=True)
class SpreadTest:
    """Of a quantity over queries."""

    quantity: Quantity
    bound: float

    @property
    def p_violated(self) -> float:
        """The p value of the hypothesis that the bound is broken."""
        return self.quantity.spread.below(self.bound, worst=self.quantity.low)

    @property
    def p_holds(self) -> float:
        """The p value of the hypothesis that the bound holds."""
        return self.quantity.spread.above(self.bound, best=self.quantity.high)

    def needed(self, levels: Levels) -> int | None:
        """Return how many queries in all settle it four times in five; None where no number would."""
        if self.quantity.value > self.bound:
            return queries_to_show(self.quantity, self.bound, alpha=levels.to_pass)
        return queries_to_show(self.quantity.negated(), -self.bound, alpha=levels.to_fail)

    def chance_to_pass(self, truth: float, levels: Levels) -> float | None:
        """Return the chance of a PASS if the quantity is truly `truth`; None outside of its scale."""
        if not self.quantity.low < truth < self.quantity.high:
            return None
        return chance_of_showing(self.quantity, self.bound, truth=truth, alpha=levels.to_pass)

    def chance_to_fail(self, truth: float, levels: Levels) -> float | None:
        """Return the chance of a FAIL if the quantity is truly `truth`; None outside of its scale."""
        if not self.quantity.low < truth < self.quantity.high:
            return None
        return chance_of_showing(self.quantity.negated(), -self.bound, truth=-truth, alpha=levels.to_fail)


@dataclass(frozen=True, kw_only=True)
class IntervalTest:
    """Of a number that comes with its 95% interval, taken for normal with an error of its own on each side."""

    estimate: Estimate
    bound: float

    @property
    def p_violated(self) -> float:
        """The p value of the hypothesis that the bound is broken."""
        return _p(self.estimate.value - self.bound, self.estimate.value - self.estimate.low)

    @property
    def p_holds(self) -> float:
        """The p value of the hypothesis that the bound holds."""
        return _p(self.bound - self.estimate.value, self.estimate.high - self.estimate.value)

    def needed(self, levels: Levels) -> int | None:
        """Return how many items in all settle it four times in five; None where no number would."""
        apart = self.estimate.value - self.bound
        passes = apart > 0
        arm = self.estimate.value - self.estimate.low if passes else self.estimate.high - self.estimate.value
        if abs(apart) < 1e-6:
            return None
        sure = NORMAL.inv_cdf(POWER) - NORMAL.inv_cdf(levels.to_pass if passes else levels.to_fail)
        needed = math.ceil(self.estimate.queries * (sure * arm / _ARM / apart) ** 2)
        return needed if needed <= MOST_QUERIES else None


def holm(ps: Sequence[float]) -> list[float]:
    """Return each p corrected for all of them: Holm (1979), A simple sequentially rejective multiple test procedure.

    The hypotheses may depend on one another in any way.
    """
    corrected = [0.0] * len(ps)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        largest = max(largest, min(1.0, ps[place] * (len(ps) - rank)))
        corrected[place] = largest
    return corrected


def _p(apart: float, arm: float) -> float:
    if arm <= 0:
        return 0.0 if apart > 0 else 1.0
    return NORMAL.cdf(-apart * _ARM / arm)
