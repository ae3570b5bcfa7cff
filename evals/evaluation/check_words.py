"""What a check of the gate is about, what it asks and what was found, in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from evals.evaluation.words import (
    capital,
    explained,
    measure_words,
    number,
    percent,
    plain,
    quoted_interval,
    slice_words,
)
from evals.gate import ZEROS, Check

__all__ = [
    "against_base",
    "asked",
    "demanded",
    "found",
    "is_uncompared",
    "judge_task",
    "reason",
    "tip",
    "title",
    "zero_words",
]

_ZEROS: Final[Mapping[str, str]] = {str(name): what for name, what in ZEROS.items()}
_SERVICE: Final[Mapping[str, str]] = {
    "student_p99_ms": "of a hundred answers of the student one takes longer than this, in milliseconds",
    "coverage": "the share of the shop's searches whose query gets an answer",
}
_NO_LETTER_LOWERED = ("F1", "Brier", "nDCG")


def title(check: Check) -> str:
    """Return what a check is about."""
    of = f" of {slice_words(check.slice)}" if check.slice else ""
    match check.kind:
        case "zero":
            return capital(zero_words(check.name))
        case "absolute":
            return f"{capital(measure_words(check.measure))}{of}"
        case "no_regression":
            return f"{capital(measure_words(check.measure))}{of}, against the base release"
        case "service":
            return "Share of searches answered" if check.name == "coverage" else capital(measure_words(check.measure))
        case "judge":
            what = "Items without a verdict of" if check.measure == "unscored" else "Agreement with people (kappa) of"
            return f"{what} the {judge_task(check)} judge"


def zero_words(name: str) -> str:
    """Return what a hard zero counts."""
    return _ZEROS.get(name) or plain(name.replace("_", " "))


def judge_task(check: Check) -> str:
    """Return what the judge of a check judges: "relevance", say."""
    task = re.match(r"judge of (\w+)", check.name)
    return task[1] if task else plain(check.name)


def tip(check: Check) -> str:
    """Return a further explanation of what a check measures; it may be empty."""
    return _SERVICE.get(check.name, "") if check.kind == "service" else explained(check.measure)


def asked(check: Check) -> str:
    """Return the bound in words."""
    if check.kind == "zero":
        return "none"
    if check.kind == "no_regression":
        return f"at most {abs(check.bound):g} {'lower' if check.side == 'at_least' else 'higher'}"
    bound = percent(check.bound) if check.measure in ("unscored", "coverage") else f"{check.bound:g}"
    return f"{'at least' if check.side == 'at_least' else 'at most'} {bound}"


def demanded(check: Check) -> str:
    """Return the bound as a clause."""
    return f"{asked(check)} is {'allowed' if check.kind in ('zero', 'no_regression') else 'asked'}"


def found(check: Check) -> str:
    """Return what was found, with its interval where there is one."""
    if check.kind == "no_regression":
        return "not compared" if check.gain is None else quoted_interval(check.gain, signed=True)
    if check.value is not None:
        return quoted_interval(check.value)
    if check.figure is None:
        return "not counted" if check.kind == "zero" else "not measured"
    if check.measure in ("unscored", "coverage"):
        return percent(check.figure)
    return f"{check.figure:,.0f}" if check.kind == "zero" else f"{check.figure:g}"


def is_uncompared(check: Check) -> bool:
    """Return whether a check passed for want of a release to compare with."""
    return check.verdict == "PASS" and check.kind == "no_regression" and check.gain is None


def against_base(check: Check) -> str:
    """Return how a measure differs from the base's, in a clause."""
    what = f"{measure_words(check.measure)} of {slice_words(check.slice or 'all')}"
    if check.gain is None:
        return f"{what} was not compared with the base release"
    ends = f"95% interval {number(check.gain.low, signed=True)} to {number(check.gain.high, signed=True)}"
    if not round(check.gain.value, 3):
        return f"{what} is as in the base release ({ends})"
    way = "lower" if check.gain.value < 0 else "higher"
    return f"{what} is {number(abs(check.gain.value))} {way} than in the base release ({ends})"


def reason(check: Check) -> str:
    """Return why a check failed, in half a sentence that follows "because"."""
    if check.kind == "zero":
        return f"its answers hold {found(check)} {zero_words(check.name)}"
    if check.kind == "no_regression":
        return f"{against_base(check)}, and {demanded(check)}"
    said = found(check)
    if check.value is not None:
        ends = f"95% interval {number(check.value.low)} to {number(check.value.high)}"
        said = f"{number(check.value.value)} ({ends})"
    name = title(check)
    lowered = name if name.startswith(_NO_LETTER_LOWERED) else name[:1].lower() + name[1:]
    are = "are" if name.startswith("Items") else "is"
    return f"{lowered} {are} {said}, and {demanded(check)}"
