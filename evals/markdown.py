"""A report as Markdown, for `docs/quality.md` and for a reviewer."""

from __future__ import annotations

from evals.cells import cell, difference, interval, number, table
from evals.measures import MEASURES
from evals.report import Report, Row
from evals.slices import ATTRIBUTES, LEAST, Slicing

__all__ = ["to_markdown"]

_LEAF = {"leaf_precision": "precision", "leaf_recall": "recall", "leaf_f1": "F1"}
_PARENT = {"parent_precision": "precision", "parent_recall": "recall", "parent_f1": "F1"}
_MACRO = {
    f"leaf_macro_{short}": name for short, name in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
}
_OTHER = (
    "top1_accuracy",
    "nDCG@3",
    "hierarchical_f1",
    "parent_macro_f1",
    "abstention_rate",
    "abstention_precision",
    "abstention_recall",
    "fallback_rate",
    "unknown_id_rate",
    "specificity_accuracy",
    "span_f1",
    "span_overlap_f1",
    "spelling_recall",
    "rewrite_recall",
    "rewrite_precision",
    "rewrite_type_accuracy",
    "expected_calibration_error",
    "brier_score",
)
_SHOWN = 8  # slices of one attribute; the report's JSON has all


def to_markdown(report: Report, *, title: str = "Quality") -> str:
    """Render how a report was made and its tables; every number carries its 95% interval."""
    return "\n".join(
        [
            f"# {cell(title)}",
            "",
            *_how(report),
            "",
            "## Categories, as labelled (leaf level)",
            "",
            *_category_table(report, _LEAF, gain="leaf_f1", coverage=True),
            "",
            "Tiers are the log's: head, torso and tail by share of searches, unseen for queries that nobody searched.",
            *_by_kind(report),
            "",
            "## Categories, raised to their parents",
            "",
            *_category_table(report, _PARENT, gain="parent_f1", coverage=False),
            "",
            "## Categories at leaf level, every query counting alike (macro)",
            "",
            *_category_table(report, _MACRO, gain="leaf_macro_f1", coverage=False),
            "",
            *_other_slices(report),
            "## Further measures, all queries",
            "",
            *_other_table(report),
            "",
            *_confidence(report),
        ]
    )


def _how(report: Report) -> list[str]:
    gold = report.gold
    doubts = ", ".join(f"{kind} {n}" for kind, n in gold.doubts.items())
    degraded = {row.system: row.degraded for row in report.rows if row.by == "all" and row.degraded}
    lines = [f"- {cell(name)}: `{cell(value)}`" for name, value in report.made.items()]
    lines.append(
        f"- gold: `{cell(gold.name)}` (sha256 `{gold.sha256[:12]}`), {gold.cases} queries, "
        f"{gold.left_out} lines left out" + (f" (doubts: {doubts})" if doubts else "")
    )
    lines.append(
        f"- brackets: 95% percentile bootstrap over queries, {report.draws} resamples, seed {report.seed}; "
        f"gain: paired with {cell(report.systems[0])}, bold where the interval leaves out 0"
    )
    lines.extend(f"- **{cell(name)} failed on {n} queries**; they count as unanswered" for name, n in degraded.items())
    return lines


def _by_kind(report: Report) -> list[str]:
    if not any(row.by == "kind" for row in report.rows):
        return []
    rows = _category_table(report, _LEAF, gain="leaf_f1", coverage=True, by="kind")
    return ["", "The same by the kind that the gold file gives each query:", "", *rows]


def _category_table(
    report: Report, measures: dict[str, str], *, gain: str, coverage: bool, by: Slicing = "tier"
) -> list[str]:
    head = [by, "system", "queries", *(["coverage"] if coverage else []), *measures.values(), "gain in F1"]
    return table(
        head,
        (
            [
                cell(row.slice),
                cell(row.system),
                str(_judged(row)),
                *([number(row.measures.get("coverage"))] if coverage else []),
                *(interval(row.measures.get(name)) for name in measures),
                difference(row.gains.get(gain)),
            ]
            for row in report.rows
            if row.by in ((by, "all") if by == "tier" else (by,))
        ),
    )


def _other_slices(report: Report) -> list[str]:
    """Return tables of F1 alone, a column for each system, by everything but tier and kind."""
    found = dict.fromkeys(row.by for row in report.rows if row.by not in ("all", "tier", "kind"))
    lines: list[str] = []
    for by in sorted(found, key=lambda by: (by not in ATTRIBUTES, "," not in by)):
        lines += [f"## F1 by {cell(by.replace(',', ' and '))}", "", *_slice_table(report, by), ""]
    return lines


def _slice_table(report: Report, by: Slicing) -> list[str]:
    """Return the slices with the most judged queries, in the order of the report, and what is left out of them."""
    rows: dict[str, dict[str, Row]] = {}
    for row in report.rows:
        if row.by == by:
            rows.setdefault(row.slice, {})[row.system] = row
    judged = {name: max(map(_judged, of.values())) for name, of in rows.items()}
    most = sorted((name for name in rows if judged[name]), key=lambda name: -judged[name])[:_SHOWN]
    lines = table(
        [cell(by.replace(",", ", ")), "queries", *map(cell, report.systems)],
        (
            [cell(name), str(judged[name]), *(interval(of[s].measures.get("leaf_f1")) for s in report.systems)]
            for name, of in rows.items()
            if name in most
        ),
    )
    folded = [name for name in rows if judged[name] and name not in most]
    if folded:
        less = f"{sum(judged[name] for name in folded)} queries in {len(folded)} more, which the JSON has"
        lines += ["", f"The {_SHOWN} with the most queries; {less}."]
    if small := report.small.get(by, 0):
        lines += ["", f"Left out: {small} with fewer than {LEAST} queries."]
    return lines


def _confidence(report: Report) -> list[str]:
    if not report.calibration:
        return []
    rows = []
    for name, diagram in report.calibration.items():
        total = sum(one.forecasts for one in diagram.bins)
        sure = sum(one.confidence * one.forecasts for one in diagram.bins) / total
        right = sum(one.right * one.forecasts for one in diagram.bins) / total
        values = (f"{x:.3f}" for x in (sure, right, diagram.error, diagram.floor))
        rows.append([cell(name), str(total), *values])
    return [
        "## Confidence of categories",
        "",
        *table(["system", "categories", "mean confidence", "share right", "ECE", "ECE by chance alone"], rows),
        "",
        "By chance alone: where every confidence was the true chance, over as many categories. The JSON has the bins.",
        "",
    ]


def _other_table(report: Report) -> list[str]:
    rows = {row.system: row for row in report.rows if row.by == "all"}
    names = [name for name in _OTHER if any(name in row.measures for row in rows.values())]
    return table(
        ["measure", "queries", *(cell(system) for system in rows), "what it is"],
        (
            [
                name,
                str(max(row.measures[name].queries for row in rows.values() if name in row.measures)),
                *(interval(row.measures.get(name)) for row in rows.values()),
                MEASURES[name],
            ]
            for name in names
        ),
    )


def _judged(row: Row) -> int:
    return row.measures["coverage"].queries if "coverage" in row.measures else 0
