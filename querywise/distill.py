"""`distill`: the student that answers the tail."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer
from rich.progress import TaskID
from rich.table import Table

from domain.context import ContextStore
from domain.errors import StageMissing, UserError
from domain.label import label_adapter, read_labels
from domain.shop import Shop
from querywise.gold import gold_columns, gold_files, gold_of
from querywise.marks import begin, digest, done, inputs_of, is_done
from querywise.options import (
    JsonOption,
    ShopArgument,
    WorkOption,
    console,
    progress_bar,
    work_on,
    write_json,
)
from querywise.pipeline import context_fingerprint
from release.student.model import SCHEMA as STUDENT_SCHEMA
from release.student.tagger import SCHEMA as TAGGER_SCHEMA

if TYPE_CHECKING:
    from distill.card import Card
    from distill.split import Lessons
    from distill.student import Progress, Settings

__all__ = [
    "distill",
    "distill_shop",
    "lessons_of",
    "need_training",
    "settings_before",
    "show_card",
    "student_stands",
    "training_bar",
]


def distill(
    shop: ShopArgument,
    work: WorkOption = None,
    gold: Annotated[
        Path | None, typer.Option(help="Labels of people, to be kept out; the shop's gold unless given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    folds: Annotated[
        int,
        typer.Option(
            min=0, max=20, help="2 to 20 parts of the labels, each held out once to calibrate; 0: a fixed part."
        ),
    ] = 5,
    target: Annotated[float, typer.Option(min=0.5, max=0.99, help="Precision to keep where it answers.")] = 0.9,
    max_flips: Annotated[float, typer.Option(min=0, max=1, help="Share of answers that int8 may change.")] = 0.02,
    cuda: Annotated[bool, typer.Option("--cuda", help="Also export fp16 for CUDA.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train, calibrate and export the student. The next release that is built answers the tail with it."""
    with work_on(shop, work) as opened:
        need_training()
        from distill.student import Settings

        settings = Settings(seed=seed, folds=folds, target=target, most_flips=max_flips, cuda=cuda)
        with training_bar() as tell:
            card = distill_shop(opened, settings, gold=gold, progress=tell)
        if as_json:
            write_json(asdict(card))
        else:
            show_card(card)
            console.print(f"card: {opened.student / 'card.md'}", style="dim")


def need_training() -> None:
    """Refuse to go on where what training needs is not installed.

    Raises:
        UserError: naming what is missing.
    """
    for name in ("torch", "onnx", "scipy", "transformers"):
        if find_spec(name) is None:
            raise UserError(
                f"training the student needs {name}",
                hint="pip install 'querywise[distill]', or leave it out: `querywise run --no-distill`",
            )


@contextmanager
def training_bar() -> Iterator[Progress]:
    """Show a bar for each part of a training."""
    with progress_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def tell(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = bar.add_task(part, total=total)
            bar.update(tasks[part], completed=done)

        yield tell


def student_stands(shop: Shop) -> bool:
    """Whether the student was trained on what the shop now has."""
    return is_done(shop, "distill", _inputs(shop, None)) and shop.student.is_dir()


def _inputs(shop: Shop, gold: Path | None) -> str:
    """Return the digest of all that decides the student, its settings aside."""
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in gold_files(shop, gold)]
    people = [*contents, *gold_columns(shop, gold).items()]
    formats = f"student {STUDENT_SCHEMA} tagger {TAGGER_SCHEMA}"
    return digest(_taught(shop.labels_file), *people, context_fingerprint(shop), inputs_of(shop, "index"), formats)


def _taught(labels: Path) -> str:
    """Return the digest of what a student learns of labels: ideas of what to show beside an answer are none of it."""
    found = hashlib.sha256()
    for label in read_labels(labels) if labels.is_file() else ():
        found.update(label_adapter.dump_json(label, exclude={"ideas"}))
    return found.hexdigest()


