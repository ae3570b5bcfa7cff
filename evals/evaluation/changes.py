"""What changed from the base, and what of it is shown first: the same on the page, in a pull request, on a terminal."""

from __future__ import annotations

from typing import Final

from evals.compared_query import ComparedQuery, Result
from evals.comparison import Comparison, SliceRow
from evals.estimates import Estimate
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.words import plain, slice_words
from evals.paired import LEAST_DISCORDANT
from evals.replay import Replay

__all__ = ["HEADLINE", "by_traffic", "changed_slices", "f1_gain", "is_shown", "of_slice", "shown_slices", "withheld"]

HEADLINE: Final = "leaf_f1"
"""The measure that slices and queries are read by."""

_SLICES = 40
_OTHER_PARTS = ("specificity_accuracy", "span_f1", "rewrite_recall")


def f1_gain(evaluation: Evaluation) -> Estimate | None:
    """Return the difference in F1 over all queries, as the gate tested it where it did: two intervals would puzzle."""
    checks = evaluation.decision.checks
    tested = (check.gain for check in checks if check.gain and (check.measure, check.slice) == (HEADLINE, "all"))
    quality = evaluation.comparison.quality if evaluation.comparison else None
    return next(tested, quality.gain if quality else None)


def is_shown(row: SliceRow, measure: str = HEADLINE) -> bool:
    """Return whether a difference is shown: its interval leaves out 0, and enough queries differ.

    How many differ is known of categories alone; measures of other parts of an answer go by their interval.
    """
    gain = row.measures[measure].gain
    few = row.won + row.lost < LEAST_DISCORDANT and measure not in _OTHER_PARTS
    return not few and (gain.low > 0 or gain.high < 0)


def shown_slices(comparison: Comparison) -> list[SliceRow]:
    """Return the slices with F1, those with most judged queries where there are too many, in the comparison's order."""
    rows = [row for row in comparison.rows[1:] if HEADLINE in row.measures]
    kept = sorted(range(len(rows)), key=lambda at: (-rows[at].judged, at))[:_SLICES]
    return [rows[at] for at in sorted(kept)]


def changed_slices(comparison: Comparison) -> list[SliceRow]:
    """Return those of the shown slices where a difference is shown, the worst first."""
    found = [row for row in shown_slices(comparison) if is_shown(row)]
    return sorted(found, key=lambda row: row.measures[HEADLINE].gain.value)


def of_slice(row: SliceRow) -> str:
    """Return which queries a row is about."""
    if row.by == "all":
        return slice_words("all")
    attributes, values = row.by.split(","), row.slice.split(", ")
    if len(attributes) != len(values):  # a value holds a comma
        return plain(f"queries of {row.by.replace(',', ' and ')}: {row.slice}")
    return slice_words(",".join(f"{by}:{value}" for by, value in zip(attributes, values, strict=True)))


def by_traffic(comparison: Comparison, result: Result) -> list[ComparedQuery]:
    """Return the queries that the release lost to its base, or won, most searched first, then the largest change."""
    found = [query for query in comparison.compared if query.result == result]
    return sorted(found, key=lambda query: (-query.searches, -abs((query.b.f1 or 0) - (query.a.f1 or 0)), query.query))


def withheld(replay: Replay) -> list[str]:
    """Return the parts that a replay wants withheld, as "query: part", in the order of the harm."""
    return [
        f"{plain(one.query, 60)}: {part.part}"
        for one in replay.harmed
        for part in one.parts
        if part.verdict == "withhold"
    ]
