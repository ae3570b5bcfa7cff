"""`match`: the filter of bad matches, from pairs for a judge to a model beside the student."""

from __future__ import annotations

import csv
import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from domain.context import ContextStore
from domain.errors import StageMissing
from domain.files import replace_atomically
from domain.judgements import Pair, read_judgements
from domain.label import read_labels
from domain.shop import Shop
from querywise.distill import need_training, training_bar
from querywise.judges import VerdictFile, verdict_files
from querywise.marks import digest, done, is_done, report_of
from querywise.options import JsonOption, ShopArgument, WorkOption, console, work_on, write_json
from querywise.pipeline import require_index
from release.match import digest_of, is_there
from release.student.model import MODEL as STUDENT_MODEL

if TYPE_CHECKING:
    from distill.match import MatchCard
    from distill.match_lessons import MatchLessons, Sale
    from distill.match_network import MatchRecipe
    from distill.match_pairs import Asked
    from distill.student import Progress

__all__ = ["app", "match_lessons_of", "match_pairs", "match_shop", "match_stands", "recipe_before", "show_match"]

app = typer.Typer(no_args_is_help=True, help="The filter that takes bad matches out of discovery content and rewrites.")


@app.command("pairs")
def pairs(
    shop: ShopArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="The CSV file to write.")],
    work: WorkOption = None,
    queries: Annotated[int, typer.Option(min=1, help="Queries to ask about, with ten products each.")] = 240,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Choose pairs of query and product for a judge: `querywise judge SHOP --task relevance --pairs FILE`.

    No query is one that people judged, or nearly one: the filter is measured on those.
    """
    with work_on(shop, work) as opened:
        need_training()
        chosen = match_pairs(opened, queries=queries, seed=seed)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["query", "product_id"])
    writer.writerows((pair.query, pair.product_id) for pair in chosen)
    with replace_atomically(output) as file:
        file.write(text.getvalue().encode())
    asked = len({pair.query for pair in chosen})
    if as_json:
        write_json({"queries": asked, "pairs": len(chosen), "output": output})
    else:
        console.print(f"{len(chosen):,} pairs of {asked:,} queries written to {output}")


@app.command("train")
def train(
    shop: ShopArgument,
    work: WorkOption = None,
    cost: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the good that it may take out.")] = 0.1,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train the filter on the kept verdicts of relevance. The next release that is built has it beside its student."""
    with work_on(shop, work) as opened:
        need_training()
        from distill.match_network import MatchRecipe

        with training_bar() as tell:
            card = match_shop(opened, MatchRecipe(cost=cost, seed=seed), progress=tell)
    if as_json:
        write_json(asdict(card))
    else:
        show_match(card)


def match_pairs(shop: Shop, *, queries: int = 240, seed: int = 0) -> list[Pair]:
    """Return pairs of a shop that are worth judging.

    Args:
        shop: The shop.
        queries: How many queries to ask about.
        seed: Of everything that is drawn.

    Raises:
        StageMissing: when there is no context, no index of this catalogue, or no product in it.
    """
    from distill.clusters import Clusters
    from distill.match_pairs import Assortment, choose_pairs, choose_queries, tiers_of

    require_index(shop)
    assortment = Assortment.of(shop)
    asked, people = _asked(shop), _judged_by_people(shop)
    clusters = Clusters(chain((one.query for one in asked), people), assortment.index.stems)
    rng = random.Random(seed)
    chosen = choose_queries(asked, assortment, clusters, people, tiers=tiers_of(queries), rng=rng)
    return list(choose_pairs(chosen, assortment, rng=rng))


def match_shop(shop: Shop, recipe: MatchRecipe | None = None, *, progress: Progress | None = None) -> MatchCard:
    """Train a filter on what a shop's judges said, and leave it beside the student.

    Raises:
        StageMissing: when there is no student or no catalogue.
        NoMatchLessons: when there are too few verdicts.
        UserError: when a file of verdicts or judgements cannot be used.
    """
    from distill.match import distil_match
    from distill.match_lessons import lexicon_of
    from distill.match_network import MatchRecipe

    recipe = recipe or MatchRecipe()
    if not (shop.student / STUDENT_MODEL).is_file():
        raise StageMissing("there is no student", hint=f"run `querywise distill {shop.folder}` first")
    inputs = _inputs(shop)
    sales = _sales(shop)
    card = distil_match(
        match_lessons_of(shop, sales),
        shop.student,
        shop.load_taxonomy(),
        lexicon_of(sales.values()),
        recipe=recipe,
        progress=progress or (lambda *_: None),
    )
    done(shop, "match", inputs, {"cost": recipe.cost, "seed": recipe.seed})
    return card


