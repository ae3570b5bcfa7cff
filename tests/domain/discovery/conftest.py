"""A small shop with the real encoder: some food, some electronics, and a shelf without products."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.context import ContextStore, DomainContext
from domain.discovery.affinity import Affinity, PairCounts
from domain.discovery.asked import Asked, asked_of
from domain.discovery.content import Idea
from domain.discovery.ground import Grounded, Grounder, Ungrounded
from domain.discovery.known_pairs import KnownPairs
from domain.discovery.roles import RoleJudge
from domain.discovery.shelf import read_shelf
from domain.retrieval import IndexedProduct, RetrievalIndex, build_index
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Understanding

TREE = {
    "seafood": (None, "Seafood"),
    "fish": ("seafood", "Fresh Fish"),
    "swordfish": ("fish", "Swordfish Steaks"),
    "salmon": ("fish", "Salmon"),
    "white": ("fish", "White Fish"),
    "smoked": ("fish", "Smoked Fish"),
    "frozen": (None, "Frozen Fish & Seafood"),
    "frozenfish": ("frozen", "Frozen Fish Steaks & Fillets"),
    "pantry": (None, "Pantry"),
    "oils": ("pantry", "Oils & Vinegar"),
    "olive": ("oils", "Olive Oil"),
    "cooking": ("oils", "Cooking Oil"),
    "vinegar": ("oils", "Vinegar"),
    "pastas": ("pantry", "Pasta & Grains"),
    "pasta": ("pastas", "Pasta"),
    "glutenfree": ("pastas", "Gluten Free Pasta"),
    "sauce": ("pastas", "Pasta Sauce"),
    "dairy": (None, "Dairy"),
    "butter": ("dairy", "Butter"),
    "milk": ("dairy", "Cow's Milk"),
    "whole": ("milk", "Whole Milk"),
    "skim": ("milk", "Skim Milk"),
    "plantmilk": ("dairy", "Plant Milk"),
    "nuts": ("pantry", "Nut Butters"),
    "produce": (None, "Produce"),
    "lettuce": ("produce", "Lettuce"),
    "citrus": ("produce", "Lemons & Limes"),
    "wine": (None, "Wine"),
    "red": ("wine", "Red Wine"),
    "office": (None, "Office Electronics"),
    "printers": ("office", "Printers"),
    "scanners": ("office", "Scanners"),
    "cables": ("office", "Cables & Adapters"),
    "ink": ("office", "Ink Cartridges"),
}
SHELVES: dict[str, Sequence[str]] = {
    "salmon": ["Tidewater Atlantic Salmon Fillet, 1 lb", "Harbor Smoky Salmon Burgers, 12 oz"],
    "white": ["Tidewater Halibut Fillet, 12 oz", "Harbor Cod Fillet, 2 lb", "Harbor Cod Fillet, 12 oz"],
    "smoked": ["Harbor Smoked Trout, 8 oz"],
    "frozenfish": ["Harbor Frozen Tuna Steaks, 2 lb", "Tidewater Frozen Pollock Fillets, 1 lb"],
    "olive": ["Verde Extra Virgin Olive Oil, 500 ml", "Verde Pure Olive Oil, 1 l", "Casa Olive Oil Spray, 8 oz"],
    "cooking": ["Verde Avocado Oil, 500 ml", "Casa Canola Oil, 1 l"],
    "vinegar": ["Casa Red Wine Vinegar, 16 oz", "Casa Balsamic Vinegar, 8 oz"],
    "pasta": ["Nonna Penne Pasta, 16 oz", "Nonna Spaghetti, 16 oz", "Nonna Fusilli, 16 oz"],
    "glutenfree": ["Freely Gluten Free Spaghetti, 8 oz", "Freely Chickpea Rotini, 8 oz"],
    "sauce": ["Nonna Tomato Basil Pasta Sauce, 24 oz", "Nonna Alfredo Sauce, 15 oz"],
    "butter": ["Meadow Salted Butter, 16 oz", "Meadow Unsalted Butter, 16 oz"],
    "whole": ["Meadow Whole Milk, 1 gal"],
    "skim": ["Meadow Skim Milk, 1 gal"],
    "plantmilk": ["Oatly Oat Milk, 1 l", "Almondy Almond Milk, 1 l"],
    "nuts": ["Nutty Peanut Butter, 16 oz", "Nutty Almond Butter, 12 oz"],
    "lettuce": ["Butter Lettuce, each", "Romaine Lettuce, each"],
    "citrus": ["Lemons, each", "Limes, each"],
    "red": ["Stag Cabernet Sauvignon, 750 ml", "Stag Merlot, 750 ml"],
    "printers": ["Inkjet Printer X100", "Laser Printer L5"],
    "scanners": ["Flatbed Document Scanner S2"],
    "cables": ["USB Printer Cable, 2 m", "HDMI Cable, 1 m"],
    "ink": ["Black Ink Cartridge for Printer X100"],
}
SOLD_OUT = {"Harbor Smoked Trout, 8 oz": False, "Lemons, each": None}
POPULAR = {"Meadow Unsalted Butter, 16 oz": 90.0, "Meadow Salted Butter, 16 oz": 10.0}


def idea(query: str, label: str = "") -> Idea:
    return Idea(label=label or query.capitalize(), query=query, why="")


@dataclass(frozen=True)
class Small:
    """The small shop: its tree, index and shelf, and what judges roles in it."""

    taxonomy: Taxonomy
    index: RetrievalIndex
    judge: RoleJudge
    found: dict[str, Grounded | Ungrounded] = field(default_factory=dict)

    @property
    def grounder(self) -> Grounder:
        return self.judge.grounder

    def with_log(
        self,
        together: Mapping[tuple[str, str], int] | None = None,
        known: Mapping[tuple[str, str], float] | None = None,
        instead: Mapping[tuple[str, str], int] | None = None,
    ) -> Small:
        """The same shop whose log has these pairs, each category in them wanted a hundred times."""
        counts: dict[Any, PairCounts] = {}
        for kind, pairs in (("together", together), ("instead", instead)):
            if pairs:
                both = PairCounts()
                both.pairs.update(pairs)
                both.first.update({name: 100 for pair in pairs for name in pair})
                counts[kind] = replace(both, second=both.first)
        judge = replace(self.judge, affinity=Affinity(counts), known=KnownPairs(lifts=dict(known or {})))
        return Small(self.taxonomy, self.index, judge)

    def with_contexts(self, contexts: ContextStore) -> Small:
        grounder = Grounder(self.index, self.taxonomy, self.grounder.shelf, contexts)
        return Small(self.taxonomy, self.index, replace(self.judge, grounder=grounder))

    def ground(self, query: str) -> Grounded | Ungrounded:
        return self.grounder.ground(query, lambda text: self.index.encoder.encode([text])[0])

    def titles(self, query: str) -> list[str]:
        found = self.ground(query)
        return [self.grounder.shelf.titles[row] for row in found.rows] if isinstance(found, Grounded) else []

    def understood(self, query: str, categories: Iterable[str], specificity: Any = "category") -> Understanding:
        paths = [Category(id=i, path=self.taxonomy.path(i), confidence=0.9) for i in categories]
        return Understanding(
            query=query,
            normalized=query,
            source="head",
            reason="precomputed",
            release="",
            categories=tuple(paths),
            specificity=specificity,
        )

    def asked(
        self, query: str, *categories: str, specificity: Any = "category", context: DomainContext | None = None
    ) -> Asked:
        answer = self.understood(query, categories, specificity)
        return asked_of(answer, context, self.ground(query), self.grounder)


@pytest.fixture(scope="session")
def small(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("small")
    taxonomy = Taxonomy(Node(category_id=i, parent_id=parent, name=name) for i, (parent, name) in TREE.items())
    rows = [
        {"product_id": f"{category}{n}", "title": title, "category_id": category, "brand": title.split()[0]}
        | {"in_stock": SOLD_OUT.get(title, True), "popularity": POPULAR.get(title), "quality": None}
        for category, titles in SHELVES.items()
        for n, title in enumerate(titles, 1)
    ]
    schema = {
        **dict.fromkeys(("product_id", "title", "category_id", "brand"), pl.String),
        **{"in_stock": pl.Boolean, "popularity": pl.Float64, "quality": pl.Float64},
    }
    pl.DataFrame(rows, schema=schema).write_parquet(folder / "products.parquet")
    products = [
        IndexedProduct(**{name: row[name] for name in ("product_id", "title", "brand", "category_id")}) for row in rows
    ]
    build_index(folder / "index", taxonomy=taxonomy, products=products, encoder=encoder_folder, locale="en-US")
    index = RetrievalIndex(folder / "index", threads=1)
    grounder = Grounder(index, taxonomy, read_shelf(folder / "products.parquet", index.stems))
    return Small(taxonomy, index, RoleJudge(grounder=grounder, affinity=Affinity({}), known=KnownPairs()))


def write_contexts(path: Path, contexts: Iterable[DomainContext]) -> ContextStore:
    """Write contexts as `compute_context` does."""
    empty = {
        "categories": pl.List(
            pl.Struct(
                {
                    **{"category_id": pl.String, "level": pl.Int64, "is_own": pl.Boolean},
                    **{"share": pl.Float64, "score": pl.Float64},
                    **dict.fromkeys(("events", "clicks", "carts", "purchases", "clients"), pl.Int64),
                }
            )
        ),
        "products": pl.List(pl.Struct({"product_id": pl.String, "share": pl.Float64, "events": pl.Int64})),
        "annotations": pl.List(
            pl.Struct(
                {
                    **{"name": pl.String, "value": pl.String},
                    **{"share": pl.Float64, "lift": pl.Float64, "events": pl.Int64},
                }
            )
        ),
        "next_queries": pl.List(pl.Struct({"query": pl.String, "count": pl.Int64, "npmi": pl.Float64})),
        "reformulations": pl.List(pl.Struct({"query": pl.String, "count": pl.Int64})),
    }
    scalars = {
        **{"query": pl.String, "searches": pl.Int64, "clients": pl.Int64, "tier": pl.String},
        **dict.fromkeys(("share", "zero_share", "acted_share"), pl.Float64),
    }
    rows = [
        {name: getattr(context, name) for name in scalars}
        | {name: [vars(item) for item in getattr(context, name)] for name in empty}
        for context in contexts
    ]
    pl.DataFrame(rows, schema=scalars | empty).write_parquet(path)
    return ContextStore(path)


@pytest.fixture
def contexts(tmp_path: Path) -> Callable[..., ContextStore]:
    return lambda *found: write_contexts(tmp_path / "context.parquet", found)
