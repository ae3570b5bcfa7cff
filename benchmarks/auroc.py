"""How well a score tells right ideas from wrong ones, queries being drawn whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evals.estimates import Array, Ratio

__all__ = ["Auroc"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Auroc:
    """The chance that what is right has a higher score than what is wrong, all queries together, ties counting half.

    Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic curve", 1982.
    ``wins`` and ``pairs`` count pairs of something right of a query, by row, and something wrong of one, by column.
    """

    wins: Array
    pairs: Array

    @classmethod
    def of(cls, scores: Array, right: NDArray[np.bool_], query: NDArray[np.intp], queries: int) -> Auroc:
        """Count the pairs of scores; `query` numbers the queries."""
        higher = scores[right, None] - scores[None, ~right]
        beats = (higher > 0) + 0.5 * (higher == 0)
        rows, columns = np.eye(queries)[query[right]], np.eye(queries)[query[~right]]
        return cls(wins=rows.T @ beats @ columns, pairs=np.outer(rows.sum(0), columns.sum(0)))

    def under(self, weights: Array) -> Array:
        """Return the chance for each row of weights; NaN where nothing is right or nothing is wrong."""
        wins, pairs = (((weights @ counts) * weights).sum(1) for counts in (self.wins, self.pairs))
        return np.where(pairs > 0, wins / np.maximum(pairs, 1e-9), np.nan)

    def only(self, members: NDArray[np.intp]) -> Auroc:
        """Return it over these queries alone."""
        return Auroc(wins=self.wins[np.ix_(members, members)], pairs=self.pairs[np.ix_(members, members)])

    @property
    def judged(self) -> int:
        """Queries with a pair."""
        return int(((self.pairs.sum(0) + self.pairs.sum(1)) > 0).sum())

    @property
    def within(self) -> Ratio:
        """The same of pairs of one query alone, every pair counting alike."""
        return Ratio(top=self.wins.diagonal(), bottom=self.pairs.diagonal())
