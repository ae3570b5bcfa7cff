"""PASS, FAIL or INCONCLUSIVE.

A release passes when every bound is shown to hold. That is an intersection-union test (Berger 1982, Multiparameter
hypothesis testing and acceptance sampling, Technometrics 24): it needs no correction, since a release that breaks a
bound passes only if the test of that very bound errs. A release fails when one bound is shown to be broken, and the
more bounds there are the more often chance shows one; so these are corrected for one another (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from evals.estimates import Estimate
from evals.gate.bounds import Levels, SpreadTest, holm
from evals.gate.counted import comparison_checks, service_checks, unscored_checks, zero_checks
from evals.gate.decision import Check, Decision, GateVerdict
from evals.gate.evidence import Evidence, digest_of
from evals.gate.finding import Finding, findings
from evals.gate.gates import Gates

__all__ = ["decide"]


def decide(gates: Gates, evidence: Evidence, *, look: int) -> Decision:
    """Decide of one candidate.

    The same gates, evidence and look give the same decision; nothing is drawn.

    Args:
        gates: What is asked.
        evidence: What is known.
        look: Which look at the candidate this is, from 1, see `Looks`: it sets the level.

    Raises:
        UserError: a slice names an attribute, or a value, that no labelled query has.
        QuerywiseError: a slice is said to be unchanged, and the answers differ in it.
    """
    if look < 1:
        raise ValueError("looks are counted from 1")
    found = findings(gates, evidence)
    ps = [finding.test.p_holds if finding.test else 1.0 for finding in found]
    checks = (
        *zero_checks(gates, evidence),
        *comparison_checks(evidence),
        *(_settled(finding, p, gates, look) for finding, p in zip(found, holm(ps), strict=True)),
        *unscored_checks(gates, evidence),
        *service_checks(gates, evidence),
    )
    return Decision(
        verdict=_worst(check.verdict for check in checks),
        checks=checks,
        look=look,
        alpha=gates.alpha_of(look),
        alpha_spent=gates.spent_by(look),
        digest=digest_of(gates, evidence),
        remarks=tuple(_remarks(gates, evidence, checks)),
    )


def _settled(finding: Finding, p_holm: float, gates: Gates, look: int) -> Check:
    test = finding.test
    if test is None:
        verdict: GateVerdict = "PASS" if finding.holds else "INCONCLUSIVE"
        return replace(_check(finding, verdict, finding.reason), needed=finding.fewest)
    now, then = _levels(gates, look), _levels(gates, look + 1)
    p_violated, p_holds = test.p_violated, test.p_holds
    needed = None
    if p_violated <= now.to_pass:
        verdict, reason = "PASS", f"shown to hold: {_shown(finding)}"
    elif p_holm <= now.to_pass:
        verdict, reason = "FAIL", f"shown to be broken: {_shown(finding)}"
    else:
        total = test.needed(then)
        needed = None if total is None else max(total - finding.queries, 1)
        verdict, reason = "INCONCLUSIVE", f"not settled: {_shown(finding)}; {_would(needed)}"
    check = replace(
        _check(finding, verdict, reason),
        p_violated=p_violated,
        p_holds=p_holds,
        p_holm=p_holm,
        needed=needed,
    )
    if not isinstance(test, SpreadTest):
        return check
    return replace(
        check,
        power_3_points=test.chance_to_fail(finding.truth, now),
        slip_3_points=test.chance_to_pass(finding.truth, now),
        power_equal=test.chance_to_pass(0.0, now) if finding.kind == "no_regression" else None,
    )


def _levels(gates: Gates, look: int) -> Levels:
    """A bound that is broken alone has to stand Holm's first step."""
    alpha = gates.alpha_of(look)
    return Levels(to_pass=alpha, to_fail=alpha / gates.tested)


def _check(finding: Finding, verdict: GateVerdict, reason: str) -> Check:
    return Check(
        name=finding.name,
        kind=finding.kind,
        measure=finding.measure,
        slice=finding.slice,
        side=finding.side,
        bound=finding.bound,
        verdict=verdict,
        reason=reason,
        value=finding.value,
        gain=finding.gain,
        queries=finding.queries,
    )


def _worst(verdicts: Iterable[GateVerdict]) -> GateVerdict:
    found = set(verdicts)
    return "FAIL" if "FAIL" in found else "INCONCLUSIVE" if "INCONCLUSIVE" in found else "PASS"


def _remarks(gates: Gates, evidence: Evidence, checks: Sequence[Check]) -> Iterator[str]:
    for name, why in gates.zeros_off.items():
        yield f"{name} was not asked for: {why}."
    if not (gates.tested or gates.service):
        yield "Only the hard zeros were asked for; nothing is said of how good the answers are."
    if gates.no_regression and evidence.base is None and not evidence.unread:
        yield "No release is served yet, so the bounds on regression hold for want of anything to compare with."
    for checks_of, words in (
        ([check for check in checks if check.p_holds is None], "Labels without which there is no test, at least"),
        ([check for check in checks if check.p_holds is not None], "Labels that settle each bound four times in five"),
    ):
        if listed := ", ".join(f"{needed:,} more of {part}" for part, needed in _needed(checks_of).items()):
            yield f"{words}: {listed}."


def _needed(checks: Iterable[Check]) -> dict[str, int]:
    found: dict[str, int] = {}
    for check in checks:
        if check.slice is not None and check.needed is not None:
            found[check.slice] = max(found.get(check.slice, 0), check.needed)
    return found


def _shown(finding: Finding) -> str:
    tested = finding.gain or finding.value
    words = "at least" if finding.side == "at_least" else "at most"
    return f"{words} {finding.bound:g} is asked, and {_interval(tested)} found" if tested else "nothing found"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _would(needed: int | None) -> str:
    if needed is None:
        return "it lies too near the bound for any number of labels to settle it"
    return f"about {needed:,} more would settle it four times in five"
