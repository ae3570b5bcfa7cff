"""The gate's checks: what failed, what is not settled, and folded what passed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evals.evaluation.check_words import asked, found, is_uncompared, tip, title
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.headline import in_order
from evals.evaluation.markup import Child, Column, Html, element, joined, note, section, table, term
from evals.evaluation.plots import Axis, Tone, around_zero, axis_of, interval_bar
from evals.evaluation.words import counted, number, plain
from evals.gate import Check, GateVerdict
from evals.verdict import about

__all__ = ["checks_section"]

_TONES: dict[GateVerdict, Tone] = {"FAIL": "bad", "INCONCLUSIVE": "open", "PASS": "good"}
_WORDS: dict[GateVerdict, str] = {"FAIL": "FAIL", "INCONCLUSIVE": "not settled", "PASS": "PASS"}
_ROOM = 1.5  # so that a bound does not lie at the edge
_SHARES = Axis(low=0.0, high=1.0)


def checks_section(evaluation: Evaluation) -> Html:
    """Return the table of checks."""
    decision = evaluation.decision
    checks = in_order(decision)
    gains = [check for check in checks if check.gain is not None]
    axis = around_zero([check.gain for check in gains if check.gain], more=[_ROOM * check.bound for check in gains])
    shown = [check for check in checks if check.verdict != "PASS"]
    passed = [check for check in checks if check.verdict == "PASS"]
    uncompared = sum(map(is_uncompared, passed))
    left = f", {uncompared:,} not compared" if uncompared else ""
    folded = element(
        "details",
        element("summary", f"{counted(len(passed) - uncompared, 'check')} passed{left}"),
        _table(passed, axis),
        open=not shown,
    )
    level = (
        f"Look {decision.look} at this release, at a level of {decision.alpha:.3g} on either side; this and the looks "
        f"before it have spent {decision.alpha_spent:.3g}. A look with other evidence costs half of what is left, so "
        "that looking again until it passes does not help."
    )
    return section(
        "checks",
        "Checks of the gate",
        "What a release has to show before it may be served. A check passes, or fails, when the evidence is beyond "
        "what chance explains; anything between is not settled.",
        _table(shown, axis) if shown else None,
        folded if passed else None,
        element("ul", *(element("li", plain(remark, 400)) for remark in decision.remarks), class_="remarks")
        if decision.remarks
        else None,
        note(level),
    )


def _table(checks: Sequence[Check], axis: Axis) -> Html:
    columns: Sequence[Column] = (
        Column(title="Check"),
        Column(title="Verdict"),
        Column(title="Asked"),
        Column(title="Found", head=joined(["Found, with ", term("interval", "95% interval")])),
        Column(title="Against the bound", head=joined(["Against the bound ", element("small", "shaded: broken")])),
        Column(title="p", head=term("p", "p"), numeric=True),
        Column(title="More labels needed", numeric=True),
    )
    rows = [_row(check, axis) for check in checks]
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return table(columns, rows, class_="checks")


def _row(check: Check, axis: Axis) -> tuple[Child, ...]:
    tone, word = _TONES[check.verdict], _WORDS[check.verdict]
    if is_uncompared(check):
        tone, word = "flat", "not compared"
    named = element("span", title(check), title=tip(check) or None)
    queries = "item" if check.kind == "judge" else "query"
    many = "items" if check.kind == "judge" else "queries"
    basis = element("small", counted(check.queries, queries, many)) if check.queries else None
    examples = element("small", plain(check.reason, 240)) if check.kind == "zero" and check.verdict == "FAIL" else None
    silent = check.kind in ("zero", "service") or check.value or check.gain or check.figure is not None
    why = None if silent else element("small", plain(check.reason, 240))
    return (
        joined([named, basis]),
        element("span", word, class_=f"tag {tone}"),
        element("span", asked(check), class_="asked"),
        joined([element("span", found(check), class_="figure"), examples, why]),
        _bar(check, axis, tone),
        _p(check),
        _needed(check),
    )


def _bar(check: Check, axis: Axis, tone: Tone) -> Html | None:
    if check.kind == "no_regression":
        if check.gain is None or not math.isfinite(check.gain.low + check.gain.high):
            return None
        bar = interval_bar(check.gain, axis, tone, bound=check.bound, side=check.side)
        return joined([bar, axis_of(axis)])
    if check.value is None or not 0 <= check.bound <= 1:
        return None
    return joined([interval_bar(check.value, _SHARES, tone, bound=check.bound, side=check.side), axis_of(_SHARES)])


def _p(check: Check) -> str | None:
    p = check.p_holm if check.verdict == "FAIL" else check.p_violated
    return None if p is None else "< 0.001" if p < 0.001 else number(p)


def _needed(check: Check) -> str | None:
    if check.verdict != "INCONCLUSIVE":
        return None
    if check.needed is not None:
        return f"about {about(check.needed)}"
    return "no number would do" if check.p_holds is not None else None
