"""`run`: from the shop folder to a release."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.table import Table

from domain.label import read_labels
from domain.shop import Shop
from prompts import open_provider
from querywise.label import TierOption, run_labels
from querywise.options import (
    ApiBaseOption,
    JsonOption,
    ModelOption,
    PromptOption,
    ShopArgument,
    WorkOption,
    console,
    model_name,
    shop_at,
    write_json,
)
from querywise.pipeline import (
    label_inputs,
    labels_stand,
    make_context,
    make_index,
    make_ingest,
    make_release,
    mark_labels,
)
from querywise.show import show_context, show_ingest, show_labels

__all__ = ["run"]


def run(
    shop: ShopArgument,
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = "understand",
    tiers: TierOption = "head,torso",
    as_json: JsonOption = False,
) -> None:
    """Ingest, context, index, label, release; then a summary. What has not changed since the last run is kept.

    Exit 1 when a query is left without a label; the release is built of the others.
    """
    started = time.monotonic()
    opened = shop_at(shop, work)
    name = model_name(opened, model)
    open_provider(name, api_base=api_base)
    with _stage("ingest") as tell:
        ingested = make_ingest(opened, tell)
    show_ingest(ingested)
    with _stage("context") as tell:
        context = make_context(opened, tell)
    show_context(context)
    with _stage("index") as tell:
        make_index(opened, tell)
    made = None
    if not labels_stand(opened, inputs := label_inputs(opened, model=name or "", prompt=prompt, tiers=tiers)):
        made = run_labels(opened, model=name, api_base=api_base, prompt=prompt, tiers=tiers)
        show_labels(made)
        if not made.failures:
            mark_labels(opened, inputs)
    with _stage("release"):
        release = make_release(opened)
    failed = made.failed if made else {}
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        write_json({"release": release.name, "path": release, "failed": failed, "seconds": seconds})
    else:
        _summary(opened, shop, release, seconds)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _stage(name: str) -> Iterator[Callable[[str], None]]:
    started = time.monotonic()
    with console.status(name) as status:
        yield lambda step: status.update(f"{name}: {step}")
    console.print(f"{name:<8} {time.monotonic() - started:6.1f} s", style="bold")


def _summary(shop: Shop, folder: Path, release: Path, seconds: float) -> None:
    labels = sorted(read_labels(shop.labels_file), key=lambda label: (-label.searches, label.query))
    console.print()
    table = Table("query", "searches", "what shoppers mean", "rewrites", box=None, padding=(0, 2, 0, 0))
    for label in labels[:12]:
        answer = label.understanding
        meant = "\n".join(f"{' > '.join(c.path[-2:])} {c.confidence:.2f}" for c in answer.categories[:2])
        rewrites = "\n".join(f"{r.query} ({r.type})" for r in answer.rewrites[:2])
        table.add_row(label.query, f"{label.searches:,}", meant or "nothing this shop's tree covers", rewrites)
    console.print(table)
    console.print(f"\nrelease {release.name}: {len(labels):,} queries understood, in {seconds} s")
    console.print(f"  ask it:    querywise understand {folder} {json.dumps(labels[0].query) if labels else 'QUERY'}")
    console.print(f"  serve it:  querywise serve {folder}")
