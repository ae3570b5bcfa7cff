"""Whether shoppers want two categories together more often than chance has it, by the log.

Three kinds of evidence, each a count of pairs beside the count that chance would give:

- ``together``: both were put in the cart or bought by one client in one day, through different queries.
- ``next``: a search in one followed a search in the other that had led to a click, a cart or a purchase.
- ``instead``: the same, after a search that had led to nothing.

Siblings that came by a query and a part of it ("bread", "white bread") are two answers to one need, and no pair.

Chance keeps how often each category is wanted, and shuffles the rest (swap randomisation: Gionis, Mannila, Mielikäinen
& Tsaparas, "Assessing data mining results via swap randomization", TKDD 2007). How many pairs it gives is taken from
the pairs that do not stand out, so that strong pairs do not make all others look shunned (an empirical null: Efron,
"Large-scale simultaneous hypothesis testing", JASA 2004); their mean lift is 1, whether baskets are large or small.

A lift is the mean of a Gamma posterior over the ratio of seen to expected (DuMouchel, "Bayesian data mining in large
frequency tables", The American Statistician 1999), its prior worth `_PRIOR` expected pairs; the bounds are its 5th and
95th percentile (by the cube root of Wilson & Hilferty, "The distribution of chi-square", PNAS 1931). Kinds are added
up, as if one session could not be in both, so that the bounds of a sum are rather narrow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, get_args

import duckdb

from domain.evidence import ContextSettings, declare_shoppers
from domain.ubi_fields import quote

__all__ = ["COMPLEMENTING", "Affinity", "Evidence", "Lift", "PairCounts", "compute_affinity"]

Evidence = Literal["together", "next", "instead"]

COMPLEMENTING: Final[tuple[Evidence, ...]] = ("together", "next")
"""What speaks for two categories going together, and not for one in the place of the other."""

_PRIOR: Final = 2.0
_Z: Final = 1.645
_LOUD: Final = 3.0
"""Standard deviations from which on a pair stands out; at less, the accidents among thousands would."""
_ROUNDS: Final = 20

# The category of a query has most of its demand.
_QUERY_CATEGORY: Final = """
CREATE TABLE query_category AS
SELECT query, category.category_id AS category_id
FROM (SELECT query, unnest(categories) AS category FROM read_parquet($context))
WHERE category.is_own AND category.share >= 0.5
QUALIFY row_number() OVER (PARTITION BY query ORDER BY category.share DESC, category.category_id) = 1
"""


@dataclass(frozen=True, kw_only=True)
class Lift:
    """How often two categories were seen as a pair, and how often chance would have it."""

    observed: int
    expected: float

    @property
    def estimate(self) -> float:
        """Seen over expected, drawn towards 1; 1 where nothing is known."""
        return (self.observed + _PRIOR) / (self.expected + _PRIOR)

    @property
    def low(self) -> float:
        """The 5th percentile."""
        return self.quantile(-_Z)

    @property
    def high(self) -> float:
        """The 95th percentile."""
        return self.quantile(_Z)

    @property
    def is_raised(self) -> bool:
        """Whether the pair is clearly seen more often than by chance."""
        return self.low > 1.0

    @property
    def is_lowered(self) -> bool:
        """Whether the pair is clearly seen less often than by chance."""
        return self.high < 1.0

    def quantile(self, z: float) -> float:
        """Return the quantile that lies as many standard deviations from the middle of a normal distribution."""
        shape = self.observed + _PRIOR
        root = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * shape**0.5)
        quantile: float = shape * max(0.0, root) ** 3
        return quantile / (self.expected + _PRIOR)


@dataclass(frozen=True, kw_only=True)
class PairCounts:
    """Counts of one kind of evidence: pairs of different categories, and each category on either side.

    Where a pair has no order, both sides are one and the same counter, and every pair is there once.
    """

    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    second: Counter[str] = field(default_factory=Counter)

    def scale(self) -> float:
        """Return what the product of two sides is worth in expected pairs.

        Those that do not stand out are expected as often as they were seen; the rest is found by leaving out what does,
        over and over.
        """
        same = sum(count * self.second[category] for category, count in self.first.items())
        products, seen = self.first.total() * self.second.total() - same, self.pairs.total()
        scale = seen / products if products else 0.0
        for _ in range(_ROUNDS):
            loud = [pair for pair in self.pairs if self._stands_out(pair, scale)]
            rest = products - sum(self._product(pair) for pair in loud)
            trimmed = (seen - sum(self.pairs[pair] for pair in loud)) / rest if rest > 0 else scale
            if not trimmed or abs(trimmed - scale) <= 1e-6 * scale:
                break
            scale = trimmed
        return scale

    def _stands_out(self, pair: tuple[str, str], scale: float) -> bool:
        return Lift(observed=self.pairs[pair], expected=scale * self._product(pair)).quantile(-_LOUD) > 1.0

    def _product(self, pair: tuple[str, str]) -> int:
        """How much of the product of both sides belongs to a pair; one without an order is in it twice."""
        one, other = pair
        product = self.first[one] * self.second[other]
        return 2 * product if self.first is self.second else product


class Affinity:
    """The counts of a log.

    Args:
        counts: By kind; a kind that is not there says nothing.
    """

    def __init__(self, counts: dict[Evidence, PairCounts]) -> None:
        self._counts = counts
        self._scales = {kind: found.scale() for kind, found in counts.items()}
        self._partners: dict[str, set[tuple[str, Evidence]]] = defaultdict(set)
        for kind, found in counts.items():
            for one, other in found.pairs:
                self._partners[one].add((other, kind))
                self._partners[other].add((one, kind))

    def lift(self, one: Iterable[str], other: Iterable[str], kinds: Sequence[Evidence] = COMPLEMENTING) -> Lift:
        """Return how one set of categories goes with another, over all pairs, either way round.

        Args:
            one: Categories as products are in them; for a category with others below it, those too.
            other: Likewise; none may be in both.
            kinds: What counts, added up.
        """
        ones, others = list(one), list(other)
        observed, expected = 0, 0.0
        for kind in kinds:
            if (counts := self._counts.get(kind)) is None:
                continue
            if len(ones) * len(others) <= len(counts.pairs):
                observed += sum(counts.pairs[a, b] + counts.pairs[b, a] for a in ones for b in others)
            else:
                here, there = frozenset(ones), frozenset(others)
                across = ((a in here and b in there) or (a in there and b in here) for a, b in counts.pairs)
                observed += sum(n for n, is_across in zip(counts.pairs.values(), across, strict=True) if is_across)
            expected += self._scales[kind] * (
                _sum(counts.first, ones) * _sum(counts.second, others)
                + _sum(counts.first, others) * _sum(counts.second, ones)
            )
        return Lift(observed=observed, expected=expected)

    def partners(self, categories: Iterable[str], kinds: Sequence[Evidence] = COMPLEMENTING) -> list[str]:
        """Return the other categories that were seen in a pair with one of these, sorted by id."""
        here = frozenset(categories)
        met = (partner for category in here for partner in self._partners.get(category, ()))
        return sorted({other for other, kind in met if kind in kinds} - here)


def compute_affinity(
    warehouse: Path,
    context: Path,
    *,
    settings: ContextSettings,
    internal: tuple[str, ...],
    memory_limit: str = "2GB",
) -> Affinity:
    """Count the pairs of categories in the log of a warehouse.

    Args:
        warehouse: The folder that ingest wrote.
        context: What `compute_context` wrote; it says which category a query is about.
        settings: Who counts as a shopper.
        internal: Globs over client id and application whose searches are the shop's own.
        memory_limit: What DuckDB may hold in memory, as it writes sizes ("2GB"); the rest goes to disk.
    """
    with TemporaryDirectory(dir=context.parent, prefix=".affinity-") as scratch, duckdb.connect() as db:
        db.execute(f"SET memory_limit = '{memory_limit}'")
        db.execute(f"SET temp_directory = {quote(scratch)}")
        db.execute("SET preserve_insertion_order = false")
        for name in ("searches", "events", "products", "taxonomy"):
            db.execute(f"CREATE VIEW {name} AS FROM {quote(f'{warehouse / name}.parquet')}")
        db.execute(_QUERY_CATEGORY, {"context": str(context)})
        declare_shoppers(db, settings=settings, internal=internal)
        for step in ("10_traffic", "50_sessions", "affinity"):
            db.execute(files("domain").joinpath("sql", f"{step}.sql").read_text())
        rows = db.sql("SELECT kind, one, other, count FROM counted").fetchall()
    return Affinity(_counts(rows))


def _counts(rows: Iterable[tuple[Evidence, str, str | None, int]]) -> dict[Evidence, PairCounts]:
    counts: dict[Evidence, PairCounts] = {kind: PairCounts() for kind in get_args(Evidence)}
    wanted: Counter[str] = Counter()
    counts["together"] = PairCounts(first=wanted, second=wanted)
    for kind, one, other, count in rows:
        found = counts[kind]
        if other is not None:
            found.pairs[one, other] = count
        if kind == "together":
            if other is None:
                found.first[one] = count
        elif other is not None:
            found.first[one] += count
            found.second[other] += count
    return counts


def _sum(counts: Counter[str], categories: Iterable[str]) -> int:
    return sum(counts[category] for category in categories)
