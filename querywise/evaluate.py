"""`evaluate`: what each way of understanding is worth, on labelled queries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from domain.context import ContextStore
from domain.errors import UserError
from domain.files import replace_atomically
from domain.label import read_labels
from domain.shop import Shop
from domain.understanding import Understander
from evals import EngagementBaseline, ask, by_query, compare, read_gold, to_markdown, write_queries, write_report
from evals.labels import LabelledQueries
from evals.report import Report
from querywise.labels import labels_file
from querywise.options import JsonOption, ShopArgument, WorkOption, console, shop_at
from release import current_release, open_release, open_retriever

__all__ = ["evaluate", "measure"]


def evaluate(
    shop: ShopArgument,
    work: WorkOption = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="Labelled queries; the shop's gold unless given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure every way of understanding on labelled queries.

    These are the engagement baseline, the model without context and with it, and the current release, as far as there
    are labels of each. The report is kept in the work folder under reports.
    """
    opened = shop_at(shop, work)
    report = measure(opened, gold)
    if as_json:
        sys.stdout.write((opened.reports / "quality.json").read_text())
    else:
        sys.stdout.write(to_markdown(report, title=opened.config.name))
        console.print(f"per query, worst first: {opened.reports / 'queries.jsonl'}", style="dim")


def measure(shop: Shop, gold: Path | None) -> Report:
    """Measure every system that the shop has, and keep the report and a line per query.

    Raises:
        UserError: when there is no gold, or no system besides the baseline.
    """
    files = (gold,) if gold else shop.files("gold")
    if not files:
        raise UserError("there are no labelled queries", hint="put gold.jsonl into the shop folder, or pass --gold")
    taxonomy = shop.load_taxonomy()
    contexts = ContextStore(shop.context_file)
    systems: dict[str, Understander] = {"engagement": EngagementBaseline(contexts, taxonomy)}
    made = {"shop": shop.config.name}
    for name, with_context in (("LLM without context", False), ("LLM with context", True)):
        path = labels_file(shop, with_context=with_context)
        if path.is_file():
            labels = list(read_labels(path))
            systems[name] = LabelledQueries(labels)
            ways = {(label.provenance.model, label.provenance.prompt) for label in labels}
            made[name] = "; ".join(f"{model}, {prompt}" for model, prompt in sorted(ways))
    if current := current_release(shop.releases):
        systems["release"] = open_release(shop.releases / current, load_retriever=open_retriever)
        made["release"] = current
    answers = ask(systems, cases := read_gold(files[0], taxonomy))
    tiers = contexts.tiers()
    report = compare(answers, cases, taxonomy, tiers=tiers, made=made)
    shop.reports.mkdir(parents=True, exist_ok=True)
    write_report(shop.reports / "quality.json", report)
    write_queries(
        shop.reports / "queries.jsonl", by_query(answers, cases, taxonomy, tiers=tiers, worst_of=list(systems)[-1])
    )
    with replace_atomically(shop.reports / "quality.md") as file:
        file.write(to_markdown(report, title=shop.config.name).encode())
    return report
