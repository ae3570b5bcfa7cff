"""`run`: from the shop folder to a release."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from domain.label import Label, read_labels
from domain.shop import Shop
from evals.gate import read_gates
from prompts import open_provider
from querywise.departures import find_departures
from querywise.distill import distill_shop, need_training, settings_before, show_card, student_stands, training_bar
from querywise.gold import gold_of
from querywise.label import BudgetOption, ConcurrencyOption, TierOption, run_labels
from querywise.limits import Limits
from querywise.marks import report_of
from querywise.match import match_shop, match_stands, recipe_before, show_match
from querywise.options import (
    DEFAULT_PROMPT,
    ApiBaseOption,
    JsonOption,
    ModelOption,
    PromptOption,
    ShopArgument,
    TimeoutOption,
    WorkOption,
    console,
    model_name,
    status,
    work_on,
    write_json,
)
from querywise.pipeline import (
    has_ideas,
    label_inputs,
    labels_stand,
    make_content,
    make_context,
    make_index,
    make_ingest,
    mark_labels,
)
from querywise.queries import Addition, QueriesOption, TailOption, read_addition
from querywise.shipping import Shipped, ship
from querywise.show import show_content, show_context, show_ingest, show_summary, show_verdict
from querywise.summary import Summary
from release import current_release

__all__ = ["run"]


def run(
    shop: ShopArgument,
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = DEFAULT_PROMPT,
    tiers: TierOption = "head,torso",
    queries: QueriesOption = None,
    tail: TailOption = None,
    budget: BudgetOption = None,
    concurrency: ConcurrencyOption = 64,
    timeout: TimeoutOption = 120.0,
    student: Annotated[
        bool, typer.Option("--distill/--no-distill", help="Train the student, or take the one that is there, if any.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Go from the shop folder to a release in one command.

    Ingest, context, index, label, distill, content, release, gate; then a summary. What has not changed since the last
    run is kept.

    Exit 1 when a query is left without a label: the release is built of the others, and becomes current only where
    there is none yet. When no query at all is labelled, the labels and releases of before stay as they are. Exit 1 also
    when the gate does not say PASS: the release is built, and current stays as it is.
    """
    started = time.monotonic()
    if student:
        need_training()
    with work_on(shop, work) as opened:
        addition = read_addition(opened, queries, tail)
        name = model_name(opened, model)
        open_provider(name, api_base=api_base)
        read_gates(opened.folder / "gates.toml")  # before any money is spent
        with _stage("ingest") as tell:
            ingested = make_ingest(opened, tell)
        show_ingest(ingested)
        gold_of(opened, None, opened.load_taxonomy())  # before any money is spent
        with _stage("context") as tell:
            context = make_context(opened, tell)
        show_context(context)
        with _stage("index") as tell:
            make_index(opened, tell)
        limits = Limits(concurrency=concurrency, budget=budget)
        made = _label(
            opened,
            model=name,
            api_base=api_base,
            prompt=prompt,
            tiers=tiers,
            addition=addition,
            limits=limits,
            timeout=timeout,
        )
        failed = made.failed if made else {}
        shipped = None
        if made is None or made.labelled or made.carried or not failed:
            if student:
                _distill(opened)
                _match(opened)
            if has_ideas(opened):
                with _stage("content") as tell:
                    content = make_content(opened, tell)
                show_content(content)
            with _stage("release"):
                shipped = ship(opened, whole=not failed)
        current = current_release(opened.releases)
        seconds = round(time.monotonic() - started, 1)
        if as_json:
            release = shipped.folder if shipped else None
            made_of = {"release": release.name if release else None, "path": release, "current": current}
            verdict = {"verdict": shipped.verdict if shipped else None}
            write_json(made_of | verdict | {"failed": failed, "seconds": seconds})
        elif shipped is None:
            console.print(f"nothing was labelled: no release is built, current stays {current or 'none'}")
        else:
            _summary(opened, shipped, current, seconds, f"{shlex.quote(str(shop))}{_work_option(work)}")
    if failed or (shipped and shipped.verdict != "PASS"):
        raise typer.Exit(1)


def _label(
    shop: Shop,
    *,
    model: str | None,
    api_base: str | None,
    prompt: str,
    tiers: str,
    addition: Addition,
    limits: Limits,
    timeout: float,
) -> Summary | None:
    """Label, unless every query was labelled from these inputs already."""
    inputs = label_inputs(shop, model=model or "", prompt=prompt, tiers=tiers, addition=addition)
    if labels_stand(shop, inputs):
        return None
    with _timed("label"):
        made = run_labels(
            shop,
            model=model,
            api_base=api_base,
            prompt=prompt,
            tiers=tiers,
            addition=addition,
            limits=limits,
            timeout=timeout,
        )
    show_summary(made)
    if made.whole:
        mark_labels(shop, inputs, find_departures(shop))
    return made


def _distill(shop: Shop) -> None:
    """Train the student as it was trained before, unless it was trained on all this already."""
    if student_stands(shop):
        return
    from distill.student import NoLessons

    with _timed("distill"), training_bar() as tell:
        try:
            card = distill_shop(shop, settings_before(shop), progress=tell)
        except NoLessons as error:
            console.print(f"no student was trained: {error}")
            return
    show_card(card)


def _match(shop: Shop) -> None:
    """Train the filter of bad matches as it was trained before, where there are verdicts enough, unless it stands."""
    if match_stands(shop) or not shop.student.is_dir():
        return
    from distill.match import NoMatchLessons

    with _timed("match"), training_bar() as tell:
        try:
            card = match_shop(shop, recipe_before(shop), progress=tell)
        except NoMatchLessons as error:
            console.print(f"no filter of bad matches was trained: {error}")
            return
    show_match(card)


@contextmanager
def _stage(name: str) -> Iterator[Callable[[str], None]]:
    with _timed(name), status(name) as tell:
        yield tell


@contextmanager
def _timed(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    console.print(f"{name:<8} {time.monotonic() - started:6.1f} s", style="bold")


def _work_option(work: Path | None) -> str:
    return f" --work {shlex.quote(str(work))}" if work else ""


def _summary(shop: Shop, shipped: Shipped, current: str | None, seconds: float, where: str) -> None:
    labels = sorted(read_labels(shop.labels_file), key=lambda label: (-label.searches, label.query))
    marked: list[str] | None = report_of(shop, "label").get("departures")
    departures = set(find_departures(shop) if marked is None else marked)
    release = shipped.folder.name
    console.print()
    console.print(_table("most searched", labels[:5]))
    if departures:
        console.print()
        console.print(_table("not what the words say", [label for label in labels if label.query in departures]))
    console.print(f"\nrelease {release}: {len(labels):,} queries understood, in {seconds} s")
    show_verdict(shipped)
    if current != release:
        console.print(
            f"  current stays {current or 'none'}; to serve this one: querywise release promote {where} {release}"
        )
        return
    console.print(f"  ask it:    querywise understand {where} {shlex.quote(labels[0].query) if labels else 'QUERY'}")
    console.print(f"  serve it:  querywise serve {where}")


def _table(title: str, labels: list[Label]) -> Table:
    table = Table(title, "searches", "what shoppers mean", "rewrites", box=None, padding=(0, 2, 0, 0))
    for label in labels:
        answer = label.understanding
        meant = "\n".join(f"{' > '.join(c.path[-2:])} {c.confidence:.2f}" for c in answer.categories[:2])
        rewrites = ", ".join(rewrite.query for rewrite in answer.rewrites[:2])
        table.add_row(label.query, f"{label.searches:,}", meant or "nothing this shop's tree covers", rewrites)
    return table
