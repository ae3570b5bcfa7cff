"""Whether complements that a log was made with are let through, and pairs at random are not: figures of the role check.

    python -m benchmarks.discovery_pairs --shop FOLDER --work FOLDER [--pairs FILE] [--write docs/discovered.md]

The file has pairs that shoppers of the demo want together, a category's name and a query each; the log was made with
them, and the stage is not shown them. Each is put to the check of roles as a complement of its category, and so are as
many queries drawn at random for each category. Prints Markdown; `--write` puts it into the page. Nothing is asked of a
model.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.discovered.page import put
from domain.context import ContextStore
from domain.discovery.asked import Asked
from domain.discovery.assemble import Assembler
from domain.discovery.ground import Grounded
from domain.errors import QuerywiseError, UserError
from domain.shop import open_shop
from domain.text import normalise
from evals.cells import table
from querywise.content import open_assembler

ROOT = Path(__file__).parent.parent
RANDOM: Final = 400


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A category by its name, and what may go with it as a shopper types it."""

    category: str
    query: str


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """What became of a pair: kept or not, refused for its lift or not, and whether that lift is clearly over 1."""

    kept: bool = False
    no_lift: bool = False
    raised: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, default=ROOT / "demo" / "sources" / "complements.csv")
    parser.add_argument("--write", type=Path, help="the page")
    options = parser.parse_args()
    try:
        shop = open_shop(options.shop, work=options.work)
        assembler = open_assembler(shop, ContextStore(shop.context_file))
        known = read_pairs(options.pairs)
        put(options.write, "known pairs", pair_lines(known, drawn(known, RANDOM), assembler))
    except QuerywiseError as error:
        parser.exit(2, f"{error}\n{error.hint}\n")


def read_pairs(path: Path) -> list[Pair]:
    """Read pairs from a CSV file with the columns leaf and query.

    Raises:
        UserError: when the file is not there, or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [Pair(category=row["leaf"], query=normalise(row["query"])) for row in csv.DictReader(lines)]
    except (OSError, KeyError) as error:
        raise UserError(f"{path} cannot be read as pairs: {error}", hint="its columns are leaf and query") from error


def drawn(known: Sequence[Pair], count: int) -> list[Pair]:
    """Draw categories and queries of the pairs independently, with replacement; no known pair is among them."""
    pairs = [Pair(category=one.category, query=other.query) for one in known for other in known]
    strange = [pair for pair in pairs if pair not in set(known)]
    return random.Random(0).choices(strange, k=count) if strange else []


def pair_lines(known: Sequence[Pair], others: Sequence[Pair], assembler: Assembler) -> list[str]:
    """Return what became of both."""
    rows = []
    for name, pairs in (("the log was made with", known), ("at random", others)):
        ruled = list(rule(pairs, assembler))
        counts = (
            len(ruled),
            sum(one.kept for one in ruled),
            sum(one.raised for one in ruled),
            sum(one.no_lift for one in ruled),
            sum(not one.kept and not one.no_lift for one in ruled),
        )
        rows.append((name, *(f"{count:,}" for count in counts)))
    return table(("pairs", "of", "kept", "lift clearly over 1", "clearly under 1", "refused otherwise"), rows)


def rule(pairs: Iterable[Pair], assembler: Assembler) -> Iterable[Ruled]:
    """Yield what the check of roles says of each pair, the query being asked for by the name of its category alone.

    Raises:
        UserError: when the shop has no category of a name.
    """
    grounder = assembler.judge.grounder
    named = {grounder.taxonomy[i].name: i for i in grounder.taxonomy}
    for pair in pairs:
        if pair.category not in named:
            raise UserError(f"the shop has no category {pair.category!r}", hint="these are not its pairs")
        asked = Asked(
            query=normalise(pair.category),
            categories=(named[pair.category],),
            demanded=frozenset(),
            scarce=False,
            found=frozenset(),
            own=frozenset(),
        )
        grounded = grounder.ground(pair.query, lambda text: grounder.index.encoder.encode([text])[0])
        if not isinstance(grounded, Grounded):
            yield Ruled()
            continue
        ruling = assembler.judge.rule("complement", asked, grounded)
        raised = ruling.lift is not None and ruling.lift.is_raised
        yield Ruled(kept=ruling.objection is None, no_lift=ruling.objection == "no_lift", raised=raised)


if __name__ == "__main__":
    main()
