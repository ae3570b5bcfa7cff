"""Whether one of two systems does better on the same queries, and how many queries would show it.

Sources: McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages;
Dixon, Mood (1946), The statistical sign test. Both are the binomial test of discordant pairs, here exact. Connor
(1987), Sample size for testing differences in proportions for the paired-sample design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evals.estimates import Estimate

__all__ = ["LEAST_DISCORDANT", "Needed", "PairTest", "needed_for_interval", "pair_test"]

LEAST_DISCORDANT = 6
"""Fewer pairs cannot reach p < 0.05 even if all point one way: 2 / 2**5 is 0.0625, 2 / 2**6 is 0.03125."""

_ALPHA = 1.959964  # standard normal quantile of 0.975: two-sided 5%
_BETA = 0.841621  # and of 0.8: a power of 80%
_NONE = 1e-12  # sums of fractions that are equal on paper differ by less


@dataclass(frozen=True, kw_only=True)
class PairTest:
    """Which side alone succeeded, over ``pairs`` queries; pairs on which both did, or neither, say nothing.

    ``p`` is the two-sided exact binomial probability of so uneven a split, or a more uneven one, if both sides were
    equally good. ``needed`` is how many queries of the same kind would show this difference with a power of 80%, or
    None where there is no difference.
    """

    a_only: int
    b_only: int
    pairs: int
    p: float
    needed: int | None


@dataclass(frozen=True, kw_only=True)
class Needed:
    """Queries that would show a difference as large as the one observed: as often as not, and four times in five."""

    even: int
    powered: int


def pair_test(*, a_only: int, b_only: int, pairs: int) -> PairTest:
    """Test whether the discordant pairs are split more unevenly than chance would split them."""
    return PairTest(
        a_only=a_only,
        b_only=b_only,
        pairs=pairs,
        p=_exact(min(a_only, b_only), a_only + b_only),
        needed=_connor(abs(a_only - b_only), a_only + b_only, pairs),
    )


def needed_for_interval(gain: Estimate, *, discordant: int) -> Needed | None:
    """Return how many queries would make the 95% interval of a difference leave out 0.

    The arm of the interval on the side of 0 is taken to shrink with the square root of the number of queries and the
    difference to stay as it is. At ``even`` the interval would end at 0 exactly, which new queries miss as often as
    not; ``powered`` has an arm short enough for a power of 80%. Both have `LEAST_DISCORDANT` discordant pairs.

    Args:
        gain: The difference with its interval.
        discordant: Queries of ``gain.queries`` on which the two sides differ.
    """
    if abs(gain.value) < _NONE or not discordant:
        return None
    arm = max(gain.value - gain.low if gain.value > 0 else gain.high - gain.value, 0.0)
    least = math.ceil(LEAST_DISCORDANT * gain.queries / discordant)

    def queries(times: float) -> int:
        return max(least, math.ceil(gain.queries * (times * arm / gain.value) ** 2 - 1e-9))

    return Needed(even=queries(1.0), powered=queries((_ALPHA + _BETA) / _ALPHA))


def _exact(less: int, discordant: int) -> float:
    """Return twice the chance of at most `less` heads in `discordant` fair tosses, 1 at most."""
    ways = term = 1
    for i in range(less):
        term = term * (discordant - i) // (i + 1)
        ways += term
    return min(1.0, 2 * ways / (1 << discordant))


def _connor(apart: int, discordant: int, pairs: int) -> int | None:
    if not apart:
        return None
    share, difference = discordant / pairs, apart / pairs
    root = _ALPHA * math.sqrt(share) + _BETA * math.sqrt(max(share - difference**2, 0.0))
    return max(math.ceil((root / difference) ** 2), math.ceil(LEAST_DISCORDANT * pairs / discordant))
