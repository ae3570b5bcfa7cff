"""Whether complements of an LLM are bought together: against the real baskets of grocery shoppers.

    python -m benchmarks.baskets --data FOLDER [--export FILE] [--recording FILE] [--write docs/discovered.md]

The folder holds `hierarchy.csv` and `lift_product_category.csv` of the Complete Journey data (84.51, CC0). Its product
types are the products of a shop without a log, its product categories the queries; complements by `discover@1` are
grounded as in any shop, and the category in which one lies is looked up among the pairs. Prints Markdown; `--write`
puts it into the page. With `--export` it writes the requests as a batch file, and measures nothing.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import polars as pl

from benchmarks.discovered.page import put
from distill.encoder import export_encoder
from domain.discovery.ground import Grounded, Grounder
from domain.discovery.shelf import Shelf
from domain.errors import QuerywiseError
from domain.retrieval import IndexedProduct, RetrievalIndex, build_index
from domain.taxonomy import Node, Taxonomy
from domain.text import normalise
from evals.cells import interval, table
from evals.estimates import Ratio, bootstrap
from prompts import Teacher, load_prompt
from prompts.answer import Answer, read_completion
from prompts.batch import export_batch
from prompts.ideas import check_ideas
from prompts.recording import Recorded
from prompts.teacher import Catalogue

PROMPT: Final = "discover@1"
QUERIES: Final = 80
BASKETS: Final = 16_026
LEAST_BASKETS: Final = 4
"""Pairs seen in fewer are not in the file: of those it is only known how often they were seen at most."""

EXPECTED: Final = 4.0
"""Baskets that chance would have both in, below which nothing is said of a pair: the counts are small."""
RANDOM: Final = 50
"""Random partners of each category."""


@dataclass(frozen=True, kw_only=True)
class Baskets:
    """The shop made of the hierarchy: its tree and products, what is bought, and which categories are asked about."""

    taxonomy: Taxonomy
    products: tuple[IndexedProduct, ...]
    asked: tuple[str, ...]
    bought: Mapping[str, int]
    together: Mapping[frozenset[str], int]

    def lift(self, one: str, other: str) -> float | None:
        """Return how often two categories are in one basket over how often chance has it; None where that is unsure.

        A pair that is not in the file was seen in `LEAST_BASKETS` - 1 baskets at most, and counts as seen in so many.
        """
        expected = self.bought.get(one, 0) * self.bought.get(other, 0) / BASKETS
        if one == other or expected < EXPECTED:
            return None
        return self.together.get(frozenset((one, other)), LEAST_BASKETS - 1) / expected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--export", type=Path)
    parser.add_argument("--model", default="claude", help="asked by the exported requests")
    parser.add_argument("--write", type=Path, help="the page")
    options = parser.parse_args()
    if (options.recording is None) == (options.export is None):
        parser.error("give one of --recording and --export")
    baskets = read_baskets(options.data)
    with TemporaryDirectory() as scratch:
        index = _index(baskets, Path(scratch))
        try:
            recorded = Recorded(options.recording) if options.recording else None
            teacher = open_teacher(baskets, index, recorded.model if recorded else options.model)
            if recorded is None:
                export_batch(options.export, [teacher.ask(query_of(name)).parts[0].request for name in baskets.asked])
                return
            put(options.write, "bought together", report(baskets, index, teacher, recorded))
        except QuerywiseError as error:
            parser.exit(2, f"{error}\n{error.hint}\n")


def report(baskets: Baskets, index: RetrievalIndex, teacher: Teacher, recorded: Recorded) -> list[str]:
    """Return the table: complements of the LLM, of the lift itself, and random ones."""
    grounder = _grounder(baskets, index)
    partners = {name: _partners(name, baskets, grounder, teacher, recorded) for name in baskets.asked}
    proposed = sum(len(some) for some in partners.values())
    grounded = {name: [one for one in dict.fromkeys(some) if one] for name, some in partners.items()}
    rng = random.Random(0)
    others = sorted(baskets.bought)
    sides = {
        "LLM": grounded,
        "best by lift, as many": {name: _best(name, baskets, len(some)) for name, some in grounded.items()},
        f"random, {RANDOM} each": {name: rng.sample(others, RANDOM) for name in baskets.asked},
    }
    rows = [(side, *_row(some, baskets)) for side, some in sides.items()]
    head = ("complements", "pairs of which the baskets tell", "lift over 1", "median lift")
    found = sum(len(some) for some in grounded.values())
    return [
        f"{len(baskets.asked)} product categories asked about; `{PROMPT}` proposed {proposed} complements, of which "
        f"{found} lie in another category. Baskets: {BASKETS:,}, and nothing is told of a pair that chance would have "
        f"together in fewer than {EXPECTED:g}; one that was seen in fewer than {LEAST_BASKETS} counts as seen in "
        f"{LEAST_BASKETS - 1}.",
        "",
        *table(head, rows),
    ]


def query_of(category_id: str) -> str:
    """Return a category as a shopper would type it, as far as its name allows."""
    return normalise(category_id.replace("/", " "))


def _row(partners: Mapping[str, Sequence[str]], baskets: Baskets) -> tuple[str, str, str]:
    lifts = [[lift for one in some if (lift := baskets.lift(name, one)) is not None] for name, some in partners.items()]
    over = Ratio(
        top=np.array([sum(lift > 1 for lift in some) for some in lifts], dtype=np.float64),
        bottom=np.array([len(some) for some in lifts], dtype=np.float64),
    )
    every = [lift for some in lifts for lift in some]
    sample = bootstrap({"over": over}, queries=len(lifts), draws=2000, seed=0)["over"]
    return f"{len(every):,}", interval(sample.estimate()), f"{np.median(every):.2f}" if every else "–"


def _partners(
    name: str, baskets: Baskets, grounder: Grounder, teacher: Teacher, recorded: Recorded
) -> list[str | None]:
    """Return the category in which each complement lies; None where it grounds in nothing, or in the query's own."""
    query = query_of(name)
    found = recorded.get(teacher.ask(query).parts[0].request.key)
    answer = read_completion(found, "discover") if found else None
    if not isinstance(answer, Answer):
        return []
    partners: list[str | None] = []
    for idea in check_ideas(answer, query=query, reject=lambda *_: None).complements:
        grounded = grounder.ground(idea.query, lambda text: grounder.index.encoder.encode([text])[0])
        # What lies in several categories of a department lies in that of the best product.
        lies = baskets.products[grounded.rows[0]].category_id if isinstance(grounded, Grounded) else None
        partners.append(lies if lies != name else None)
    return partners


