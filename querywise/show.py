"""Reports as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from domain.understanding import Understanding
from prompts.estimate import Interval, RunEstimate
from prompts.increment import Plan
from prompts.runner import Tally
from prompts.spending import Spending, SpendingRow
from querywise.options import console, results
from querywise.shipping import Shipped
from querywise.summary import Summary

__all__ = [
    "show_content",
    "show_context",
    "show_estimate",
    "show_ingest",
    "show_ledger",
    "show_plan",
    "show_summary",
    "show_understanding",
    "show_verdict",
]

_VERDICTS = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}
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


def show_content(report: Mapping[str, Any]) -> None:
    """Print how many ideas the shop can show, and why it does not show the others."""
    table = Table("ideas", "tier", "proposed", "shown", "not shown, and why", box=None, padding=(0, 2, 0, 0))
    for role, tiers in report["ideas"].items():
        for tier, found in tiers.items():
            most = sorted(found["dropped"].items(), key=lambda pair: (-pair[1], pair[0]))
            why = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in most)
            table.add_row(f"{role}s", tier, f"{found['proposed']:,}", f"{found['kept']:,}", why)
    console.print(table)
    queries, shown = sum(report["labels"].values()), sum(report["contents"].values())
    suggested = sum(report["suggestions"].values())
    console.print(f"{shown:,} of {queries:,} queries have something to show; {suggested:,} queries to go on with")
    # A report of before there was any such line stands until the stage is done again.
    for file in report.get("known_pairs", ()):
        _show_pairs(file)


def _show_pairs(file: Mapping[str, Any]) -> None:
    """Print how many rows of a file of complements were rejected, and why."""
    rejected = sum(file["rejected"].values())
    why = ", ".join(f"{reason} {count:,}" for reason, count in file["rejected"].items())
    rows = file["accepted"] + rejected
    console.print(f"{file['file']}: {file['accepted']:,} of {rows:,} rows accepted" + (f"; {why}" if why else ""))
    for one in file["first_rejected"]:
        console.print(f"  line {one['line']}: {one['reason']}", style="dim")
    if more := rejected - len(file["first_rejected"]):
        console.print(f"  and {more:,} more", style="dim")


def show_context(report: Mapping[str, Any]) -> None:
    """Print the tiers, and whose searches were left out."""
    tiers = ", ".join(f"{count:,} {tier}" for tier, count in report["queries"].items())
    console.print(f"{report['searches']:,} searches of shoppers: {tiers} queries")
    console.print(
        f"left out: {report['bot_searches']:,} searches of crawlers (clients: {report['bot_clients']:,}), "
        f"{report['internal_searches']:,} of the shop's own people (clients: {report['internal_clients']:,})",
        style="dim",
    )


def show_plan(plan: Plan) -> None:
    """Print what will be asked and why, before anything is spent."""
    stands = f", {len(plan.carried):,} labels stand" if plan.carried else ""
    why = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in plan.reasons.items())
    console.print(f"{plan.queries:,} queries: {len(plan.ask):,} to ask{f' ({why})' if why else ''}{stands}")
    if plan.standing:
        console.print(
            f"  {len(plan.standing):,} failed before and would again; `querywise label --retry all` asks them once more"
        )


def show_estimate(model: str, found: RunEstimate) -> None:
    """Print tokens and price of what would be asked."""
    console.print(f"{found.requests:,} requests to {model}; {found.in_cache:,} more are answered in the cache")
    counted = f"counted with {found.tokens_in.tokenizer}" if found.tokens_in.tokenizer else "estimated"
    tokens_in = Interval(low=found.tokens_in.low, high=found.tokens_in.high)
    console.print(f"tokens in:  {_between(tokens_in, '{:,.0f}')} ({counted}); of a cached prefix nothing is taken off")
    console.print(f"tokens out: {_between(found.tokens_out, '{:,.0f}')} (estimated)")
    if found.sync is None:
        console.print("price:      unknown; set input and output under [llm.price] in shop.toml")
        return
    batch = f"{_between(found.batch, '${:,.4f}')} as a batch" if found.batch else "of a batch unknown"
    console.print(f"price:      {_between(found.sync, '${:,.4f}')} one at a time, {batch} ({found.price_source})")
    if found.most is not None:
        console.print(f"            at most ${found.most:,.4f}, were every answer as long as it may be", style="dim")


def _between(interval: Interval, form: str) -> str:
    low, high = form.format(interval.low), form.format(interval.high)
    return low if low == high else f"{low} to {high}"


def show_summary(summary: Summary) -> None:
    """Print how the queries of a run ended, which adds up to all of them, and what it took."""
    failed = sum(summary.failed.values())
    parts = [f"{summary.labelled:,} labelled", f"{summary.carried:,} carried over", f"{failed:,} failed"]
    console.print(f"{summary.queries:,} queries: {', '.join(parts)}  (run {summary.run})")
    if summary.dropped:
        dropped = ", ".join(f"{reason.replace('_', ' ')} {count}" for reason, count in summary.dropped.items())
        console.print(f"dropped by the checks: {dropped}", style="dim")
    tally = summary.tally
    if tally.repaired:
        console.print(f"{tally.repaired:,} answers were not of the schema and were mended by the model")
    if tally.completions:
        console.print(f"{tally.completions:,} completions, {tally.from_cache:,} from the cache; {_spent(tally)}")
    if tally.retries:
        retries = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in tally.retries.most_common())
        console.print(f"asked again: {retries}", style="dim")
    if summary.failures:
        table = Table("failed", "queries", "for instance", box=None, padding=(0, 2, 0, 0))
        for kind, count in summary.failed.items():
            first = summary.failures[kind]
            # In the words of provider or model, which may hold what moves a terminal's cursor.
            detail = "".join(char if char.isprintable() else " " for char in f"{first.query}: {first.detail}")
            table.add_row(kind.replace("_", " "), f"{count:,}", detail)
        console.print(table)
        if summary.kept:
            console.print(f"{summary.kept:,} of them keep the label of an earlier run")


def _spent(tally: Tally) -> str:
    cached = f" ({tally.tokens_cached / tally.tokens_in:.0%} cached)" if tally.tokens_in else ""
    tokens = f"{tally.tokens_in:,} tokens in{cached}, {tally.tokens_out:,} out"
    if tally.uncounted:
        tokens += f" (of {tally.uncounted:,} the provider did not say)"
    if tally.unpriced == tally.completions:
        return f"{tokens}, price unknown"
    unknown = f" and the unknown price of {tally.unpriced:,}" if tally.unpriced else ""
    return f"{tokens}, ${tally.price:,.4f}{unknown}"


def show_ledger(spending: Spending) -> None:
    """Print what was spent, by run."""
    if not spending.runs:
        console.print("the ledger is empty: no completion was paid for")
        return
    columns = ("run", "model", "prompt", "completions", "tokens in", "cached", "out", "price", "labels", "each")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for row in (*spending.runs, spending.total):
        table.add_row(
            row.run,
            row.model,
            row.prompt,
            f"{row.completions:,}",
            _known(row.tokens_in, "{:,}"),
            _known(row.tokens_cached, "{:,}"),
            _known(row.tokens_out, "{:,}"),
            _price(row),
            _known(row.labels, "{:,}"),
            _known(row.price_a_label, "${:,.6f}"),
        )
    results.print(table)


def _price(row: SpendingRow) -> str:
    """Return what is known to be spent, and beside it what is not: an estimate is no part of the sum."""
    price = _known(row.price, "${:,.4f}")
    if row.price and row.unpriced:
        price += f" + {row.unpriced:,} unknown"
    if row.unanswered:
        price += f" + {row.unanswered:,} timed out"
    return price + ("" if row.at_most is None else f", at most ${row.at_most:,.4f}")


def _known(value: float | None, form: str) -> str:
    return "unknown" if value is None else form.format(value)


def show_understanding(answer: Understanding) -> None:
    """Print one understanding: the query with its spans coloured, then all else, and where it came from."""
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
    for heading, ideas in (("instead", answer.substitutes), ("with it", answer.complements)):
        if ideas:
            results.print(Text(f"  {heading}: {', '.join(idea.label for idea in ideas)}", style="dim"))
    if answer.next_queries:
        results.print(Text(f"  searched next: {', '.join(answer.next_queries)}", style="dim"))
    results.print(Text(f"  {answer.source}, {answer.reason}, release {answer.release}", style="dim"))


def show_verdict(shipped: Shipped) -> None:
    """Show what the gate said, and of the bounds that do not hold why."""
    console.print(f"gate: {shipped.verdict}", style=_VERDICTS[shipped.verdict])
    if shipped.decision:
        for check in shipped.decision.checks:
            if check.verdict != "PASS":
                console.print(f"  {check.verdict}  {check.name}: {check.reason}")
        for remark in shipped.decision.remarks:
            console.print(f"  {remark}", style="dim")
    if shipped.report:
        console.print(f"  report: {shipped.report}", style="dim")
