"""Coverage at a precision: how many queries could be answered if only the surest were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.students.ranking import Ranking, sure_of
from evals import Case
from evals.categories import is_top_right
from evals.estimates import Array

PRECISION = 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class AnswerableShare:
    """As a statistic the share of queries that can be answered, the surest first, at a precision of the first category.

    `chance` is that of the first category, NaN where there is none; equal chances are let through together.
    """

    chance: Array
    right: Array
    asked: Array

    @classmethod
    def of(cls, cases: Sequence[Case], rankings: Sequence[Ranking]) -> AnswerableShare:
        """Take each ranking's first category that is one; asked is whatever has labelled categories."""
        chance, right = np.full(len(cases), np.nan), np.zeros(len(cases))
        for i, (case, ranking) in enumerate(zip(cases, rankings, strict=True)):
            if best := sure_of(ranking, 0.0).ids[:1]:
                chance[i] = ranking.chances[ranking.ids.index(best[0])]
                right[i] = bool(is_top_right(case, best))
        asked = np.array([float(case.categories is not None) for case in cases])
        return cls(chance=chance, right=right, asked=asked)

    def under(self, weights: Array) -> Array:
        """Return the share for each row of weights; NaN where nothing is asked."""
        order = np.flatnonzero(~np.isnan(self.chance) & (self.asked > 0))
        order = order[np.argsort(-self.chance[order], kind="stable")]
        ends = np.diff(self.chance[order], append=-np.inf) != 0
        answered = weights[:, order].cumsum(axis=1)
        hits = (weights[:, order] * self.right[order]).cumsum(axis=1)
        kept = np.where(ends & (hits >= PRECISION * answered - 1e-9), answered, 0.0)
        total = weights @ self.asked
        return np.where(total > 0, kept.max(axis=1, initial=0.0) / np.where(total > 0, total, 1.0), np.nan)

    def only(self, members: NDArray[np.intp]) -> AnswerableShare:
        """Return the share over these queries alone."""
        return AnswerableShare(chance=self.chance[members], right=self.right[members], asked=self.asked[members])

    @property
    def judged(self) -> int:
        """Queries that something is asked of."""
        return int(np.count_nonzero(self.asked))
