"""Texts made of a catalogue read like queries, of whatever script and however poor the product's data."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch")

from distill.corpus import CatalogueTexts, Sold, read_sold, texts_of_tree  # noqa: E402
from domain.taxonomy import Node, Taxonomy  # noqa: E402
from domain.text import normalise  # noqa: E402

TREE = Taxonomy(
    [
        Node(category_id="food", parent_id=None, name="Food"),
        Node(category_id="milk", parent_id="food", name="Milk & Cream"),
        Node(category_id="tea", parent_id="food", name="緑茶"),
        Node(category_id="none", parent_id="food", name="!!!"),
    ]
)
TITLE = (
    "organic",
    "whole",
    "uht",
    "milk",
    "one",
    "litre",
    "carton",
    "glass",
    "bottle",
    "alpine",
    "fresh",
    "pure",
    "end",
)
MILK = Sold(title=TITLE, brand="alm", attributes=("lactose free", "bio"), category_id="milk")


def products(tmp_path: Path, *rows: tuple[str, str | None, str | None, str]) -> Path:
    path = tmp_path / "products.parquet"
    names = {"title": pl.String, "brand": pl.String, "attributes": pl.String, "category_id": pl.String}
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(path)
    return path


def test_the_catalogue_is_read_in_normalised_words(tmp_path: Path) -> None:
    attributes = (
        '{"fat": "1.5%", "lactose_free": true, "vegan": false, "weight": 3.0, "claims": "far too many words here"}'
    )
    path = products(tmp_path, ("Whole MILK, 1 l!", "Älm", attributes, "milk"), ("緑茶", None, None, "tea"))
    assert read_sold(path) == [
        Sold(title=("whole", "milk", "1", "l"), brand="älm", attributes=("1.5%", "lactose free"), category_id="milk"),
        Sold(title=("緑茶",), brand="", attributes=(), category_id="tea"),
    ]


def test_titles_without_a_word_go_and_long_ones_are_cut(tmp_path: Path) -> None:
    path = products(tmp_path, ("", None, None, "milk"), ("?!", None, "{}", "milk"), ("a " * 5000, "", "{}", "tea"))
    assert read_sold(path) == [Sold(title=("a",) * 30, brand="", attributes=(), category_id="tea")]


def test_every_kind_of_query_occurs() -> None:
    texts = [p.query for p in CatalogueTexts([MILK], TREE).draw(random.Random(0), 2000)]
    name, title = "milk and cream", " ".join(TITLE)
    starts = {" ".join(TITLE[:count]) for count in range(3, 11)}
    assert starts <= {*texts}
    assert f"alm {name}" in texts
    assert {f"lactose free {name}", f"bio {name}"} <= {*texts}
    with_words = [text for text in texts if text.endswith(name) and {*text.removesuffix(name).split()} <= {*TITLE}]
    assert {len(text.removesuffix(name).split()) for text in with_words} == {1, 2, 3}
    spans = [text for text in texts if text in title and text not in starts]
    assert {len(text.split()) for text in spans} >= {1, 2, 3, 4, 5}
    # What is left: words in the title's order with gaps, none from behind the twelfth.
    gaps = [text.split() for text in texts if text not in title and not text.endswith(name)]
    assert len(gaps) > 100
    assert all(words == [word for word in TITLE[:12] if word in words] for words in gaps)


def test_no_query_is_empty_where_brand_attributes_or_even_names_are_missing() -> None:
    bare = [
        Sold(title=("緑茶",), brand="", attributes=(), category_id="tea"),
        Sold(title=("молоко", "3,2%"), brand="", attributes=(), category_id="milk"),
        Sold(title=("x",), brand="", attributes=(), category_id="none"),
    ]
    drawn = CatalogueTexts(bare, TREE).draw(random.Random(1), 3000)
    assert Counter(p.category_id for p in drawn).keys() == {"tea", "milk", "none"}
    assert all(p.query and p.query == normalise(p.query) for p in drawn)
    assert {p.query for p in drawn if p.category_id == "none"} == {"x"}
    assert {"緑茶", "緑茶 緑茶"} == {p.query for p in drawn if p.category_id == "tea"}


def test_a_category_of_a_hundred_times_the_products_is_drawn_ten_times_as_often() -> None:
    sold = [MILK] * 100 + [Sold(title=("green",), brand="", attributes=(), category_id="tea")]
    drawn = Counter(p.category_id for p in CatalogueTexts(sold, TREE).draw(random.Random(2), 22_000))
    # 10 to 1: 2,000 of 22,000, where counts alone would give 218. Standard deviation 43.
    assert drawn["tea"] == pytest.approx(2000, abs=170)


def test_nothing_sold_gives_nothing_and_a_seed_gives_the_same() -> None:
    assert CatalogueTexts([], TREE).draw(random.Random(0), 10) == []
    texts = CatalogueTexts([MILK], TREE)
    assert texts.draw(random.Random(0), 0) == []
    assert texts.draw(random.Random(3), 50) == texts.draw(random.Random(3), 50)
    assert texts.draw(random.Random(3), 50) != texts.draw(random.Random(4), 50)


def test_categories_have_their_name_and_their_place_or_else_their_id() -> None:
    assert texts_of_tree(TREE, ["tea", "food", "none"]) == [("緑茶", "food 緑茶"), ("food", "food"), ("none", "food")]
