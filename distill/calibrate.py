"""Confidence that means something: calibrated by depth, and thresholds under which an answer is right often enough.

Chances are calibrated with Platt's method (Platt, "Probabilistic outputs for support vector machines", 1999), for the
likeliest category itself and for its ancestors. Thresholds are chosen by learning then testing (Angelopoulos, Bates,
Candès, Jordan & Lei, "Learn then test: calibrating predictive algorithms to achieve risk control", 2021; the risk is
one less precision, which is not monotone in the threshold, so that conformal risk control, ICLR 2024, does not apply as
it is): going from strict to lax in a fixed sequence, a threshold is kept while an exact binomial test says that
precision is at least the target; the sequence starts in up to five places, which share the error that is allowed.
For each depth of the tree the chance that the threshold promises too much is then at most that error.

Depths are gone through as answers are: those that no deeper threshold lets through are what the next is tested on.
For the category itself, depths with too few queries share a threshold, and what is promised is promised of them
together; where they are too few together, they have the threshold that holds for all depths together. An ancestor's
depth with too few is not answered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from distill.platt import fit_sigmoid
from release.student import Level, Policy, Tree

__all__ = ["APART", "NEVER", "Held", "calibrate", "risk_controlled_threshold"]

NEVER = 2.0
"""A threshold that no chance reaches."""

APART = 300
"""Queries from which on a depth has a threshold of its own: of fewer, a test seldom shows that enough are right."""

_LEAST = 60
_STARTS = (0.12, 0.25, 0.4, 0.65, 1.0)
"""Shares of the queries, surest first, at which the sequence of tests starts."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Queries that the student has not seen: its probabilities, (queries, categories), and the rows that are right.

    A query that should not be answered has no right row.
    """

    probabilities: npt.NDArray[np.float32]
    right: Sequence[frozenset[int]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidates:
    """What could be answered: for each its query, its depth, its chance, and whether it is right."""

    query: npt.NDArray[np.intp]
    depth: npt.NDArray[np.intp]
    chance: Floats
    right: Flags

    def only(self, kept: Flags) -> _Candidates:
        return _Candidates(
            query=self.query[kept], depth=self.depth[kept], chance=self.chance[kept], right=self.right[kept]
        )


def calibrate(held: Held, tree: Tree, *, target: float = 0.9, error: float = 0.05) -> Policy:
    """Return the policy under which answers are right with at least the target's probability.

    What it is promised of, each depth or several together, is said above.

    Args:
        held: Queries drawn as those to come, none of which had a part in training.
        tree: The tree.
        target: Precision to keep.
        error: Chance, for each threshold, that it does not keep it.
    """
    deepest = int(tree.depth.max(initial=0))
    own, ancestors = _candidates(held, tree)
    own_levels = _levels(own, deepest, target, error)
    sure = np.array(
        [own_levels[d].calibrated(c) >= own_levels[d].threshold for d, c in zip(own.depth, own.chance, strict=True)]
    )
    left = np.ones(len(held.right), dtype=np.bool_)
    left[own.query[sure.astype(np.bool_)]] = False
    ancestor_levels = _ancestor_levels(ancestors, left, deepest, target, error)
    return Policy(own=tuple(own_levels), ancestor=tuple(ancestor_levels))


def _candidates(held: Held, tree: Tree) -> tuple[_Candidates, _Candidates]:
    own: list[tuple[int, int, float, bool]] = []
    above: list[tuple[int, int, float, bool]] = []
    for query, (probabilities, right) in enumerate(zip(held.probabilities, held.right, strict=True)):
        best = int(probabilities.argmax())
        own.append((query, int(tree.depth[best]), float(probabilities[best]), best in right))
        for row in tree.path(best)[1:]:
            mass = float(probabilities[row : tree.end[row]].sum())
            above.append((query, int(tree.depth[row]), mass, any(row <= r < tree.end[row] for r in right)))
    return _columns(own), _columns(above)


def _columns(rows: Sequence[tuple[int, int, float, bool]]) -> _Candidates:
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return _Candidates(
        query=table[:, 0].astype(np.intp),
        depth=table[:, 1].astype(np.intp),
        chance=table[:, 2],
        right=table[:, 3].astype(np.bool_),
    )


def _levels(candidates: _Candidates, deepest: int, target: float, error: float) -> list[Level]:
    """Return a level for each depth, those with few candidates sharing one, in need with all others."""
    enough = [int((candidates.depth == depth).sum()) >= APART for depth in range(deepest + 1)]
    pooled = candidates.only(~np.isin(candidates.depth, np.flatnonzero(enough)))
    shared = _level(pooled if len(pooled.query) >= APART else candidates, candidates, target, error)
    return [
        _level(candidates.only(candidates.depth == depth), candidates, target, error) if enough[depth] else shared
        for depth in range(deepest + 1)
    ]


def _ancestor_levels(candidates: _Candidates, left: Flags, deepest: int, target: float, error: float) -> list[Level]:
    """Return a level for each depth, from the deepest up: what one lets through is not there for the next."""
    left = left.copy()
    levels = [Level(threshold=NEVER)] * (deepest + 1)
    for depth in range(deepest, -1, -1):
        here = candidates.only((candidates.depth == depth) & left[candidates.query])
        if len(here.query) < _LEAST:
            continue
        level = _level(here, candidates.only(candidates.depth == depth), target, error)
        levels[depth] = level
        through = np.array([level.calibrated(chance) >= level.threshold for chance in here.chance], dtype=np.bool_)
        left[here.query[through]] = False
    return levels


def _level(group: _Candidates, curve_of: _Candidates, target: float, error: float) -> Level:
    """Return the curve of the group, or of the larger one where it is small, and the threshold of the group."""
    fitted = _platt(group if len(group.query) >= _LEAST else curve_of)
    chances = np.array([fitted.calibrated(chance) for chance in group.chance])
    threshold = risk_controlled_threshold(chances, group.right, target=target, error=error)
    return Level(slope=fitted.slope, intercept=fitted.intercept, threshold=threshold)


def _platt(candidates: _Candidates) -> Level:
    sure = np.clip(candidates.chance, 1e-6, 1 - 1e-6)
    fitted = fit_sigmoid(np.log(sure / (1 - sure)), candidates.right)
    return Level(slope=fitted.slope, intercept=fitted.intercept)


def risk_controlled_threshold(chances: Floats, right: Flags, *, target: float, error: float) -> float:
    """Return the least chance from which on answers are right with at least the target's probability, or `NEVER`.

    Args:
        chances: Of the answers that could be given.
        right: Whether each is right.
        target: Precision to keep.
        error: Chance that the threshold does not keep it.
    """
    if not len(chances):
        return NEVER
    order = np.argsort(-chances, kind="stable")
    sorted_chances = chances[order]
    wrong = np.cumsum(~right[order])
    # Equal chances are let through together: only the last of them is a place where a threshold can stand.
    ends = np.flatnonzero(np.diff(sorted_chances, append=-1.0) != 0)
    counts = ends + 1
    starts = _starts(len(chances), target=target, error=error)
    rejected = binom.cdf(wrong[ends], counts, 1 - target) <= error / max(1, len(starts))
    best = -1
    for start in starts:
        at = int(np.searchsorted(counts, start))
        while at < len(ends) and rejected[at]:
            best = max(best, at)
            at += 1
    return float(sorted_chances[ends[best]]) if best >= 0 else NEVER


def _starts(count: int, *, target: float, error: float) -> list[int]:
    """Return how many of so many answers each sequence of tests starts with, which no answer has a say in.

    A start with so few that not even all right ones would pass is left out, for it would cost the others their error.
    """
    starts = [math.ceil(share * count) for share in _STARTS]
    while starts and target ** starts[0] > error / len(starts):
        starts = starts[1:]
    return starts
