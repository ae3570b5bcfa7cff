"""What is answered with given probabilities: a category, one of its ancestors, or nothing.

The walk starts at the likeliest category and goes up the tree until one is sure enough. For the category itself the
chance is its own; for an ancestor it is that of anything below. Chances are calibrated by depth, and so are the
thresholds: which depth an answer comes from decides how sure it has to be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from domain.taxonomy import Taxonomy

__all__ = ["MOST", "Answered", "Level", "Policy", "Tree", "decide"]

MOST: Final = 3
"""Categories of one answer at most."""

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """A taxonomy in preorder, so that what lies below a category stands right behind it.

    Attributes:
        ids: Category ids by row.
        parent: Row of each one's parent, -1 for a root.
        depth: 0 for a root.
        end: The row behind the last descendant.
    """

    ids: tuple[str, ...]
    parent: npt.NDArray[np.int32]
    depth: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> Tree:
        """Lay a taxonomy out; siblings keep their order."""
        ids: list[str] = []
        waiting = list(taxonomy.children.get(None, ()))[::-1]
        while waiting:
            ids.append(waiting.pop())
            waiting += taxonomy.children.get(ids[-1], ())[::-1]
        row = {category_id: i for i, category_id in enumerate(ids)}
        lineages = [taxonomy.lineage(category_id) for category_id in ids]
        end = np.arange(1, len(ids) + 1, dtype=np.int32)
        for i in range(len(ids) - 1, -1, -1):
            if len(lineages[i]) > 1:
                above = row[lineages[i][-2]]
                end[above] = max(end[above], end[i])
        return cls(
            ids=tuple(ids),
            parent=np.array([row[path[-2]] if len(path) > 1 else -1 for path in lineages], dtype=np.int32),
            depth=np.array([len(path) - 1 for path in lineages], dtype=np.int32),
            end=end,
        )

    @cached_property
    def depths(self) -> list[int]:
        """`depth` as a list, which gives a single number in a third of the time."""
        depths: list[int] = self.depth.tolist()
        return depths

    @cached_property
    def _parents(self) -> list[int]:
        parents: list[int] = self.parent.tolist()
        return parents

    def path(self, row: int) -> list[int]:
        """Return the rows from a category up to its root."""
        rows = [row]
        while (above := self._parents[rows[-1]]) >= 0:
            rows.append(above)
        return rows


@dataclass(frozen=True, kw_only=True)
class Level:
    """How chances at one depth are read: ``sigmoid(slope * logit(chance) + intercept)`` must reach ``threshold``.

    A threshold above 1 is never reached.
    """

    slope: float = 1.0
    intercept: float = 0.0
    threshold: float = 0.5

    def calibrated(self, chance: float) -> float:
        """Return the calibrated chance."""
        sure = min(max(chance, 1e-6), 1 - 1e-6)
        # As a hyperbolic tangent the sigmoid has no number too large, however steep the curve.
        return 0.5 + 0.5 * math.tanh((self.slope * math.log(sure / (1 - sure)) + self.intercept) / 2)

    @cached_property
    def least(self) -> float:
        """A chance below which no calibrated one reaches the threshold; 0 where that is not known."""
        if not 0 < self.threshold < 1 or self.slope <= 0:
            return float(self.threshold >= 1)
        wanted = (math.log(self.threshold / (1 - self.threshold)) - self.intercept) / self.slope
        # A hair less, so that rounding takes none away.
        return 0.5 + 0.5 * math.tanh(wanted / 2) - 1e-6


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One level for each depth of the tree for the likeliest category itself, and one for answers backed off to."""

    own: tuple[Level, ...]
    ancestor: tuple[Level, ...]

    @cached_property
    def least(self) -> float:
        """A chance below which no category reaches the threshold of its depth."""
        return min((level.least for level in self.own), default=0.0)


class Answered(NamedTuple):
    """The rows that are answered, best first, with their calibrated chances; none is an abstention."""

    rows: tuple[int, ...]
    chances: tuple[float, ...]
    backed_off: bool


def decide(probabilities: Vector, tree: Tree, policy: Policy) -> Answered:
    """Return what is answered.

    Args:
        probabilities: Of the categories in the order of the tree, (categories,) float32; what they leave to 1 is the
            chance of none.
        tree: The tree.
        policy: When an answer is sure enough.
    """
    best = int(probabilities.argmax())
    level = policy.own[tree.depths[best]]
    chance = level.calibrated(float(probabilities[best]))
    if chance >= level.threshold:
        return _with_others(best, chance, probabilities, tree, policy)
    for row in tree.path(best)[1:]:
        level = policy.ancestor[tree.depths[row]]
        if level.threshold > 1:  # that no chance reaches, so that the sum below, of thousands near the root, is saved
            continue
        chance = level.calibrated(float(probabilities[row : tree.end[row]].sum()))
        if chance >= level.threshold:
            return Answered(rows=(row,), chances=(chance,), backed_off=True)
    return Answered(rows=(), chances=(), backed_off=False)


def _with_others(best: int, chance: float, probabilities: Vector, tree: Tree, policy: Policy) -> Answered:
    """Add the further categories that are as sure by themselves, none above or below another."""
    rows, chances = [best], [chance]
    if probabilities[best] < 0.8:  # what is left could hold another
        likely = np.flatnonzero(probabilities >= policy.least)
        for row in likely[np.argsort(-probabilities[likely], kind="stable")].tolist():
            level = policy.own[tree.depths[row]]
            other = level.calibrated(float(probabilities[row]))
            apart = all(not (a <= row < tree.end[a] or row <= a < tree.end[row]) for a in rows)
            if other >= level.threshold and apart:
                rows.append(row)
                chances.append(other)
            if len(rows) == MOST:
                break
    return Answered(rows=tuple(rows), chances=tuple(chances), backed_off=False)
