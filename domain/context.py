"""Domain context: what the log of a shop says of each query.

The computation is the SQL files in `domain/sql`, run in the order of their names; the methods and their sources are
named there. DuckDB keeps to `memory_limit` and spills to disk beside the result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import polars as pl

from domain.errors import StageMissing
from domain.label import Tier
from domain.taxonomy import Node, Taxonomy

__all__ = [
    "CategoryEvidence",
    "ContextReport",
    "ContextSettings",
    "ContextStore",
    "DomainContext",
    "FacetEvidence",
    "NextQuery",
    "ProductEvidence",
    "Reformulation",
    "compute_context",
]

_STEPS = ("10_traffic", "20_actions", "30_demand", "40_annotations", "50_sessions", "90_context")


@dataclass(frozen=True, kw_only=True)
class ContextSettings:
    """What may be set of the computation.

    Shares are of searches, in [0, 1]; `half_life_days` is the age at which an action counts half; `smoothing` is in
    units of action weight; `min_events` and `min_clients` are the least evidence for which anything is said.
    """

    head_share: float = 0.5
    torso_share: float = 0.8
    half_life_days: float = 60.0
    smoothing: float = 5.0
    min_events: int = 3
    min_clients: int = 2
    max_correction: float = 3.0
    bot_searches_a_minute: int = 20
    bot_searches_a_day: int = 300


@dataclass(frozen=True, kw_only=True)
class CategoryEvidence:
    """Smoothed share of a query's demand; counts are of actions as logged. `is_own`: products lie in it directly."""

    category_id: str
    level: int
    is_own: bool
    share: float
    score: float
    events: int
    clicks: int
    carts: int
    purchases: int
    clients: int


@dataclass(frozen=True, kw_only=True)
class ProductEvidence:
    """Share of a query's action weight that went to one product."""

    product_id: str
    share: float
    events: int


@dataclass(frozen=True, kw_only=True)
class FacetEvidence:
    """Share of what converted that has this brand or attribute, and its lift over the share in all conversions."""

    name: str
    value: str
    share: float
    lift: float
    events: int


@dataclass(frozen=True, kw_only=True)
class NextQuery:
    """A query searched next in the same session."""

    query: str
    count: int
    npmi: float


@dataclass(frozen=True, kw_only=True)
class Reformulation:
    """A query typed in place of this one, soon after it led to nothing."""

    query: str
    count: int


