"""What got better and worse against the base: measures over all queries, then F1 by slice."""

from __future__ import annotations

from collections.abc import Sequence

from evals.comparison import SliceRow
from evals.estimates import Estimate
from evals.evaluation.changes import HEADLINE, is_shown, of_slice, shown_slices
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Child, Column, Html, element, joined, note, section, table, term
from evals.evaluation.missing import absent
from evals.evaluation.plots import Axis, Tone, around_zero, axis_of, interval_bar, tone_of
from evals.evaluation.words import capital, counted, explained, measure_words, number
from evals.paired import LEAST_DISCORDANT

__all__ = ["differences_section"]

_TITLE = "Better and worse than the base"
_LEAD = "The release and its base on the same labelled queries: every difference is that of the release less the base."


def differences_section(evaluation: Evaluation) -> Html:
    """Return both tables, or why there are none."""
    comparison = evaluation.comparison
    if comparison is None:
        return section("differences", _TITLE, _LEAD, absent("base"))
    if comparison.quality is None:
        return section("differences", _TITLE, _LEAD, absent("report"))
    rows = shown_slices(comparison)
    left = sum(HEADLINE in row.measures for row in comparison.rows) - 1 - len(rows)
    by_slice = [
        element("h3", term("f1", "F1"), " by part of the queries"),
        element("p", _summed(rows), class_="summed"),
        _slices([row for row in rows if row.by == "tier" or is_shown(row)]),
        _folded([row for row in rows if row.by != "tier" and not is_shown(row)]),
        note(f"{left:,} more parts, with the fewest labels, are in the JSON.") if left > 0 else None,
    ]
    return section(
        "differences",
        _TITLE,
        _LEAD,
        _measures(comparison.rows[0]),
        *(by_slice if rows else []),
        note(
            f"Intervals: paired bootstrap over queries, {comparison.draws:,} resamples, seed {comparison.seed}; those "
            "of the gate are wider, since they hold for few queries as well. Coloured where the interval leaves "
            f"out 0 and {LEAST_DISCORDANT} queries or more differ; of twenty equal ones chance colours one."
        ),
    )


def _summed(rows: Sequence[SliceRow]) -> str:
    tones = {tone: [of_slice(row) for row in rows if _tone(row) == tone] for tone in ("good", "bad")}
    told = [
        f"{word}: {'; '.join(names[:6])}{f' and {len(names) - 6} more' if len(names) > 6 else ''}."
        for word, names in (("Worse", tones["bad"]), ("Better", tones["good"]))
        if names
    ]
    rest = len(rows) - len(tones["good"]) - len(tones["bad"])
    told.append(
        f"No difference is shown in {rest} of {len(rows)} parts." if told else "In no part is a difference shown."
    )
    return " ".join(told)


def _tone(row: SliceRow, measure: str = HEADLINE) -> Tone:
    return tone_of(row.measures[measure].gain) if is_shown(row, measure) else "flat"


def _folded(rows: Sequence[SliceRow]) -> Html | None:
    if not rows:
        return None
    title = f"{counted(len(rows), 'more part')} where no difference is shown"
    return element("details", element("summary", title), _slices(rows))


def _measures(row: SliceRow) -> Html:
    axis = around_zero(paired.gain for paired in row.measures.values())
    lines = [
        (
            joined(
                [
                    element("span", capital(measure_words(name)), title=explained(name) or None),
                    element("small", explained(name) or None),
                ]
            ),
            number(paired.a.value),
            number(paired.b.value),
            *_difference(paired.gain, _tone(row, name), axis),
        )
        for name, paired in row.measures.items()
    ]
    return table((Column(title="All labelled queries"), *_columns(axis)), lines)


def _slices(rows: Sequence[SliceRow]) -> Html:
    axis = around_zero(row.measures[HEADLINE].gain for row in rows)
    lines = []
    for row in rows:
        paired = row.measures[HEADLINE]
        counts = f"{row.judged:,} labelled: {row.won:,} better, {row.lost:,} worse"
        named = joined([capital(of_slice(row)), element("small", counts)])
        lines.append(
            (named, number(paired.a.value), number(paired.b.value), *_difference(paired.gain, _tone(row), axis))
        )
    return table((Column(title="Queries"), *_columns(axis)), lines)


def _columns(axis: Axis) -> tuple[Column, ...]:
    return (
        Column(title="Base", numeric=True),
        Column(title="Release", numeric=True),
        Column(title="Difference", numeric=True),
        Column(title="95% interval around 0", head=joined([term("interval", "95% interval"), axis_of(axis)])),
    )


def _difference(gain: Estimate, tone: Tone, axis: Axis) -> tuple[Child, ...]:
    ends = f"{number(gain.low, signed=True)} to {number(gain.high, signed=True)}"
    told = joined([element("span", number(gain.value, signed=True), class_=tone), element("small", ends)])
    return told, interval_bar(gain, axis, tone)
