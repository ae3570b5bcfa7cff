"""One system used in one way on every judged query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from domain.understanding import Understanding
from evals.estimates import Array
from evals.replay.backend import Backend
from evals.replay.clauses import Clauses, Way, clauses_of
from evals.replay.judged import JudgedQuery
from evals.replay.lists import DEPTH, LISTED, ListScores, score_list
from evals.replay.report import Measure

__all__ = ["MEASURES", "Bench", "Trial"]

MEASURES: Final[tuple[Measure, ...]] = ("ndcg", "condensed", "judged", "recall", "zero")


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What a system used in one way scores; each value an array over the judged queries, in their order."""

    system: str
    way: Way | None
    factor: float | None
    values: dict[Measure, Array]


class Bench:
    """Searches for judged queries, each different search once."""

    def __init__(self, backend: Backend, judged: Sequence[JudgedQuery]) -> None:
        self._backend = backend
        self.judged = judged
        self._found: dict[Clauses, tuple[str, ...]] = {}

    def ranked(self, clauses: Clauses) -> tuple[str, ...]:
        """Return the hits, the best first; a filter that leaves less than a page is taken off."""
        found = self._found.get(clauses)
        if found is None:
            found = tuple(self._backend.search(clauses, limit=DEPTH))
            self._found[clauses] = found
        if clauses.within and len(found) < LISTED:
            return self.ranked(replace(clauses, within=()))
        return found

    def scores(self, at: int, clauses: Clauses) -> ListScores:
        """Score a search for the judged query at a place."""
        return score_list(self.ranked(clauses), self.judged[at].ratings)

    def trial(self, system: str, answers: Sequence[Understanding], way: Way | None, factor: float | None) -> Trial:
        """Search for every judged query with its answer."""
        scores = [self.scores(at, clauses_of(a, way, factor=factor or 0.0)) for at, a in enumerate(answers)]
        values = {name: np.array([getattr(score, name) for score in scores], dtype=np.float64) for name in MEASURES}
        return Trial(system=system, way=way, factor=factor, values=values)
