"""How good each product is: demand and conversion by the log, as ranks in its category, and what the shop states.

- **Demand** is the weight of all actions on the product, the shop's weights and the age of the search counted in. A
  product without any shares its rank with all such products of its category: it is below each that shoppers acted on,
  but in the middle where the log knows nothing of the category.
- **Conversion** is the share of searches in which the product was chosen that ended in its purchase, as the mean of a
  Beta posterior; the prior is worth `_PRIOR` searches and has the mean of the category, itself drawn to that of the
  shop. So a product without a click stands where its category does on the whole, and one lucky purchase moves little.
- **Stated** is the ``quality`` that the catalogue gives, 0 to 1, and the middle where it gives none.

A rank counts the products below, and half of those that are equal, the product itself included, over the products of
the category (a mid-rank, or percentile rank: Kendall, "The treatment of ties in ranking problems", Biometrika 1945).
So every category has the mean 0.5, and the log favours no category over another.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import numpy as np
import polars as pl

from domain.evidence import ContextSettings, declare_shoppers
from domain.ubi_fields import quote
from release.quality import NEUTRAL, SIDES, ProductQualities

__all__ = ["VERSION", "compute_quality"]

VERSION: Final = 2
"""Raised when the same log gives other numbers than before."""

_PRIOR: Final = 20.0

# Weights, 1 at most, are summed as whole billionths: sums of floating-point numbers depend on the order of the rows,
# and with them the order of equal products and the content of a release.
_RANKS: Final = """
WITH chosen AS (
    SELECT
        e.query_id, e.product_id,
        sum(coalesce(w.weight, 0.0)) AS weight,
        bool_or(e.action IN ('click', 'purchase')) AS clicked,
        bool_or(e.action = 'purchase') AS bought
    FROM (SELECT DISTINCT query_id, product_id, action FROM events WHERE product_id IS NOT NULL) AS e
    LEFT JOIN action_weights AS w ON w.action = e.action
    GROUP BY e.query_id, e.product_id
), product AS (
    SELECT
        p.product_id, p.category_id, p.quality,
        coalesce(sum(round(1e9 * c.weight * s.recency)::HUGEINT), 0) AS demand,
        count(*) FILTER (WHERE c.clicked AND s.query_id IS NOT NULL) AS clicks,
        count(*) FILTER (WHERE c.bought AND s.query_id IS NOT NULL) AS purchases
    FROM products AS p
    LEFT JOIN chosen AS c ON c.product_id = p.product_id
    LEFT JOIN human_searches AS s ON s.query_id = c.query_id
    GROUP BY p.product_id, p.category_id, p.quality
), shop AS (
    SELECT coalesce(sum(purchases) / nullif(sum(clicks), 0), 0.0) AS rate FROM product
), category AS (
    SELECT category_id, (sum(purchases) + $prior * any_value(shop.rate)) / (sum(clicks) + $prior) AS rate
    FROM product CROSS JOIN shop
    GROUP BY category_id
), rated AS (
    SELECT product_id, p.category_id, p.quality, demand, (purchases + $prior * c.rate) / (clicks + $prior) AS conversion
    FROM product AS p
    JOIN category AS c ON c.category_id = p.category_id
)
SELECT
    product_id,
    (rank() OVER (PARTITION BY category_id ORDER BY demand) - 1
        + 0.5 * count(*) OVER (PARTITION BY category_id, demand)) / count(*) OVER (PARTITION BY category_id) AS demand,
    (rank() OVER (PARTITION BY category_id ORDER BY conversion) - 1
        + 0.5 * count(*) OVER (PARTITION BY category_id, conversion))
        / count(*) OVER (PARTITION BY category_id) AS conversion,
    coalesce(quality, $neutral) AS stated
FROM rated
ORDER BY product_id
"""


def compute_quality(
    warehouse: Path,
    *,
    settings: ContextSettings,
    weights: Mapping[str, float],
    internal: tuple[str, ...],
    memory_limit: str = "2GB",
) -> ProductQualities:
    """Compute the qualities of every product of a warehouse.

    Args:
        warehouse: The folder that ingest wrote.
        settings: Who counts as a shopper, and how fast a search grows old.
        weights: Weight of each action in demand; actions that are not named weigh nothing.
        internal: Globs over client id and application whose searches are the shop's own.
        memory_limit: What DuckDB may hold in memory, as it writes sizes ("2GB"); the rest goes to disk.
    """
    with TemporaryDirectory(dir=warehouse.parent, prefix=".quality-") as scratch, duckdb.connect() as db:
        db.execute(f"SET memory_limit = '{memory_limit}'")
        db.execute(f"SET temp_directory = {quote(scratch)}")
        db.execute("SET preserve_insertion_order = false")
        for name in ("searches", "events", "products"):
            db.execute(f"CREATE VIEW {name} AS FROM {quote(f'{warehouse / name}.parquet')}")
        declare_shoppers(db, settings=settings, internal=internal)
        most = max(weights.values(), default=0.0) or 1.0  # ranks need no scale
        named = {"action": list(weights), "weight": [weight / most for weight in weights.values()]}
        scaled = pl.DataFrame(named, schema={"action": pl.String, "weight": pl.Float64})
        db.register("action_weights", scaled.to_arrow())
        # The same shoppers as in the contexts: no crawlers, and nobody of the shop's own.
        db.execute(files("domain").joinpath("sql", "10_traffic.sql").read_text())
        ranks = db.sql(_RANKS, params={"prior": _PRIOR, "neutral": NEUTRAL}).to_arrow_table()
    values = np.column_stack([ranks[side].to_numpy() for side in SIDES]).astype(np.float32)
    return ProductQualities(product_ids=ranks["product_id"].to_pylist(), values=values)