def distill_shop(
    shop: Shop, settings: Settings | None = None, *, gold: Path | None = None, progress: Progress | None = None
) -> Card:
    """Train a student on what a shop has, and leave it in the work folder.

    Args:
        shop: The shop.
        settings: How it is trained.
        gold: Labels of people that are kept out, in the place of the shop's own.
        progress: Told how far each part has come.

    Raises:
        StageMissing: when there are no labels, no contexts or no index, or when they are of an earlier tree.
    """
    from distill.student import distil

    lessons = lessons_of(shop, gold)
    tokenizer = shop.index / "tokenizer.json"
    if not tokenizer.is_file():
        raise StageMissing("there is no retrieval index", hint=f"run `querywise index {shop.folder}` first")
    begin(shop, "distill")
    for unfinished in shop.work.glob(f".{shop.student.name}.*.tmp"):
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    card = distil(lessons, shop.student, tokenizer, settings=settings, progress=progress)
    done(shop, "distill", _inputs(shop, gold), {})
    return card


def settings_before(shop: Shop) -> Settings | None:
    """Return how the student that is there was trained; None where there is none, or none that says so."""
    from distill.card import read_card
    from distill.student import Settings

    card = read_card(shop.student)
    if card is None:
        return None
    folds = card.folds if card.folds != 1 else Settings.folds  # which was allowed once, and left nothing to learn from
    return Settings(seed=card.seed, folds=folds, target=card.target, most_flips=card.most_flips, cuda=card.cuda)


def lessons_of(shop: Shop, gold: Path | None) -> Lessons:
    """Return all that a student of a shop may learn from, and the queries of the gold, which it must not.

    Args:
        shop: The shop.
        gold: Labels of people in the place of the shop's own.

    Raises:
        StageMissing: when there are no labels, no contexts or no catalogue, or when labels or contexts are of a tree
            that had other categories.
        UserError: when the gold cannot be read.
    """
    from distill.corpus import read_sold
    from distill.split import Lessons

    if not shop.labels_file.is_file():
        raise StageMissing("there are no labels", hint=f"run `querywise label {shop.folder}` first")
    taxonomy = shop.load_taxonomy()
    contexts = list(ContextStore(shop.context_file).of_tiers("head", "torso", "tail"))
    labels = list(read_labels(shop.labels_file))
    named = chain(
        (category.id for label in labels for category in label.understanding.categories),
        (category.category_id for context in contexts for category in context.categories),
    )
    if gone := next((category_id for category_id in named if category_id not in taxonomy), None):
        raise StageMissing(
            f"labels or contexts are of an earlier tree: the category {gone!r} is gone",
            hint=f"run `querywise context {shop.folder}` and `querywise label {shop.folder}` again",
        )
    people = gold_of(shop, gold, taxonomy)
    return Lessons(
        taxonomy=taxonomy,
        locale=shop.config.locale,
        sold=read_sold(shop.need_products()),
        brands=_brands(shop),
        contexts=contexts,
        labels=labels,
        gold=[case.query for case in people.cases] if people else [],
    )


def _brands(shop: Shop) -> list[str]:
    brands = pl.read_parquet(shop.need_products(), columns=["brand"])["brand"]
    return [brand for brand in brands.drop_nulls() if brand]


def show_card(card: Card) -> None:
    """Print what a student is worth."""
    if card.curve:
        rising = "  ".join(f"{point.top1:.2f}" for point in card.curve)
        console.print(f"right first category, held out, every {card.curve[0].step} steps:  {rising}")
    table = Table("tier", "queries", "top-1", "answered", "precision", "backed off", "precision", box=None)
    for score in card.tiers:
        shares = (score.top1, score.covered, score.precision, score.backed_off, score.ancestor_precision)
        table.add_row(score.tier, f"{score.queries:,}", *(f"{share:.3f}" for share in shares))
    console.print(table)
    for parity in card.parity:
        console.print(f"{parity.precision}: {parity.flips:.2%} of {parity.texts:,} get another category")
    if card.tagger and card.tagger.agreement:
        agreed = card.tagger.agreement
        console.print(f"spans: F1 {agreed.exact:.3f} exact, {agreed.overlap:.3f} overlapping, on {agreed.queries:,}")
