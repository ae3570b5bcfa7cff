"""What a system holds likeliest, and how much of it is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distill.examples import NONE
from domain.taxonomy import Taxonomy
from evals import Case
from evals.categories import count
from release.student import Student

MOST = 3
"""Categories of an answer at most."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """The likeliest categories of one query with their chances, best first; `NONE` may be among them."""

    ids: tuple[str, ...]
    chances: tuple[float, ...]


Rank = Callable[[Sequence[str]], list[Ranking]]


def highest(chances: NDArray[np.floating[Any]], ids: Sequence[str]) -> Ranking:
    """Return the likeliest of all categories: so many that an answer is left when none is among them."""
    # Of ten thousand most are below the last that counts, and need no order.
    least = np.partition(chances, -MOST - 1)[-MOST - 1] if len(chances) > MOST else -np.inf
    likely = np.flatnonzero(chances >= least)
    places = likely[np.argsort(-chances[likely], kind="stable")][: MOST + 1]
    return Ranking(ids=tuple(ids[i] for i in places), chances=tuple(float(chances[i]) for i in places))


def student_rank(student: Student) -> Rank:
    """Return the student's ranking by its chances as they are, before calibration and thresholds."""
    ids = (*student.tree.ids, NONE)

    def rank(texts: Sequence[str]) -> list[Ranking]:
        return [
            highest(np.append(row, max(0.0, 1.0 - float(row.sum()))), ids)
            for row in student.predict(texts).probabilities
        ]

    return rank


def sure_of(ranking: Ranking, threshold: float) -> Ranking:
    """Return the categories whose chance reaches a threshold, three at most."""
    kept = [(i, c) for i, c in zip(ranking.ids, ranking.chances, strict=True) if i != NONE and c >= threshold][:MOST]
    return Ranking(ids=tuple(i for i, _ in kept), chances=tuple(c for _, c in kept))


def best_threshold(rankings: Sequence[Ranking], cases: Sequence[Case]) -> float:
    """Return the least chance of a category that is answered, for the best micro F1 at leaf level.

    It is one of 101 quantiles of the chances, of equals the lowest; 0 where there is no ranking.
    """
    chances = sorted({chance for ranking in rankings for chance in ranking.chances})
    if not chances:
        return 0.0
    candidates = sorted(set(np.quantile(chances, np.linspace(0, 1, 101), method="lower").tolist()))

    def f1(threshold: float) -> float:
        right = given = found = asked = 0
        for case, ranking in zip(cases, rankings, strict=True):
            if counts := count(case, sure_of(ranking, threshold).ids, Taxonomy(()), "leaf"):
                right, given = right + counts.right, given + counts.given
                found, asked = found + counts.found, asked + counts.asked
        both = right * asked + found * given
        return 2 * right * found / both if both else 0.0

    return float(max(candidates, key=f1))
