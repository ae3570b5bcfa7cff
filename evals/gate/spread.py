"""The spread of a quantity over queries, and how sure its mean lies above or below a value.

The quantity lies on a known scale, as a share does on [0, 1] and the difference of two shares on [-1, 1]. The test is
Gaffke's: one query from the bad end of the scale is added, the queries are weighted by independent exponential
variables, and p is the probability that the weighted mean falls short. Of values that are all 0 or 1 it makes the exact
binomial test (Clopper, Pearson 1934); without the added query it would be the Bayesian bootstrap (Rubin 1981), which it
nears as queries become many. It does not take a sample in which nothing went wrong for proof that nothing can, as the
studentised test and the bootstrap do.

The probability is computed, not drawn: the characteristic function is integrated along a line through the saddlepoint,
so that p is good to nine digits however small it is, and the same evidence has the same p.

Sources: Gaffke (2005), Three test statistics for a nonparametric one-sided hypothesis on the mean of a nonnegative
variable, Mathematical Methods of Statistics 14(4); Learned-Miller, Thomas (2019), A new confidence interval for the
mean of a bounded random variable, arXiv:1905.06208 (its validity for every distribution is conjectured, for two values
it is proved); Rice (1980), Distribution of quadratic forms in normal random variables: evaluation by numerical
integration, SIAM Journal on Scientific and Statistical Computing 1(4).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from evals.estimates import Array

__all__ = ["NORMAL", "Spread", "root", "score"]

NORMAL = NormalDist()

_SMALLEST = 1e-300
_GRID = 1e-9  # values that are equal on paper differ by less
_NOTHING = 1e-12
_STEP = 0.1  # of the trapezoid rule, whose error falls as exp(-2 pi 0.5 / step)
_NODES = np.arange(0.0, 16.0, _STEP)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """Distinct ``values``, ascending, and how many queries have each; the counts need not be whole numbers."""

    values: Array
    counts: Array

    @classmethod
    def of(cls, values: Array) -> Spread:
        """Return the spread of a value per query, of which there is at least one."""
        distinct, counts = np.unique(np.round(values / _GRID) * _GRID, return_counts=True)
        return cls(values=distinct, counts=counts.astype(np.float64))

    @property
    def queries(self) -> float:
        """How many queries there are."""
        return float(self.counts.sum())

    @property
    def mean(self) -> float:
        """The mean over the queries."""
        return float(self.values @ self.counts / self.counts.sum())

    @property
    def deviation(self) -> float:
        """The standard deviation over the queries, as an estimate from a sample (n - 1)."""
        squares = (self.values - self.mean) ** 2 @ self.counts
        return math.sqrt(float(squares) / max(self.queries - 1, 1e-9))

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.deviation / math.sqrt(self.queries)

    def shifted(self, by: float) -> Spread:
        """Return the spread with every value moved."""
        return Spread(values=self.values + by, counts=self.counts)

    def times(self, factor: float) -> Spread:
        """Return the spread of so many times the queries."""
        return Spread(values=self.values, counts=self.counts * factor)

    def moved_to(self, mean: float, *, low: float, high: float) -> Spread:
        """Return the spread of as many queries with another mean: a share of them goes to one end of the scale."""
        end = low if mean < self.mean else high
        share = (mean - self.mean) / (end - self.mean) if mean != self.mean else 0.0
        return Spread(
            values=np.append(self.values, end), counts=np.append(self.counts * (1 - share), self.queries * share)
        )

    def below(self, at: float, *, worst: float) -> float:
        """Return p of the hypothesis that the mean lies below `at`; small where the queries speak against it.

        Args:
            at: The value in question.
            worst: The lower end of the scale.
        """
        return _chance_below_zero(np.append(self.values, worst) - at, np.append(self.counts, 1.0))

    def above(self, at: float, *, best: float) -> float:
        """Return p of the hypothesis that the mean lies above `at`; `best` is the upper end of the scale."""
        return _chance_below_zero(at - np.append(self.values, best), np.append(self.counts, 1.0))

    def least(self, p: float, *, worst: float) -> float:
        """Return the lower end of an interval for the mean: the value at which `below` is `p`."""
        error = self.error
        near = self.mean + score(p) * error
        return root(
            lambda at: score(self.below(at, worst=worst)) - score(p),
            worst,
            float(self.values[-1]),
            near=near,
            step=error,
        )

    def most(self, p: float, *, best: float) -> float:
        """Return the upper end of an interval for the mean: the value at which `above` is `p`."""
        return -Spread(values=-self.values[::-1], counts=self.counts[::-1]).least(p, worst=-best)


def root(rising: Callable[[float], float], low: float, high: float, *, near: float, step: float) -> float:
    """Return where a rising function crosses 0 between two points, or the point that is nearer to it.

    The Illinois form of the false position (Dowell, Jarratt 1971, BIT 11), begun at a guess with steps that double
    until the crossing lies between two of them.
    """
    step = max(step, (high - low) * 1e-4)
    at = min(max(near, low), high)
    value = rising(at)
    left = right = at
    at_left = at_right = value
    while at_left > 0 and left > low:
        right, at_right = left, at_left
        left = max(left - step, low)
        at_left, step = rising(left), step * 2
    while at_right < 0 and right < high:
        left, at_left = right, at_right
        right = min(right + step, high)
        at_right, step = rising(right), step * 2
    if at_left >= 0 or at_right <= 0:
        return left if at_left >= 0 else right
    before = 0.0
    for _ in range(60):
        at = (left * at_right - right * at_left) / (at_right - at_left)
        value = rising(at)
        if abs(value) < 1e-7 or right - left < 1e-12:
            break
        again = value * before > 0  # the other end has stayed where it was, and is given half its weight
        if value < 0:
            left, at_left, at_right = at, value, at_right / 2 if again else at_right
        else:
            right, at_right, at_left = at, value, at_left / 2 if again else at_left
        before = value
    return at


def score(p: float) -> float:
    """Return the standard normal quantile of a probability; those of 0 and 1 are finite."""
    return NORMAL.inv_cdf(min(max(p, _SMALLEST), 1 - 1e-16))


def _chance_below_zero(values: Array, shapes: Array) -> float:
    """Return the probability that the sum of `values` times independent gamma variables of these shapes is below 0.

    The logarithm of its moment generating function is K(s) = -sum(shape * log(1 - s * value)); the probability is the
    integral of exp(K(s)) / s along a line that crosses the real axis between the poles.
    """
    matters = (np.abs(values) > _NOTHING) & (shapes > _NOTHING)
    values, shapes = values[matters], shapes[matters]
    if not (values < 0).any():
        return 0.0
    if not (values > 0).any():
        return 1.0
    crossing = _saddlepoint(values, shapes)
    width = 1 / math.sqrt(float(shapes @ (values / (1 - crossing * values)) ** 2))
    if abs(crossing) < width / 2:  # too near the pole at 0
        crossing = -min(width, -1 / float(values.min())) / 2
        width = 1 / math.sqrt(float(shapes @ (values / (1 - crossing * values)) ** 2))
    # Towards both ends the integrand falls as a power, slowly where one value dwarfs the others: hence sinh.
    line = crossing + 1j * width * np.sinh(_NODES)
    logarithms = -(np.log(1 - np.multiply.outer(line, values)) @ shapes)
    terms = (np.exp(logarithms - logarithms[0].real) / line).real * np.cosh(_NODES)
    integral = width * _STEP * (float(terms.sum()) - float(terms[0]) / 2) / math.pi
    tail = abs(integral) * math.exp(float(logarithms[0].real))
    return min(tail if crossing < 0 else 1 - tail, 1.0)


def _saddlepoint(values: Array, shapes: Array) -> float:
    """Return about where K has its minimum, by Newton steps between the poles."""
    low, high = 1 / float(values.min()), 1 / float(values.max())
    at = 0.0
    for _ in range(100):
        parts = values / (1 - at * values)
        slope, bend = float(shapes @ parts), float(shapes @ parts**2)
        low, high = (at, high) if slope < 0 else (low, at)
        step = -slope / bend
        if abs(step) * math.sqrt(bend) < 0.01:
            break
        at = at + step if low < at + step < high else (low + high) / 2
    return at
