"""Reports as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from domain.understanding import Understanding
from prompts import LabelRun
from querywise.options import console, results

__all__ = ["show_context", "show_ingest", "show_labels", "show_understanding"]

_COLOURS = {
    "product_type": "green",
    "brand": "magenta",
    "attribute": "cyan",
    "dietary": "bright_green",
    "size": "yellow",
    "color": "red",
    "material": "blue",
    "audience": "bright_magenta",
    "occasion": "bright_cyan",
    "price": "bright_yellow",
}


def show_ingest(report: Mapping[str, Any]) -> None:
    """Print what was accepted, quarantined and why."""
    table = Table("file", "rows", "accepted", "quarantined", "why", box=None, padding=(0, 2, 0, 0))
    for row in report["files"]:
        why = ", ".join(f"{reason} {count:,}" for reason, count in list(row["reasons"].items())[:3])
        numbers = (f"{row[name]:,}" for name in ("rows", "accepted", "quarantined"))
        table.add_row(row["file"], *numbers, why)
    console.print(table)


def show_context(report: Mapping[str, Any]) -> None:
    """Print the tiers, and whose searches were left out."""
    tiers = ", ".join(f"{count:,} {tier}" for tier, count in report["queries"].items())
    console.print(f"{report['searches']:,} searches of shoppers: {tiers} queries")
    console.print(
        f"left out: {report['bot_searches']:,} searches of crawlers (clients: {report['bot_clients']:,}), "
        f"{report['internal_searches']:,} of the shop's own people (clients: {report['internal_clients']:,})",
        style="dim",
    )


def show_labels(run: LabelRun) -> None:
    """Print labels and failures, which add up to the queries."""
    asked = len(run.labels) + len(run.failures)
    console.print(f"{asked:,} queries: {len(run.labels):,} labelled, {len(run.failures):,} not")
    if run.repaired:
        console.print(f"{run.repaired} answers were not of the schema and were mended by the model")
    if run.dropped:
        dropped = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in run.dropped.items())
        console.print(f"dropped by the checks: {dropped}", style="dim")
    if run.failures:
        table = Table("failure", "queries", "for instance", box=None, padding=(0, 2, 0, 0))
        for kind, count in run.failed.items():
            first = next(failure for failure in run.failures if failure.kind == kind)
            table.add_row(kind.replace("_", " "), f"{count:,}", f"{first.query}: {first.detail}")
        console.print(table)


def show_understanding(answer: Understanding) -> None:
    """Print one understanding: the query with its spans coloured, then categories, rewrites and where it came from."""
    line = Text(answer.normalized or "(empty)", style="bold")
    for a in answer.annotations:
        line.stylize(f"bold {_COLOURS[a.type]}", a.start, a.end)
    results.print(line, Text(f"  {answer.specificity or ''}", style="dim"))
    for a in answer.annotations:
        results.print(Text.assemble("  ", (a.type, _COLOURS[a.type]), f"  {a.text} = {a.value}"))
    for category in answer.categories:
        bar = "" if category.confidence is None else "#" * round(category.confidence * 10)
        figure = "no confidence" if category.confidence is None else f"{category.confidence:.2f}"
        results.print(
            Text.assemble(f"  {figure:>13} {bar:<10} ", " > ".join(category.path), (f"  {category.id}", "dim"))
        )
    for rewrite in answer.rewrites:
        results.print(Text(f"  {rewrite.type:>13} {rewrite.confidence:.2f}       {rewrite.query}"))
    if answer.next_queries:
        results.print(Text(f"  searched next: {', '.join(answer.next_queries)}", style="dim"))
    results.print(Text(f"  {answer.source}, {answer.reason}, release {answer.release}", style="dim"))
