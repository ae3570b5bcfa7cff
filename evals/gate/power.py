"""What a test of a bound can see with the queries there are, and how many it would take.

The queries of another sample are taken to be spread as these are, and their mean to be normal about the truth.
"""

from __future__ import annotations

import math

from evals.gate.quantity import Quantity
from evals.gate.spread import NORMAL, root, score

__all__ = ["MOST_QUERIES", "POWER", "chance_of_showing", "queries_to_show"]

POWER = 0.8
"""The chance with which the number of queries that would do is to settle the matter."""

MOST_QUERIES = 1_000_000
"""A number of queries beyond this is given as none."""


def chance_of_showing(quantity: Quantity, bound: float, *, truth: float, alpha: float) -> float:
    """Return the chance that so many queries show at level `alpha` that a quantity lies above a bound.

    Args:
        quantity: Gives the number of queries and their spread; a share of them is moved to an end of the scale so that
            the mean is `truth`, as when some queries become wholly wrong.
        bound: What the quantity has to lie above.
        truth: Where it lies.
        alpha: The one-sided level of the test.
    """
    spread = quantity.spread.moved_to(truth, low=quantity.low, high=quantity.high)
    error = spread.error
    room = quantity.high - quantity.low

    def shown(by: float) -> float:
        return score(alpha) - score(spread.shifted(by).below(bound, worst=quantity.low))

    if shown(room) < 0:
        return 0.0
    near = bound - spread.mean - score(alpha) * error
    by = root(shown, -room, room, near=near, step=error)
    if error <= 0:
        return float(by <= 0)
    return NORMAL.cdf(-by / error)


def queries_to_show(quantity: Quantity, bound: float, *, alpha: float) -> int | None:
    """Return how many queries in all would show, four times in five, that a quantity lies above a bound.

    The quantity is taken to be what it is observed to be.

    Returns:
        None where it does not lie above the bound, or no number up to `MOST_QUERIES` would do.
    """
    spread = quantity.spread
    if spread.mean - bound < 1e-6:
        return None

    def shown(log_factor: float) -> float:
        more = spread.times(math.exp(log_factor))
        unlucky = more.shifted(-NORMAL.inv_cdf(POWER) * more.error)
        return score(alpha) - score(unlucky.below(bound, worst=quantity.low))

    most = math.log(MOST_QUERIES / spread.queries)
    if most <= 0 or shown(most) < 0:
        return None
    log_factor = root(shown, math.log(1 / spread.queries), most, near=0.0, step=1.0)
    return math.ceil(spread.queries * math.exp(log_factor) - 1e-6)
