"""The verdict in one sentence, and what to do next: the same on the page, in a pull request and on a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from evals.evaluation.check_words import against_base, found, is_uncompared, judge_task, reason, title, zero_words
from evals.evaluation.words import capital, counted, slice_words
from evals.gate import Check, Decision, GateVerdict
from evals.verdict import about

__all__ = ["Headline", "headline", "in_order", "steps"]

_ORDER: dict[GateVerdict, int] = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}
_REASONS = 2
_MANY = 5000  # labels that hardly anybody makes


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The verdict: its word, what to do with the release, and why; the last two follow one another in a sentence."""

    verdict: GateVerdict
    action: str
    why: str

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        return f"{self.verdict}: {self.action}{self.why}."


def headline(decision: Decision) -> Headline:
    """Return the verdict on a release."""
    match decision.verdict:
        case "PASS":
            return Headline(verdict="PASS", action="ship it", why=_passed(decision))
        case "FAIL":
            return Headline(verdict="FAIL", action="do not ship it", why=_failed(decision))
        case "INCONCLUSIVE":
            return Headline(verdict="INCONCLUSIVE", action="do not ship it yet", why=_open(decision))


def in_order(decision: Decision) -> tuple[Check, ...]:
    """Return the checks that failed, then those that are not settled, then those that passed."""
    return tuple(sorted(decision.checks, key=lambda check: _ORDER[check.verdict]))


def steps(decision: Decision) -> tuple[str, ...]:
    """Return what would settle the checks that are not settled, a step each: what has to be labelled comes first."""
    wanted: dict[str, int] = {}
    others: dict[str, None] = {}
    for check in decision.checks:
        if check.verdict != "INCONCLUSIVE":
            continue
        if check.needed is None or check.kind == "judge":
            others[_further_step(check)] = None
        else:
            part = check.slice or "all"
            wanted[part] = max(wanted.get(part, 0), check.needed)
    most = sorted(wanted.items(), key=lambda item: (-item[1], item[0]))
    return (*(_label_step(part, queries) for part, queries in most), *others)


def _passed(decision: Decision) -> str:
    held = [check for check in decision.checks if not is_uncompared(check)]
    uncompared = len(decision.checks) - len(held)
    if uncompared:
        said = counted(len(held), "check holds", "checks hold")
    else:
        said = {1: "its one check holds", 2: "both its checks hold"}.get(len(held), f"all {len(held):,} checks hold")
    if not any(check.kind in ("absolute", "no_regression") for check in held):
        said += ", though none of them asks how good the answers are"
    gained = next((check for check in held if check.kind == "no_regression" and check.gain), None)
    compared = f"; {against_base(gained)}" if gained else ""
    return f", {said}{compared}{f'; {uncompared:,} had nothing to compare with' if uncompared else ''}"


def _failed(decision: Decision) -> str:
    failed = [check for check in decision.checks if check.verdict == "FAIL"]
    # Two reasons of different kinds say more than two that are alike.
    first = {check.kind: check for check in reversed(failed)}
    told = [check for check in failed if first[check.kind] is check][:_REASONS]
    more = len(failed) - len(told)
    others = f"; {counted(more, 'more check fails', 'more checks fail')}" if more else ""
    return f", because {', and because '.join(map(reason, told))}{others}"


def _open(decision: Decision) -> str:
    unsettled, checks, todo = len(decision.named("INCONCLUSIVE")), len(decision.checks), steps(decision)
    said = f"{unsettled:,} of {counted(checks, 'check')} {'is' if unsettled == 1 else 'are'} not settled"
    if not todo:
        return f", for {said}"
    more = f" (and {counted(len(todo) - 1, 'more step')})" if len(todo) > 1 else ""
    return f", for {said}: {todo[0]}{more}, then evaluate again"


def _label_step(part: str, queries: int) -> str:
    cheaper = ", or rather make the answers better: so many say that they lie at the bound" if queries > _MANY else ""
    return f"label about {about(queries)} more {'queries' if part == 'all' else slice_words(part)}{cheaper}"


def _further_step(check: Check) -> str:
    task = judge_task(check)
    if check.kind == "zero":
        return f"count the {zero_words(check.name)}"
    if check.kind == "service":
        return f"measure the service: {title(check)}"
    if check.kind == "judge" and check.needed is not None:
        return f"have people rate about {about(check.needed)} more items of the {task} judge"
    if check.kind == "judge" and check.value is None:
        return f"ask the {task} judge, and have people rate some of the same items"
    return (
        f"{capital(title(check))} lies too near its bound ({found(check)}) for labels to settle: better answers would"
    )