def _best(name: str, baskets: Baskets, count: int) -> list[str]:
    lifts = {one: lift for one in baskets.bought if (lift := baskets.lift(name, one)) is not None}
    return sorted(lifts, key=lambda one: (-lifts[one], one))[:count]


def _grounder(baskets: Baskets, index: RetrievalIndex) -> Grounder:
    shelf = Shelf(
        product_ids=[product.product_id for product in baskets.products],
        titles=[product.title for product in baskets.products],
        brands=[None] * len(baskets.products),
        categories=[product.category_id for product in baskets.products],
        in_stock=np.ones(len(baskets.products), dtype=np.bool_),
        worth=np.zeros(len(baskets.products)),
        stems=index.stems,
    )
    return Grounder(index, baskets.taxonomy, shelf)


def _index(baskets: Baskets, scratch: Path) -> RetrievalIndex:
    export_encoder(scratch / "encoder")
    build_index(
        scratch / "index",
        taxonomy=baskets.taxonomy,
        products=baskets.products,
        encoder=scratch / "encoder",
        locale="en-US",
    )
    return RetrievalIndex(scratch / "index")


def read_baskets(data: Path) -> Baskets:
    """Read the hierarchy; a category is its name in its department, and the most bought ones are asked about."""
    rows = pl.read_csv(data / "hierarchy.csv", infer_schema_length=0).fill_null("")
    pairs = pl.read_csv(data / "lift_product_category.csv")
    bought = dict(pairs.select("a", "baskets_a").iter_rows()) | dict(pairs.select("b", "baskets_b").iter_rows())
    home: dict[str, Counter[str]] = {}
    for department, category, products in rows.select("department", "product_category", "products").iter_rows():
        home.setdefault(category, Counter())[department] += int(products)
    nodes: dict[str, Node] = {}
    sold: list[IndexedProduct] = []
    for department, category, kind in rows.select("department", "product_category", "product_type").iter_rows():
        # A category of several departments counts for the one that has most of it.
        if department != home[category].most_common(1)[0][0] or not normalise(kind):
            continue
        nodes.setdefault(department, Node(category_id=department, parent_id=None, name=department.lower()))
        if category != department:
            nodes.setdefault(category, Node(category_id=category, parent_id=department, name=category.lower()))
        sold.append(IndexedProduct(product_id=f"p{len(sold)}", title=kind.lower(), brand=None, category_id=category))
    asked = sorted((name for name in bought if name in nodes), key=lambda name: (-bought[name], name))[:QUERIES]
    return Baskets(
        taxonomy=Taxonomy(nodes.values()),
        products=tuple(sold),
        asked=tuple(asked),
        bought=bought,
        together={frozenset((a, b)): count for a, b, count in pairs.select("a", "b", "baskets").iter_rows()},
    )


def open_teacher(baskets: Baskets, index: RetrievalIndex, model: str) -> Teacher:
    """Return a teacher of the shop; there is no log to show."""
    counts: Counter[str] = Counter()
    for product in baskets.products:
        counts.update(baskets.taxonomy.lineage(product.category_id))
    return Teacher(
        shop="grocery-baskets",
        locale="en-US",
        model=model,
        prompts=[load_prompt(PROMPT)],
        taxonomy=baskets.taxonomy,
        catalogue=Catalogue(titles={p.product_id: p.title for p in baskets.products}, products=dict(counts)),
        index=index,
        contexts=None,
    )


if __name__ == "__main__":
    main()