def recipe_before(shop: Shop) -> MatchRecipe:
    """Return how the last filter was trained, that of an earlier student too; the defaults where there was none."""
    from distill.match_network import MatchRecipe

    return MatchRecipe(**report_of(shop, "match"))


def match_lessons_of(shop: Shop, sales: Mapping[str, Sale]) -> MatchLessons:
    """Return what the kept verdicts of a shop's judges teach, apart from the queries that people judged."""
    from distill.match import FOLDS
    from distill.match_lessons import match_lessons

    verdicts = chain.from_iterable(file.verdicts for file in _files(shop))
    return match_lessons(verdicts, sales, _judged_by_people(shop), locale=shop.config.locale, folds=FOLDS)


def match_stands(shop: Shop) -> bool:
    """Whether the filter was trained on what the shop now has; also where there is no verdict to train one on."""
    if not any(file.first for file in _files(shop)):
        return True
    return is_there(shop.student) and is_done(shop, "match", _inputs(shop))


def show_match(card: MatchCard) -> None:
    """Print what a filter is worth by the judge, on queries that it has not seen."""
    console.print(
        f"{card.good:,} good and {card.bad:,} bad matches of {card.queries:,} queries; left out: {card.between:,} "
        f"between, {card.disputed:,} disputed, {card.unscored:,} unscored, {card.judged_by_people:,} that people judged"
    )
    for name, bounds in (("held out", card.held), ("the same without a category", card.without_category)):
        area = "-" if bounds.auroc is None else f"{bounds.auroc:.3f}"
        console.print(
            f"{name}: AUROC {area}; from {card.threshold:.3f} on, {bounds.precision:.1%} of what is kept is good, "
            f"{bounds.removed:.1%} of the bad and {bounds.cost:.1%} of the good are taken out"
        )


def _asked(shop: Shop) -> list[Asked]:
    """Return the queries of the log and of the labels, with the first category of their label."""
    from distill.match_pairs import Asked

    labels = list(read_labels(shop.labels_file)) if shop.labels_file.is_file() else []
    means = {label.query: label.understanding.categories[0].id for label in labels if label.understanding.categories}
    contexts = ContextStore(shop.context_file).of_tiers("head", "torso", "tail")
    tiers = {label.query: label.tier for label in labels} | {context.query: context.tier for context in contexts}
    return [Asked(query=query, tier=tier, category_id=means.get(query)) for query, tier in tiers.items()]


def _judged_by_people(shop: Shop) -> set[str]:
    known = frozenset(_products(shop, "product_id")["product_id"])
    columns = shop.config.columns.get("judgements")
    judged = (read_judgements(path, known, columns=columns) for path in shop.files("judgements"))
    return {judgement.query for judgement in chain.from_iterable(judged)}


def _sales(shop: Shop) -> dict[str, Sale]:
    from distill.match_lessons import Sale

    columns = ("product_id", "title", "category_id", "brand")
    rows = _products(shop, *columns).iter_rows()
    return {
        product_id: Sale(title=title, category_id=category, brand=brand) for product_id, title, category, brand in rows
    }


def _products(shop: Shop, *columns: str) -> pl.DataFrame:
    return pl.read_parquet(shop.need_products(), columns=list(columns))


def _files(shop: Shop) -> Sequence[VerdictFile]:
    return [file for file in verdict_files(shop, "relevance") if not file.perturbation]


def _inputs(shop: Shop) -> str:
    """Return the digest of all that decides the filter, its settings aside."""
    files = [*(file.path for file in _files(shop)), *shop.files("judgements"), shop.warehouse / "products.parquet"]
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()]
    return digest(*contents, digest_of(shop.student / STUDENT_MODEL))
