"""From the log to the domain context of every query.

The computation is the SQL files in `domain/sql`, run in the order of their names; the methods and their sources are
named there. DuckDB keeps to `memory_limit` and spills to disk beside the result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl

from domain.label import Tier
from domain.taxonomy import Node, Taxonomy
from domain.ubi_fields import quote

__all__ = ["ContextReport", "ContextSettings", "compute_context", "declare_shoppers"]

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
        db.execute(f"SET temp_directory = {quote(scratch)}")
        db.execute("SET preserve_insertion_order = false")
        _declare_inputs(db, warehouse, settings=settings, weights=weights, internal=internal)
        for step in _STEPS:
            progress(step[3:])
            db.execute(files("domain").joinpath("sql", f"{step}.sql").read_text())
        written = Path(scratch) / "context.parquet"
        db.execute(
            f"COPY (FROM context ORDER BY searches DESC, query) TO {quote(written)} (FORMAT parquet, COMPRESSION zstd)"
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
        db.execute(f"CREATE VIEW {name} AS FROM {quote(f'{warehouse / name}.parquet')}")
    products = pl.read_parquet(warehouse / "products.parquet")
    _create(db, "products", products.select("product_id", "category_id", "brand"))
    _create(db, "product_attributes", _attributes(products))
    _create(db, "lineage", _lineage(pl.read_parquet(warehouse / "taxonomy.parquet")))
    declare_shoppers(db, settings=settings, internal=internal)
    _create(
        db, "action_weights", pl.DataFrame({"action": list(weights), "weight": [float(w) for w in weights.values()]})
    )


def declare_shoppers(db: duckdb.DuckDBPyConnection, *, settings: ContextSettings, internal: tuple[str, ...]) -> None:
    """Create the tables by which `10_traffic.sql` tells shoppers from crawlers and from the shop's own people."""
    _create(db, "settings", pl.DataFrame([asdict(settings)]))
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
