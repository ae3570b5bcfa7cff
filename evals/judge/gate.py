"""Whether a judge is trusted enough for its figures to decide anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evals.judge.judge_agreement import JudgeAgreement
from evals.judge.tally import Tally

__all__ = ["Gate", "GateReason", "KappaName", "Objection", "may_gate"]

KappaName = Literal["quadratic", "plain"]
GateReason = Literal["no_agreement", "low_agreement", "few_queries", "nothing_scored", "too_many_unscored"]
"""Why a judge may not gate; the last two say that the run itself has failed."""


@dataclass(frozen=True, kw_only=True)
class Objection:
    """One reason, and what was found, in a sentence."""

    reason: GateReason
    detail: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether a judge may gate: it may if nothing speaks against it."""

    judge: str
    objections: tuple[Objection, ...]

    @property
    def passes(self) -> bool:
        """Whether the judge may gate."""
        return not self.objections

    @property
    def run_failed(self) -> bool:
        """Whether too little was scored for any figure of the run to stand."""
        return any(objection.reason in ("nothing_scored", "too_many_unscored") for objection in self.objections)


def may_gate(
    agreement: JudgeAgreement,
    *,
    minimum: float,
    kappa: KappaName = "quadratic",
    unscored: Tally | None = None,
    most_unscored: float = 0.05,
    least_queries: int = 30,
) -> Gate:
    """Decide whether a judge may gate.

    Args:
        agreement: The judge's agreement with people.
        minimum: What the lower end of the interval of kappa has to reach.
        kappa: Which kappa.
        unscored: The items of the run that is to be gated; those of ``agreement`` if None.
        most_unscored: The largest share of them that may be without a verdict.
        least_queries: Labelled queries below which an interval is too narrow to be trusted.
    """
    coefficients = {"quadratic": agreement.with_people.quadratic_kappa, "plain": agreement.with_people.kappa}
    found = coefficients[kappa]
    of_run = agreement.tally if unscored is None else unscored
    objections: list[Objection] = []
    if found.estimate is None:
        objections.append(Objection(reason="no_agreement", detail=f"{kappa} kappa is not defined: {found.undefined}"))
    elif found.estimate.low < minimum:
        low = f"{kappa} kappa with people is at least {found.estimate.low:.3f}, and {minimum:.3f} is asked for"
        objections.append(Objection(reason="low_agreement", detail=low))
    if found.estimate is not None and found.estimate.queries < least_queries:
        few = f"agreement is known on {found.estimate.queries} queries, and {least_queries} are asked for"
        objections.append(Objection(reason="few_queries", detail=few))
    if not of_run.scored:
        objections.append(Objection(reason="nothing_scored", detail="the judge scored no item"))
    elif of_run.unscored_share > most_unscored:
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in of_run.unscored.items())
        many = f"{of_run.unscored_share:.1%} of {of_run.items:,} items are unscored ({kinds}), over {most_unscored:.1%}"
        objections.append(Objection(reason="too_many_unscored", detail=many))
    return Gate(judge=agreement.judge, objections=tuple(objections))