@dataclass(frozen=True, kw_only=True)
class DomainContext:
    """What the log says of one normalised query. Lists are sorted, best first.

    `share` is of all searches; `zero_share` of this query's searches had no result (None: the log does not tell);
    `acted_share` of them led to a click, a cart or a purchase.
    """

    query: str
    searches: int
    clients: int
    tier: Tier
    share: float
    zero_share: float | None
    acted_share: float
    categories: tuple[CategoryEvidence, ...] = ()
    products: tuple[ProductEvidence, ...] = ()
    annotations: tuple[FacetEvidence, ...] = ()
    next_queries: tuple[NextQuery, ...] = ()
    reformulations: tuple[Reformulation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ContextReport:
    """What was computed: searches and queries by tier, and whose searches were left out."""

    searches: int
    queries: dict[Tier, int]
    bot_searches: int
    bot_clients: int
    internal_searches: int
    internal_clients: int


def compute_context(
    warehouse: Path,
    target: Path,
    *,
    settings: ContextSettings,
    weights: Mapping[str, float],
    internal: tuple[str, ...],
    memory_limit: str = "2GB",
    progress: Callable[[str], None] = lambda _: None,
) -> ContextReport:
    """Compute the context of every query of a warehouse into one Parquet file, whole or not at all.

    Args:
        warehouse: The folder that ingest wrote.
        target: The Parquet file to write.
        settings: Thresholds.
        weights: Weight of each action; actions that are not named weigh nothing.
        internal: Globs over client id and application whose searches are the shop's own.
        memory_limit: What DuckDB may hold in memory, as it writes sizes ("2GB"); the rest goes to disk.
        progress: Called with the name of each step as it begins.
    """
    with TemporaryDirectory(dir=target.parent, prefix=".context-") as scratch, duckdb.connect() as db:
        db.execute(f"SET memory_limit = '{memory_limit}'")
        db.execute(f"SET temp_directory = '{scratch}'")
        db.execute("SET preserve_insertion_order = false")
        _declare_inputs(db, warehouse, settings=settings, weights=weights, internal=internal)
        for step in _STEPS:
            progress(step[3:])
            db.execute(files("domain").joinpath("sql", f"{step}.sql").read_text())
        written = Path(scratch) / "context.parquet"
        db.execute(
            f"COPY (FROM context ORDER BY searches DESC, query) TO '{written}' (FORMAT parquet, COMPRESSION zstd)"
        )
        report = _report(db)
        written.replace(target)
    return report


def _declare_inputs(
    db: duckdb.DuckDBPyConnection,
    warehouse: Path,
    *,
    settings: ContextSettings,
    weights: Mapping[str, float],
    internal: tuple[str, ...],
) -> None:
    for name in ("searches", "events"):
        db.execute(f"CREATE VIEW {name} AS FROM '{warehouse / name}.parquet'")
    products = pl.read_parquet(warehouse / "products.parquet")
    _create(db, "products", products.select("product_id", "category_id", "brand"))
    _create(db, "product_attributes", _attributes(products))
    _create(db, "lineage", _lineage(pl.read_parquet(warehouse / "taxonomy.parquet")))
    _create(db, "settings", pl.DataFrame([asdict(settings)]))
    _create(
        db, "action_weights", pl.DataFrame({"action": list(weights), "weight": [float(w) for w in weights.values()]})
    )
    patterns = [glob.replace("%", r"\%").replace("_", r"\_").replace("*", "%").replace("?", "_") for glob in internal]
    _create(db, "internal_patterns", pl.DataFrame({"pattern": patterns}, schema={"pattern": pl.String}))


def _create(db: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> None:
    db.register("incoming", frame.to_arrow())
    db.execute(f"CREATE TABLE {name} AS FROM incoming")
    db.unregister("incoming")


def _attributes(products: pl.DataFrame) -> pl.DataFrame:
    """One row per product and attribute whose value is a word or a true flag; numbers do not name a need."""
    rows: list[tuple[str, str, str]] = []
    for product_id, attributes in products.select("product_id", "attributes").iter_rows():
        for name, value in json.loads(attributes or "{}").items():
            if value is True:
                rows.append((product_id, name, "yes"))
            elif isinstance(value, str) and value.strip():
                rows.append((product_id, name, value.strip()[:60]))
    schema = {"product_id": pl.String, "name": pl.String, "value": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _lineage(taxonomy: pl.DataFrame) -> pl.DataFrame:
    tree = _tree(taxonomy)
    rows = [(node, above, level) for node in tree for level, above in enumerate(tree.lineage(node))]
    schema = {"category_id": pl.String, "ancestor_id": pl.String, "level": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _tree(taxonomy: pl.DataFrame) -> Taxonomy:
    return Taxonomy(Node(**row) for row in taxonomy.select("category_id", "parent_id", "name").iter_rows(named=True))


def _report(db: duckdb.DuckDBPyConnection) -> ContextReport:
    tiers: dict[Tier, int] = {"head": 0, "torso": 0, "tail": 0}
    tiers |= dict(db.execute("SELECT tier, count(*) FROM traffic GROUP BY tier").fetchall())
    [(searches,)] = db.execute("SELECT count(*) FROM human_searches").fetchall()
    [(bots, internals, bot_clients, internal_clients)] = db.execute("FROM excluded").fetchall()
    return ContextReport(
        searches=searches,
        queries=tiers,
        bot_searches=bots,
        bot_clients=bot_clients,
        internal_searches=internals,
        internal_clients=internal_clients,
    )


class ContextStore:
    """The contexts of a shop, read from the file that `compute_context` wrote.

    Raises:
        StageMissing: when the file is not there.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise StageMissing(f"{path} is not there", hint="run `querywise context` first")
        self._frame = pl.read_parquet(path)

    def __len__(self) -> int:
        return self._frame.height

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {query: row for row, query in enumerate(self._frame["query"])}

    def get(self, query: str) -> DomainContext | None:
        """Return the context of a normalised query, or None for one that nobody searched."""
        row = self._rows.get(query)
        return None if row is None else _context(self._frame.row(row, named=True))

    def tiers(self) -> dict[str, Tier]:
        """Return the tier of every query."""
        return dict(self._frame.select("query", "tier").iter_rows())

    def of_tiers(self, *tiers: Tier) -> Iterator[DomainContext]:
        """Yield the contexts of these tiers, most searched first."""
        for row in self._frame.filter(pl.col("tier").is_in(tiers)).iter_rows(named=True):
            yield _context(row)


def _context(row: dict[str, Any]) -> DomainContext:
    return DomainContext(
        **{name: row[name] for name in ("query", "searches", "clients", "tier", "share", "zero_share", "acted_share")},
        categories=tuple(CategoryEvidence(**item) for item in row["categories"]),
        products=tuple(ProductEvidence(**item) for item in row["products"]),
        annotations=tuple(FacetEvidence(**item) for item in row["annotations"]),
        next_queries=tuple(NextQuery(**item) for item in row["next_queries"]),
        reformulations=tuple(Reformulation(**item) for item in row["reformulations"]),
    )
