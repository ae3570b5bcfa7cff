"""What a judge's figures are worth: how far it agrees with people, beside how far people agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.verdict import JudgeTask, Unscored, Verdict
from evals.judge.agreement import Agreement, agree
from evals.judge.ceiling import Ceiling, ceiling
from evals.judge.people import PeopleAgreement, people_agreement, reference
from evals.judge.rating import Rating
from evals.judge.tally import Tally, judged, latest, tally

__all__ = ["JudgeAgreement", "judge_agreement"]


@dataclass(frozen=True, kw_only=True)
class JudgeAgreement:
    """How far one judge agrees with people on one task.

    Attributes:
        judge: Model and rubric.
        task: What is judged.
        rated: Items that people rated.
        tally: How many of those the judge scored, and how many it could not; an item that it was not asked about is in
            neither.
        with_people: The judge (columns) against the median of the people (rows).
        people: The people among themselves, on the items that the judge scored.
        ceiling: The judge and each person against the other people.
        draws: Resamples of the queries for the intervals.
        seed: Of the resamples.
    """

    judge: str
    task: JudgeTask
    rated: int
    tally: Tally
    with_people: Agreement
    people: PeopleAgreement
    ceiling: Ceiling
    draws: int
    seed: int


def judge_agreement(
    verdicts: Iterable[Verdict | Unscored], ratings: Sequence[Rating], *, draws: int = 1000, seed: int = 0
) -> JudgeAgreement:
    """Compare one judge's verdicts of one task with people's ratings; ratings of other tasks are left out.

    Raises:
        UserError: the verdicts are none, or of several judges, tasks or repeats; a grade is not on its scale; or
            krippendorff is not installed.
    """
    given = list(verdicts)
    found = judged(given)
    medians = reference(ratings, found.task)
    on_judged = [rating for rating in ratings if rating.item in found.grades]
    return JudgeAgreement(
        judge=found.judge,
        task=found.task,
        rated=len(medians),
        tally=tally(verdict for item, verdict in latest(given).items() if item in medians),
        with_people=agree(medians, found.grades, task=found.task, draws=draws, seed=seed),
        people=people_agreement(on_judged, task=found.task, draws=draws, seed=seed),
        ceiling=ceiling(found.grades, on_judged, task=found.task, draws=draws, seed=seed),
        draws=draws,
        seed=seed,
    )
