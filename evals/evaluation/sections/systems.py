"""All that competes, against what people labelled, by traffic."""

from __future__ import annotations

from collections.abc import Sequence

from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Child, Column, Html, element, joined, note, section, table, term
from evals.evaluation.missing import absent
from evals.evaluation.plots import Axis, axis_of, interval_bar
from evals.evaluation.words import capital, counted, number, plain, slice_words
from evals.report import Report, Row

__all__ = ["role", "systems_section"]

_SHARES = Axis(low=0.0, high=1.0)
_TITLE = "Every system against the labels"
_LEAD = (
    "The release and, as far as they were asked, its base, engagement (what shoppers choose, alone) and the LLM "
    "without and with the log's context."
)


def role(evaluation: Evaluation, system: str) -> str:
    """Return what a system of the report is to this evaluation; empty for a competitor."""
    if system == evaluation.candidate:
        return "the release"
    return "the base" if system == evaluation.base else ""


def systems_section(evaluation: Evaluation) -> Html:
    """Return a table for all queries and each tier, or why there is none."""
    report = evaluation.report
    if report is None:
        return section("systems", _TITLE, _LEAD, absent("report"))
    parts = dict.fromkeys((row.by, row.slice) for row in report.rows if row.by in ("all", "tier"))
    blocks = []
    for by, name in parts:
        rows = [row for row in report.rows if (row.by, row.slice) == (by, name) and "leaf_f1" in row.measures]
        if rows:
            blocks += _part(evaluation, rows, "all queries" if by == "all" else slice_words(f"{by}:{name}"))
    return section("systems", _TITLE, _LEAD, *(blocks or [absent("report")]), _made(report))


def _part(evaluation: Evaluation, rows: Sequence[Row], name: str) -> list[Html]:
    columns = (
        Column(title="System"),
        Column(title="F1", head=term("f1", "F1"), numeric=True),
        Column(title="95% interval", head=joined([term("interval", "95% interval"), axis_of(_SHARES)])),
        Column(title="Precision", head=term("precision", "Precision"), numeric=True),
        Column(title="Recall", head=term("recall", "Recall"), numeric=True),
        Column(title="Answered", numeric=True),
    )
    title = f"{capital(name)} ({counted(rows[0].queries, 'label')})"
    return [element("h3", title), table(columns, (_row(evaluation, row) for row in rows))]


def _row(evaluation: Evaluation, row: Row) -> tuple[Child, ...]:
    f1 = row.measures["leaf_f1"]
    of = role(evaluation, row.system)
    failed = element("small", counted(row.degraded, "failed answer"), class_="bad") if row.degraded else None
    named = joined([plain(row.system, 60), element("small", of) if of else None, failed])
    return (
        element("strong", named) if of == "the release" else named,
        joined([number(f1.value), element("small", f"{number(f1.low)} to {number(f1.high)}")]),
        interval_bar(f1, _SHARES, "own" if of == "the release" else "flat"),
        _value(row, "leaf_precision"),
        _value(row, "leaf_recall"),
        _value(row, "coverage"),
    )


def _value(row: Row, measure: str) -> str | None:
    return number(row.measures[measure].value) if measure in row.measures else None


def _made(report: Report) -> Html:
    gold = report.gold
    doubts = ", ".join(f"{kind} {n}" for kind, n in gold.doubts.items())
    return note(
        f"Labels: {plain(gold.name, 80)} (SHA-256 {gold.sha256[:12]}), {counted(gold.cases, 'query', 'queries')}"
        f"{f', {gold.left_out} lines left out' if gold.left_out else ''}{f'; doubts: {doubts}' if doubts else ''}. "
        f"Intervals: bootstrap over queries, {report.draws:,} resamples, seed {report.seed}."
    )
