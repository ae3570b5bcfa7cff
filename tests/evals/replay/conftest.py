"""Ten products under one word, five of each kind: small enough to rank by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

import pytest

from domain.catalogue import Product
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Rewrite, RewriteType, Understanding
from evals.replay import JudgedQuery, ProductSearch

Make = Callable[..., Product]
Answer = Callable[..., Understanding]
Search = Callable[[Iterable[Product]], ProductSearch]


@pytest.fixture(scope="session")
def tree() -> Taxonomy:
    rows = [("tech", None), ("net", "tech"), ("managed", "net"), ("games", "tech"), ("bags", None)]
    return Taxonomy(Node(category_id=i, parent_id=parent, name=i.title()) for i, parent in rows)


@pytest.fixture(scope="session")
def product() -> Make:
    def make(product_id: str, title: str, category_id: str = "net", **more: object) -> Product:
        given = {"brand": None, "description": None, "price": None, "popularity": None, "quality": None}
        given |= {"in_stock": True, "image_url": None, "attributes": "{}"} | more
        if not isinstance(given["attributes"], str):
            given["attributes"] = json.dumps(given["attributes"])
        return Product(product_id=product_id, title=title, category_id=category_id, **given)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def search(tree: Taxonomy) -> Search:
    pytest.importorskip("tantivy", reason="the search library of the replay extra is not installed here")
    return lambda products: ProductSearch.build(products, tree, locale="en-US")


@pytest.fixture(scope="session")
def switches(product: Make) -> list[Product]:
    """Equal scores for "switch": the network switches a0 to a4 come first by id, then the consoles b0 to b4."""
    nets = [product(f"a{i}", "switch port", "managed") for i in range(5)]
    return nets + [product(f"b{i}", "switch game", "games") for i in range(5)]


@pytest.fixture(scope="session")
def answer() -> Answer:
    def make(
        query: str,
        categories: Sequence[tuple[str, float | None]] = (),
        rewrites: Sequence[tuple[str, RewriteType, float]] = (),
    ) -> Understanding:
        return Understanding(
            query=query,
            normalized=query,
            source="head",
            reason="precomputed",
            release="test",
            categories=tuple(Category(id=i, path=(i,), confidence=confidence) for i, confidence in categories),
            rewrites=tuple(Rewrite(query=text, type=kind, confidence=c) for text, kind, c in rewrites),
        )

    return make


@pytest.fixture(scope="session")
def judged() -> Callable[..., JudgedQuery]:
    def make(query: str, ratings: dict[str, float], searches: int = 1) -> JudgedQuery:
        return JudgedQuery(query=query, searches=searches, ratings=ratings)

    return make
