"""A number that a judge gave, together with what it is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.errors import UserError
from domain.verdict import Unscored, Verdict
from evals.estimates import Estimate
from evals.judge.corrected import LEAST_LABELLED, CorrectedMean, corrected_mean, naive_mean
from evals.judge.judge_agreement import JudgeAgreement
from evals.judge.people import reference
from evals.judge.rating import Rating
from evals.judge.tally import Tally, judged

__all__ = ["JudgedFigure", "judged_figure"]


@dataclass(frozen=True, kw_only=True)
class JudgedFigure:
    """A mean grade over queries; it cannot be had without the judge's agreement with people.

    Attributes:
        name: What the mean is of.
        naive: The judge alone.
        correction: The mean corrected by people, where they labelled enough of the queries.
        agreement: The judge's agreement with people on this task, wherever that was measured.
        tally: Items scored, and items that are not in the mean because they are unscored.
    """

    name: str
    naive: Estimate
    correction: CorrectedMean | None
    agreement: JudgeAgreement
    tally: Tally

    @property
    def value(self) -> Estimate:
        """The corrected mean where there is one, else the judge's."""
        return self.correction.corrected if self.correction else self.naive

    @property
    def judge(self) -> str:
        """Model and rubric."""
        return self.agreement.judge


def judged_figure(
    name: str,
    verdicts: Iterable[Verdict | Unscored],
    agreement: JudgeAgreement,
    ratings: Sequence[Rating] = (),
) -> JudgedFigure:
    """Return the mean grade of some items, such as what one system returned.

    Args:
        name: What the mean is of.
        verdicts: One judge's, of one task.
        agreement: That judge's agreement with people on that task.
        ratings: People's ratings of some of the same items, on queries drawn at random.

    Raises:
        UserError: the agreement is another judge's or of another task, the judge scored nothing, or ppi-python is not
            installed.
    """
    found = judged(verdicts)
    if (agreement.judge, agreement.task) != (found.judge, found.task):
        raise UserError(
            f"the agreement is that of {agreement.judge!r} on {agreement.task}, the verdicts are of {found.judge!r} "
            f"on {found.task}",
            hint="measure the agreement of the judge whose figures are shown",
        )
    people = reference(ratings, found.task)
    labelled = {item.query for item in found.grades if item in people}
    return JudgedFigure(
        name=name,
        naive=naive_mean(found.grades, task=found.task),
        correction=corrected_mean(found.grades, people, task=found.task) if len(labelled) >= LEAST_LABELLED else None,
        agreement=agreement,
        tally=found.tally,
    )
