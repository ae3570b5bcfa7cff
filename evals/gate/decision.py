"""What a gate decided, bound by bound, and how it is written and read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from domain.files import replace_atomically
from evals.estimates import Estimate
from evals.gate.gates import Side

__all__ = ["Check", "CheckKind", "Decision", "GateVerdict", "decision_json", "read_decision", "write_decision"]

GateVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]
"""INCONCLUSIVE: the evidence is not enough to say either."""

CheckKind = Literal["zero", "absolute", "no_regression", "service", "judge"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One bound and what became of it.

    Attributes:
        name: Of the check, unlike all others of the decision.
        kind: Of the bound.
        measure: What is bounded.
        slice: Of the labelled queries, or None.
        side: Where it has to lie.
        bound: Of the value, or of the gain for ``no_regression``.
        verdict: On this bound.
        reason: The verdict in a sentence.
        figure: What was counted or measured, where there is no interval.
        value: The candidate's measure, or a judge's kappa, with its interval.
        gain: The candidate's measure less that of the base; the interval is that of the test: at a level of 0.025 a
            bound passes when it lies outside the interval on the right side, and fails when on the other.
        queries: Labelled queries that have something to judge, or items of a judge.
        p_violated: p of the hypothesis that the bound is broken; small means that it holds.
        p_holds: p of the hypothesis that the bound holds; small means that it is broken.
        p_holm: ``p_holds`` corrected for the number of bounds that are tested.
        needed: How many more labelled queries, or items, of this kind settle the bound at the next look four times in
            five, if things are as they look; where there are too few for a test, how many more make one. None where it
            is settled, or where no number would.
        power_3_points: The chance of a FAIL here if the truth were a regression of 0.03, or 0.03 beyond an absolute
            bound, at this look and with so many queries.
        slip_3_points: The chance of a PASS here in the same case.
        power_equal: The chance of a PASS here if the candidate were just as good as its base.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    kind: CheckKind
    measure: str
    slice: str | None = None
    side: Side
    bound: float
    verdict: GateVerdict
    reason: str
    figure: float | None = None
    value: Estimate | None = None
    gain: Estimate | None = None
    queries: int = 0
    p_violated: float | None = None
    p_holds: float | None = None
    p_holm: float | None = None
    needed: int | None = None
    power_3_points: float | None = None
    slip_3_points: float | None = None
    power_equal: float | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a gate decided of one candidate.

    Attributes:
        verdict: PASS where every check passes, FAIL where one fails, INCONCLUSIVE else.
        checks: In the order of the gates, hard zeros first.
        look: Which look at the candidate this is, from 1.
        alpha: The one-sided level of this look.
        alpha_spent: What this look and those before have spent of the gates' alpha.
        digest: Of the evidence, see `digest_of`.
        remarks: What a reader has to know besides, a sentence each.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    verdict: GateVerdict
    checks: tuple[Check, ...]
    look: int
    alpha: float
    alpha_spent: float
    digest: str
    remarks: tuple[str, ...]

    def named(self, verdict: GateVerdict) -> tuple[str, ...]:
        """Return the names of the checks with a verdict."""
        return tuple(check.name for check in self.checks if check.verdict == verdict)


_adapter: TypeAdapter[Decision] = TypeAdapter(Decision)


def decision_json(decision: Decision) -> bytes:
    """Return a decision as JSON."""
    return _adapter.dump_json(decision, indent=2) + b"\n"


def write_decision(path: Path, decision: Decision) -> None:
    """Write a decision as JSON, whole or not at all."""
    with replace_atomically(path) as file:
        file.write(decision_json(decision))


def read_decision(path: Path) -> Decision:
    """Read what `write_decision` wrote."""
    return _adapter.validate_json(path.read_bytes())
