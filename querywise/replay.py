"""`evaluate --replay`: what the shop's answers would do in a search, and which of them not to serve."""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from domain.catalogue import Product
from domain.context import ContextStore
from domain.errors import UserError
from domain.files import replace_atomically
from domain.judgements import Judgement, RejectedJudgement, read_judgements
from domain.label import read_labels
from domain.privacy import region_of
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from domain.understanding import Understander, Understanding
from domain.withheld import Withheld, add_withheld, read_withheld, withheld_file, withhold
from evals import EngagementBaseline
from evals.labels import LabelledQueries
from evals.replay import (
    HarmedQuery,
    Oracle,
    PartHarm,
    ProductSearch,
    Replay,
    Suspect,
    Way,
    judged_queries,
    replay,
    to_markdown,
    unjudged_pairs,
    write_replay,
)
from querywise.gold import gold_of
from querywise.labels import labels_file
from querywise.stand_in import stand_in_of
from release import Release, current_release, open_release, open_retriever

__all__ = ["StudentAlone", "Withholding", "replay_shop", "show_replay", "write_withheld"]


@dataclass(frozen=True, kw_only=True)
class Withholding:
    """What was put on the list, and how long the list is now."""

    path: Path
    added: tuple[Withheld, ...]
    total: int


@dataclass(frozen=True)
class StudentAlone:
    """An `Understander` that has the release's student answer every query, those with a precomputed answer too."""

    release: Release

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query, in order."""
        return self.release.understand_unseen(queries)


@dataclass(frozen=True, kw_only=True)
class _Judgements:
    judgements: tuple[Judgement, ...]
    about: str


def replay_shop(
    shop: Shop,
    *,
    gold: Path | None = None,
    further: Mapping[str, Understander] | None = None,
    way: Way = "boost+expand",
    judged: bool = False,
    draws: int = 1000,
    seed: int = 0,
) -> Replay:
    """Replay every way of understanding that the shop has, and keep the result and what to judge under reports.

    Harm is looked for in what the next release would serve: the labels without what is withheld already, or the
    current release where there are no labels.

    Args:
        shop: The shop, ingested and with contexts.
        gold: Labelled queries for the oracle; the shop's own unless given, and without any there is no oracle.
        further: More systems, by name.
        way: How the answers whose harm is looked for are used.
        judged: Let the shop's judge of relevance grade what no person rated, if it agrees with people well enough.
        draws: Resamples of the queries for the intervals.
        seed: Seed of the resamples.

    Raises:
        UserError: there are no judgements, nothing to replay, no judge that may stand in for people, or a library is
            not installed.
        StageMissing: the shop was not ingested.
    """
    taxonomy, products = shop.load_taxonomy(), _products(shop)
    product_ids = frozenset(product.product_id for product in products)
    found = _judgements(shop, product_ids)
    stand_in = stand_in_of(shop, product_ids) if judged else None
    contexts = ContextStore(shop.context_file)
    made = {"shop": shop.config.name, "judgements": found.about}
    systems: dict[str, Understander] = {"engagement": EngagementBaseline(contexts, taxonomy)}
    for name, with_context in (("LLM without context", False), ("LLM with context", True)):
        if (path := labels_file(shop, with_context=with_context)).is_file():
            systems[name] = LabelledQueries(read_labels(path))
    if current := current_release(shop.releases):
        release = open_release(shop.releases / current, load_retriever=open_retriever)
        systems["release"] = release
        if release.has_student:
            systems["student"] = StudentAlone(release)
        made["release"] = current
    systems |= further or {}
    withheld = read_withheld(withheld_file(shop.work))
    if shop.labels_file.is_file():
        made["labels"] = _labels_id(shop)
        suspect = LabelledQueries(withhold(read_labels(shop.labels_file), withheld))
        suspected = Suspect(
            name="the labels, less what is withheld" if withheld else "the labels", system=suspect, way=way
        )
    elif "release" in systems:
        suspected = Suspect(name=f"release {current}", system=systems["release"], way=way)
    else:
        raise UserError("there is nothing to replay", hint=f"run `querywise label {shop.folder}` first")
    oracle = _oracle(shop, gold, taxonomy)
    searches = {
        query: context.searches
        for query in {judgement.query for judgement in found.judgements}
        if (context := contexts.get(query))
    }
    result = replay(
        judged_queries(found.judgements, searches, grades=stand_in.grades if stand_in else ()),
        systems,
        ProductSearch.build(products, taxonomy, locale=shop.config.locale),
        suspect=suspected,
        oracle=oracle,
        labelled=oracle.queries if oracle else frozenset(),
        titles={product.product_id: product.title for product in products},
        made=made,
        agreement=stand_in.agreement if stand_in else None,
        draws=draws,
        seed=seed,
    )
    write_replay(shop.reports / "replay.json", result)
    with replace_atomically(shop.reports / "replay.md") as file:
        file.write(to_markdown(result, harmed=len(result.harmed)).encode())
    _write_pairs(shop.reports / "replay-to-judge.csv", result)
    return result


def show_replay(found: Replay, *, harmed: int = 10) -> None:
    """Print a replay as Markdown on standard output, `harmed` of the harmed queries with both lists."""
    sys.stdout.write(to_markdown(found, harmed=harmed))


def write_withheld(shop: Shop, found: Replay, *, today: datetime.date) -> Withholding:
    """Put what a replay found to do harm on the list that the next release obeys.

    Raises:
        UserError: the list that is there is malformed.
    """
    origin = f"labels {found.made['labels']}" if "labels" in found.made else found.harm_of
    added = tuple(
        _withheld(query, part, found, origin, today)
        for query in found.harmed
        for part in query.parts
        if part.verdict == "withhold"
    )
    path = withheld_file(shop.work)
    total = add_withheld(path, added) if added else read_withheld(path)
    return Withholding(path=path, added=added, total=len(total))


def _withheld(query: HarmedQuery, part: PartHarm, found: Replay, origin: str, today: datetime.date) -> Withheld:
    graded = any(listed.by_judge for listed in (*query.list_before, *query.list_after))
    judge = f"; a judge graded {found.made['judge']}" if graded else ""
    return Withheld(
        query=query.query,
        part=part.part,
        reason=f"loses nDCG@10 used as {found.harm_way}, at least {part.sure_loss:.3f} however the unjudged are rated"
        + judge,
        loss=round(part.loss, 4),
        before=round(query.before, 4),
        after=round(part.after, 4),
        searches=query.searches,
        origin=origin,
        date=today,
    )


def _write_pairs(path: Path, found: Replay) -> None:
    """Write what has to be judged to settle the losses that are not sure, as judgements without a rating."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(("query", "product_id", "rating", "rater"))
    table.writerows((pair.query, pair.product_id, "", "") for pair in unjudged_pairs(found))
    with replace_atomically(path) as file:
        file.write(text.getvalue().encode())


