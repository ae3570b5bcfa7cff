"""The verdict of a comparison in sentences, the same on a terminal and on the page."""

from __future__ import annotations

import math

from evals.comparison import Comparison, Quality
from evals.estimates import Estimate
from evals.paired import LEAST_DISCORDANT, PairTest

__all__ = ["about", "headline", "remarks"]

_FEW = 30  # below this many queries a percentile interval is too narrow
_MOST = 1_000_000


def headline(comparison: Comparison) -> str:
    """Return the verdict in one sentence."""
    quality = comparison.quality
    if quality is None:
        return f"No query has labelled categories, so there is no verdict; {_alike(comparison)}."
    f1 = comparison.rows[0].measures["leaf_f1"]
    scores = f"F1 {f1.a.value:.3f} for A, {f1.b.value:.3f} for B"
    apart = f"{_signed(quality.gain)} over {_queries(quality.judged)}"
    if quality.finding == "b_better":
        return f"B is better: {scores}, {apart}."
    if quality.finding == "a_better":
        return f"A is better: {scores}, {apart}."
    if quality.needed is None:
        return f"No difference: both have F1 {f1.a.value:.3f} over {_queries(quality.judged)}."
    return f"No difference is shown: {scores}, {apart}; {_enough(quality.needed.powered)}."


def remarks(comparison: Comparison) -> tuple[str, ...]:
    """Return what a reader of the verdict has to know besides, a sentence each."""
    quality = comparison.quality
    found = [
        f"{letter} failed on {_queries(sum(side.failed.values()))} "
        f"({', '.join(f'{kind} {n}' for kind, n in side.failed.items())}); a failure counts as unanswered."
        for letter, side in (("A", comparison.a), ("B", comparison.b))
        if side.failed
    ]
    if quality is None:
        return tuple(found)
    if (without := comparison.queries - quality.judged) > 0:
        found.append(f"{_queries(without)} without labelled categories count for agreement and cost only.")
    return (*found, *_doubts(quality), *_tests(quality))


def about(queries: int) -> str:
    """Return a number of queries to two figures, rounded up; it is known no better."""
    if queries > _MOST:
        return "more than a million"
    step = 10 ** max(0, len(str(queries)) - 2)
    return f"{math.ceil(queries / step) * step:,}"


def _doubts(quality: Quality) -> list[str]:
    found = []
    if quality.judged < _FEW:
        found.append(f"Only {_queries(quality.judged)} are judged; below {_FEW} the intervals are too narrow.")
    leaves_out_0 = quality.gain.low > 0 or quality.gain.high < 0
    if quality.differing < LEAST_DISCORDANT and quality.gain.value and quality.needed:
        found.append(
            f"The answers to {_queries(quality.differing)} are scored differently; fewer than {LEAST_DISCORDANT} show "
            "nothing, even if all point one way."
        )
    elif leaves_out_0 and (quality.won - quality.lost) * quality.gain.value < 0:
        found.append("F1 and the number of queries won point in opposite directions: read the queries.")
    if quality.searches and quality.searches.net.value * quality.gain.value < 0:
        found.append("By searches the other side is ahead: read the queries with most of them.")
    return found


def _tests(quality: Quality) -> list[str]:
    won = f"B won {_queries(quality.won)}, lost {quality.lost:,} and tied {quality.tied:,}"
    shares = quality.searches
    if shares:
        won += f"; of the searches it won {shares.won.value:.1%} and lost {shares.lost.value:.1%}"
    right = quality.wholly_right
    return [
        f"{won}. Sign test: p {_p(quality.sign.p)}{_would(quality.sign)}.",
        f"Wholly right on one side only: {right.a_only:,} by A, {right.b_only:,} by B. "
        f"McNemar's test: p {_p(right.p)}{_would(right)}.",
    ]


def _would(test: PairTest) -> str:
    if test.p < 0.05 or test.needed is None:
        return ""
    return f"; {about(test.needed)} queries would show such a split four times in five"


def _enough(queries: int) -> str:
    return f"a difference of this size takes {about(queries)} queries to show four times in five"


def _alike(comparison: Comparison) -> str:
    same = comparison.rows[0].agreement["same_categories"]
    return (
        f"the categories are the same on {same.value:.1%} [{same.low:.1%}, {same.high:.1%}] "
        f"of {_queries(comparison.queries)}"
    )


def _signed(gain: Estimate) -> str:
    value, low, high = (f"{round(x, 3) + 0.0:+.3f}" for x in (gain.value, gain.low, gain.high))
    return f"a difference of {value} [{low}, {high}]"


def _queries(n: int) -> str:
    return "1 query" if n == 1 else f"{n:,} queries"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
