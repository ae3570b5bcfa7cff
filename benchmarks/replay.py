"""What answers are worth in a search: nDCG@10 with and without them, on judged lists.

    python -m benchmarks.replay [--shop FOLDER] [--work FOLDER]     after `python -m benchmarks.quality`

Needs the replay extra, and the electronics shop with its judgements, which is data that is not part of the repository.
Prints Markdown: harm first, the tables, then what the search itself takes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import polars as pl

from domain.catalogue import Product
from domain.context import ContextStore
from domain.errors import UserError
from domain.judgements import read_judgements
from domain.label import read_labels
from domain.shop import Shop, open_shop
from domain.understanding import Understander
from evals import EngagementBaseline, read_gold
from evals.labels import LabelledQueries
from evals.replay import Oracle, ProductSearch, Replay, Suspect, Way, clauses_of, judged_queries, replay, to_markdown
from querywise.replay import StudentAlone
from release import current_release, open_release, open_retriever

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shop", type=Path, default=ROOT.parent / "shared" / "data" / "electronics")
    parser.add_argument("--work", type=Path, default=ROOT / ".querywise" / "quality-electronics")
    options = parser.parse_args()
    try:
        shop = open_shop(options.shop, work=options.work)
        products = load_products(shop)
        started = time.perf_counter()
        search = ProductSearch.build(products, shop.load_taxonomy(), locale=shop.config.locale)
        built = time.perf_counter() - started
        found = run(shop, products, search)
    except UserError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")
    sys.stdout.write(f"{to_markdown(found)}\n{speed(search, built, products, shop)}\n")


def load_products(shop: Shop) -> list[Product]:
    return [Product(**row) for row in pl.read_parquet(shop.warehouse / "products.parquet").iter_rows(named=True)]


def run(shop: Shop, products: list[Product], search: ProductSearch) -> Replay:
    """Replay engagement, both kinds of labels, the current release, and the gold."""
    taxonomy, contexts = shop.load_taxonomy(), ContextStore(shop.context_file)
    labels = LabelledQueries(read_labels(shop.labels_file))
    systems: dict[str, Understander] = {
        "engagement": EngagementBaseline(contexts, taxonomy),
        "LLM without context": LabelledQueries(read_labels(shop.bare_labels_file)),
        "LLM with context": labels,
    }
    if current := current_release(shop.releases):
        release = open_release(shop.releases / current, load_retriever=open_retriever)
        systems["release"] = release
        if release.has_student:
            systems["student"] = StudentAlone(release)
    ids = frozenset(product.product_id for product in products)
    judgements = [judgement for path in shop.need("judgements") for judgement in read_judgements(path, ids)]
    searches = {one.query: found.searches for one in judgements if (found := contexts.get(one.query))}
    oracle = Oracle(read_gold(shop.need("gold"), taxonomy).cases, taxonomy)
    return replay(
        judged_queries(judgements, searches),
        systems,
        search,
        suspect=Suspect(name="LLM with context", system=labels),
        oracle=oracle,
        labelled=oracle.queries,
        titles={product.product_id: product.title for product in products},
        made={"shop": shop.config.name, "release": current or "none"},
    )


def speed(search: ProductSearch, built: float, products: list[Product], shop: Shop) -> str:
    """Time a thousand hits for every labelled query, plain and with its answer."""
    answers = [label.understanding for label in read_labels(shop.labels_file)]
    lines = ["## Speed", "", f"{len(products):,} products indexed in {built:.1f} s.", ""]
    ways: dict[str, Way | None] = {"plain": None, "boost+expand": "boost+expand"}
    for name, way in ways.items():
        asked = [clauses_of(answer, way, factor=10.0) for answer in answers]
        started = time.perf_counter()
        for clauses in asked:
            search.search(clauses, limit=1000)
        each = (time.perf_counter() - started) / len(asked)
        lines.append(f"- {name}: {each * 1000:.1f} ms a search of 1,000 hits, {len(asked)} queries")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
