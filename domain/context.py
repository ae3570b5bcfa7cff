"""Domain context: what the log of a shop says of each query, as values. `domain.evidence` computes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from domain.errors import StageMissing
from domain.label import Tier

__all__ = [
    "CategoryEvidence",
    "ContextStore",
    "DomainContext",
    "FacetEvidence",
    "NextQuery",
    "ProductEvidence",
    "Reformulation",
]


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
