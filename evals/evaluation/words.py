"""What measures and slices are called where people read of them, and how numbers and strangers' texts are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from domain.understanding import Category
from evals.compared_query import ComparedAnswer
from evals.estimates import Estimate
from evals.measures import MEASURES

__all__ = [
    "SHOWN_CATEGORIES",
    "answer_line",
    "capital",
    "categories_line",
    "counted",
    "explained",
    "measure_words",
    "number",
    "path_words",
    "percent",
    "plain",
    "quoted_interval",
    "slice_words",
]

SHOWN_CATEGORIES: Final = 8
"""Categories of one answer that are shown."""

_LONGEST = 160
_LISTED = 3
_JOINERS = "\u200c\u200d"  # without them some scripts and many emoji fall apart

_MEASURES = {
    "leaf_precision": "precision",
    "leaf_recall": "recall",
    "leaf_f1": "F1",
    "leaf_macro_precision": "precision with every query alike",
    "leaf_macro_recall": "recall with every query alike",
    "leaf_macro_f1": "F1 with every query alike",
    "parent_precision": "precision at the parent level",
    "parent_recall": "recall at the parent level",
    "parent_f1": "F1 at the parent level",
    "top1_accuracy": "first category right",
    "span_precision": "precision of annotations",
    "span_recall": "recall of annotations",
    "span_f1": "F1 of annotations",
    "specificity_accuracy": "specificity right",
    "expected_calibration_error": "calibration error",
    "brier_score": "Brier score",
    "student_p99_ms": "slowest 1% of the student's answers, in ms",
}


def plain(text: str, limit: int = _LONGEST) -> str:
    """Return a stranger's text in one line of at most `limit` characters, without what steers a terminal or a line."""
    line = " ".join(text[: 4 * limit].split())
    shown = "".join(c if c.isprintable() or c in _JOINERS else "\N{REPLACEMENT CHARACTER}" for c in line)
    return shown if len(shown) <= limit and len(text) <= 4 * limit else f"{shown[: limit - 1]}…"


def path_words(category: Category) -> str:
    """Return the path of a category, or its id where there is none."""
    return plain(" › ".join(category.path) or category.id)


def categories_line(categories: Sequence[Category]) -> str:
    """Return the last names of the first categories in one line."""
    names = [plain(category.path[-1] if category.path else category.id, 60) for category in categories[:_LISTED]]
    more = f" and {len(categories) - _LISTED} more" if len(categories) > _LISTED else ""
    return f"{', '.join(names)}{more}" if names else "no category"


def answer_line(answer: ComparedAnswer) -> str:
    """Return an answer in one line."""
    return categories_line(answer.answer.categories) if answer.answer else "failed"


def measure_words(name: str) -> str:
    """Return what a measure is called."""
    return _MEASURES.get(name) or re.sub(r"\bf1\b", "F1", name.replace("_", " "))


def explained(name: str) -> str:
    """Return what a measure is, in half a sentence; empty where nothing is known of it."""
    return re.sub(r"\w+_\w+", lambda word: measure_words(word[0]), MEASURES.get(name, ""))


def slice_words(spec: str) -> str:
    """Return which queries a slice has: "all" is "all queries", "tier:head,kind:gift" is "head queries, kind gift"."""
    if spec == "all":
        return "all queries"
    # A value may hold commas, so a further attribute is only what has a colon.
    first, *others = [part.partition(":") for part in re.split(r",\s*(?=[\w ]+:)", spec)]
    named = f"{first[2]} queries" if first[0] in ("tier", "specificity") else f"queries of {first[0]} {first[2]}"
    return plain(", ".join([named, *(f"{by} {value}" for by, _, value in others)]))


def quoted_interval(estimate: Estimate, *, signed: bool = False) -> str:
    """Return a value to three places with its interval: "0.812 [0.790, 0.833]"."""
    value, low, high = (number(x, signed=signed) for x in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def number(value: float, *, signed: bool = False) -> str:
    """Return a number to three places."""
    rounded = round(value, 3) + 0.0  # adding 0 turns -0.0 into 0
    return (f"{rounded:+.3f}" if signed else f"{rounded:.3f}").replace("-", "\N{MINUS SIGN}")


def percent(share: float | None) -> str:
    """Return a share in percent, to one place at most, or a dash; only what is nothing or all is said to be."""
    if share is None:
        return "–"
    if 0 < share < 0.0005:
        return "under 0.1%"
    return "over 99.9%" if 0.9995 <= share < 1 else f"{100 * share:.1f}%".replace(".0%", "%")


def counted(n: int, one: str, many: str = "") -> str:
    """Return a number with its noun: "1 query", "1,200 queries"."""
    return f"1 {one}" if n == 1 else f"{n:,} {many or one + 's'}"


def capital(text: str) -> str:
    """Return a text with its first letter large."""
    return text[:1].upper() + text[1:]
