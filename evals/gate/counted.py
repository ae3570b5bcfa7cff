"""The checks of what was counted or measured, which no sample stands behind."""

from __future__ import annotations

from collections.abc import Iterator

from evals.gate.decision import Check, GateVerdict
from evals.gate.evidence import Evidence
from evals.gate.gates import SERVICE, ZEROS, Gates

__all__ = ["comparison_checks", "service_checks", "unscored_checks", "zero_checks"]


def zero_checks(gates: Gates, evidence: Evidence) -> Iterator[Check]:
    """Yield a check of each hard zero that is asked for."""
    for name, what in ZEROS.items():
        if name in gates.zeros_off:
            continue
        found = evidence.zeros.get(name)
        if found is None:
            verdict: GateVerdict = "INCONCLUSIVE"
            reason = f"{what} were not counted"
        elif found.count:
            verdict, reason = "FAIL", f"{found.count:,} {what}, such as {'; '.join(found.examples[:2])}"
        else:
            verdict, reason = "PASS", f"no {what}"
        count = float(found.count) if found else None
        yield Check(
            name=name, kind="zero", measure=name, side="at_most", bound=0, verdict=verdict, reason=reason, figure=count
        )


def comparison_checks(evidence: Evidence) -> Iterator[Check]:
    """Yield a check that cannot be settled where the release that is served cannot be asked."""
    if evidence.unread:
        yield Check(
            name="comparison",
            kind="no_regression",
            measure="answers",
            side="at_least",
            bound=0,
            verdict="INCONCLUSIVE",
            reason=f"the release that is served cannot be opened: {evidence.unread}",
        )


def unscored_checks(gates: Gates, evidence: Evidence) -> Iterator[Check]:
    """Yield a check of the items that each judge has no verdict on."""
    for asked in gates.judges:
        figures = evidence.judges.get(asked.task)
        share = figures.unscored if figures else None
        yield Check(
            name=f"judge of {asked.task} unscored",
            kind="judge",
            measure="unscored",
            side="at_most",
            bound=asked.max_unscored,
            verdict="INCONCLUSIVE" if share is None else "PASS" if share <= asked.max_unscored else "FAIL",
            reason="the judge was not asked" if share is None else f"{share:.1%} of the items have no verdict",
            figure=share,
        )


def service_checks(gates: Gates, evidence: Evidence) -> Iterator[Check]:
    """Yield a check of each figure of the service."""
    for asked in gates.service:
        figure = evidence.service.get(asked.name)
        side = SERVICE[asked.name]
        holds = figure is not None and (figure <= asked.bound if side == "at_most" else figure >= asked.bound)
        broken = figure is not None and (figure > asked.bound if side == "at_most" else figure < asked.bound)
        yield Check(
            name=asked.name,
            kind="service",
            measure=asked.name,
            side=side,
            bound=asked.bound,
            verdict="PASS" if holds else "FAIL" if broken else "INCONCLUSIVE",
            reason=f"measured {figure:g}" if holds or broken else "not measured",
            figure=figure if holds or broken else None,
        )