def _products(shop: Shop) -> list[Product]:
    return [Product(**row) for row in pl.read_parquet(shop.need_products()).iter_rows(named=True)]


def _judgements(shop: Shop, product_ids: frozenset[str]) -> _Judgements:
    files = shop.files("judgements")
    if not files:
        raise UserError("there are no judged lists", hint="put judgements.csv into the shop folder")
    flaws: Counter[str] = Counter()

    def reject(rejected: RejectedJudgement) -> None:
        flaws[rejected.flaw] += 1

    columns, region = shop.config.columns.get("judgements"), region_of(shop.config.locale)
    read = (read_judgements(path, product_ids, columns=columns, region=region, reject=reject) for path in files)
    judgements = tuple(judgement for some in read for judgement in some)
    left_out = f", left out: {', '.join(f'{flaw} {count}' for flaw, count in flaws.items())}" if flaws else ""
    about = f"{', '.join(map(shop.display, files))} (sha256 {_digest(files)}), {len(judgements)} ratings{left_out}"
    return _Judgements(judgements=judgements, about=about)


def _oracle(shop: Shop, gold: Path | None, taxonomy: Taxonomy) -> Oracle | None:
    found = gold_of(shop, gold, taxonomy)
    return Oracle(found.cases, taxonomy) if found else None


def _labels_id(shop: Shop) -> str:
    return _digest((shop.labels_file,))


def _digest(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()[:12]
