"""What is said of a judge whose grades stand in for ratings: no figure that rests on them goes without it."""

from __future__ import annotations

from evals.cells import interval
from evals.judge import JudgeAgreement

__all__ = ["about_judge"]


def about_judge(agreement: JudgeAgreement, pairs: int) -> str:
    """Return in a phrase how many pairs are the judge's, how far it agrees with people, and who it is.

    Its name comes last: where a page cuts what is too long, the agreement stays.
    """
    found = agreement.with_people
    kappa = found.quadratic_kappa
    shown = interval(kappa.estimate) if kappa.estimate else f"not defined ({kappa.undefined})"
    return (
        f"{pairs:,} pairs that nobody rated; quadratic kappa with people {shown} over {found.items:,} pairs of "
        f"{found.queries:,} queries; {agreement.judge}"
    )
