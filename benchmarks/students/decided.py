"""What the student's own thresholds make of queries: a category, one above it, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.students.queries import Queries
from benchmarks.students.ranking import Ranking
from evals.calibration import Forecasts
from evals.estimates import Array
from release.student import Answered, Student, decide


@dataclass(frozen=True, kw_only=True, eq=False)
class Decided:
    """What is answered to some queries, and whether it is right.

    Attributes:
        queries: That were asked.
        answers: To each.
        served: The same by category id.
        likeliest: The calibrated chances of the likeliest category whatever they are.
        let_through: The chances of the first category that is answered.
        own: Whether an answer of its own depth is right, NaN where there is none.
        above: Whether an ancestor that was backed off to is right, NaN where there is none.
    """

    queries: Queries
    answers: Sequence[Answered]
    served: Sequence[Ranking]
    likeliest: Forecasts
    let_through: Forecasts
    own: Array
    above: Array

    @classmethod
    def of(cls, student: Student, queries: Queries) -> Decided:
        """Ask a student."""
        tree, policy = student.tree, student.about.policy
        row = {category_id: i for i, category_id in enumerate(tree.ids)}
        right = [{row[i] for i in (*(case.categories or ()), *case.acceptable) if i in row} for case in queries.cases]
        predicted = student.predict(queries.texts).probabilities
        answers = [decide(probabilities, tree, policy) for probabilities in predicted]
        best = [int(i) for i in predicted.argmax(axis=1)]
        chances = [
            policy.own[tree.depth[i]].calibrated(float(probabilities[i]))
            for i, probabilities in zip(best, predicted, strict=True)
        ]
        own, above = np.full(len(answers), np.nan), np.full(len(answers), np.nan)
        for i, answer in enumerate(answers):
            if answer.rows and answer.backed_off:
                above[i] = any(answer.rows[0] <= other < tree.end[answer.rows[0]] for other in right[i])
            elif answer.rows:
                own[i] = answer.rows[0] in right[i]
        given = [i for i, answer in enumerate(answers) if answer.rows]
        return cls(
            queries=queries,
            answers=answers,
            served=[Ranking(ids=tuple(tree.ids[row] for row in a.rows), chances=a.chances) for a in answers],
            likeliest=_forecasts(range(len(best)), chances, [b in r for b, r in zip(best, right, strict=True)]),
            let_through=_forecasts(
                given,
                [answers[i].chances[0] for i in given],
                [bool(np.nan_to_num(own[i]) or np.nan_to_num(above[i])) for i in given],
                queries=len(answers),
            ),
            own=own,
            above=above,
        )


def _forecasts(
    places: Sequence[int], chances: Sequence[float], right: Sequence[bool], *, queries: int | None = None
) -> Forecasts:
    return Forecasts(
        places=np.array(places, dtype=np.intp),
        confidence=np.array(chances, dtype=np.float64),
        right=np.array(right, dtype=np.float64),
        queries=len(places) if queries is None else queries,
    )
