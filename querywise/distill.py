"""`distill`: the student that answers the tail."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from domain.context import ContextStore
from domain.errors import StageMissing, UserError
from domain.label import read_labels
from domain.shop import Shop
from evals import read_gold
from querywise.options import (
    JsonOption,
    ShopArgument,
    WorkOption,
    console,
    progress_bar,
    work_on,
    write_json,
)

if TYPE_CHECKING:
    from distill.card import Card
    from distill.student import Progress, Settings

__all__ = ["distill", "distill_shop"]


def distill(
    shop: ShopArgument,
    work: WorkOption = None,
    gold: Annotated[Path | None, typer.Option(help="Labels of people, to be kept out; gold.jsonl of the shop.")] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    tune: Annotated[int, typer.Option(min=0, help="Batches to tune the sentence encoder for before it teaches.")] = 200,
    target: Annotated[float, typer.Option(min=0.5, max=0.99, help="Precision to keep where it answers.")] = 0.9,
    max_flips: Annotated[float, typer.Option(min=0, max=1, help="Share of answers that int8 may change.")] = 0.02,
    cuda: Annotated[bool, typer.Option("--cuda", help="Also export fp16 for CUDA.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train, calibrate and export the student. The next release that is built answers the tail with it."""
    with work_on(shop, work) as opened:
        try:
            from distill.student import Settings
        except ImportError as error:
            raise UserError(f"training needs {error.name}", hint="pip install 'querywise[distill]'") from error
        settings = Settings(seed=seed, assistant=tune, target=target, most_flips=max_flips, cuda=cuda)
        with progress_bar() as bar:
            tasks = {}

            def tell(part: str, done: int, total: int) -> None:
                if part not in tasks:
                    tasks[part] = bar.add_task(part, total=total)
                bar.update(tasks[part], completed=done)

            card = distill_shop(opened, settings, gold=gold, progress=tell)
        if as_json:
            write_json(asdict(card))
        else:
            _show(card)
            console.print(f"card: {opened.student / 'card.md'}", style="dim")


def distill_shop(shop: Shop, settings: Settings, *, gold: Path | None = None, progress: Progress | None = None) -> Card:
    """Train a student on what a shop has, and leave it in the work folder.

    Raises:
        StageMissing: when there are no labels, no contexts or no index.
    """
    from distill.corpus import read_sold
    from distill.split import Lessons
    from distill.student import distil

    if not shop.labels_file.is_file():
        raise StageMissing("there are no labels", hint=f"run `querywise label {shop.folder}` first")
    tokenizer = shop.index / "tokenizer.json"
    if not tokenizer.is_file():
        raise StageMissing("there is no retrieval index", hint=f"run `querywise index {shop.folder}` first")
    taxonomy = shop.load_taxonomy()
    kept_out = gold or next(iter(shop.files("gold")), None)
    lessons = Lessons(
        taxonomy=taxonomy,
        locale=shop.config.locale,
        sold=read_sold(shop.warehouse / "products.parquet"),
        contexts=list(ContextStore(shop.context_file).of_tiers("head", "torso", "tail")),
        labels=list(read_labels(shop.labels_file)),
        gold=[case.query for case in read_gold(kept_out, taxonomy).cases] if kept_out else [],
    )
    return distil(lessons, shop.student, tokenizer, settings=settings, progress=progress)


def _show(card: Card) -> None:
    table = Table("tier", "queries", "top-1", "answered", "precision", "backed off", "precision", box=None)
    for score in card.tiers:
        shares = (score.top1, score.covered, score.precision, score.backed_off, score.ancestor_precision)
        table.add_row(score.tier, f"{score.queries:,}", *(f"{share:.3f}" for share in shares))
    console.print(table)
    for parity in card.parity:
        console.print(f"{parity.precision}: {parity.flips:.2%} of {parity.texts:,} get another category")
    console.print(f"trained in {card.seconds} s")
