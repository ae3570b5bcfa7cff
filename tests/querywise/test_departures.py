"""Where the shop's meaning is not the words' meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from domain.config import ShopConfig
from domain.label import Label, Provenance, write_labels
from domain.retrieval import IndexedProduct, build_index
from domain.shop import Shop
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Category, Understanding
from querywise.departures import find_departures

NAMES = ("Dish Soap", "Salad Greens", "Toilet Paper", "Coffee", "Bread", "Batteries", "Ice Cream", "Cat Food")


def label(query: str, category: str, searches: int) -> Label:
    answer = Understanding(
        query=query,
        normalized=query,
        source="head",
        reason="precomputed",
        release="",
        categories=(Category(id=category, path=(category,), confidence=0.9),),
    )
    provenance = Provenance(model="m", prompt="p", key="k", context="c", dropped={})
    return Label(query=query, tier="head", searches=searches, understanding=answer, provenance=provenance)


def test_only_what_the_words_would_not_suggest_departs(tmp_path: Path, encoder_folder: Path) -> None:
    taxonomy = Taxonomy(Node(category_id=f"c{i}", parent_id=None, name=name) for i, name in enumerate(NAMES))
    shop = Shop(folder=tmp_path, work=tmp_path, config=ShopConfig(name="mine", locale="en-US", currency="USD"))
    products = [
        IndexedProduct(product_id=f"p{i}", title=n, brand=None, category_id=f"c{i}") for i, n in enumerate(NAMES)
    ]
    build_index(shop.index, taxonomy=taxonomy, products=products, encoder=encoder_folder, locale="en-US")
    shop.warehouse.mkdir(parents=True)
    rows = [{"category_id": i, "parent_id": None, "name": taxonomy[i].name} for i in taxonomy]
    pl.DataFrame(rows, schema={"category_id": pl.String, "parent_id": pl.String, "name": pl.String}).write_parquet(
        shop.warehouse / "taxonomy.parquet"
    )
    plain, nickname = label("coffee", "c3", 50), label("tabby kitten chow", "c5", 40)
    write_labels(shop.labels_file, [plain, nickname, replace(nickname, query="cat food", searches=10)])
    assert find_departures(shop, limit=1) == ["tabby kitten chow"]
    assert find_departures(shop) == ["tabby kitten chow", "cat food"]
    assert find_departures(shop, among=1) == []
