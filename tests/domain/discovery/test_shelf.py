"""The catalogue as discovery reads it."""

from __future__ import annotations

import polars as pl
import pytest

from domain.discovery.shelf import read_shelf
from domain.errors import StageMissing
from domain.lexical import Stems

COLUMNS = {
    **dict.fromkeys(("product_id", "title", "brand", "category_id"), pl.String),
    **{"in_stock": pl.Boolean, "popularity": pl.Float64, "quality": pl.Float64},
}


def shelf_of(tmp_path, *rows):
    frame = pl.DataFrame([(f"p{i}", *row) for i, row in enumerate(rows)], schema=COLUMNS, orient="row")
    frame.write_parquet(tmp_path / "products.parquet")
    return read_shelf(tmp_path / "products.parquet", Stems("en-US"))


def test_worth_is_rank_of_popularity_and_half_that_of_quality(tmp_path):
    shelf = shelf_of(
        tmp_path,
        ("A", None, "a", True, 5.0, None),
        ("B", None, "a", None, 50.0, None),
        ("C", None, "b", False, None, 0.9),
    )
    # Ranks of popularity 1/2, 2/2 and none; of quality none, none and 1/1; the middle is 1/2.
    assert shelf.worth.tolist() == [0.5 + 0.25, 1.0 + 0.25, 0.5 + 0.5]
    assert shelf.in_stock.tolist() == [True, True, False]
    assert shelf.stocked == {"a"}
    assert shelf.rows_of == {"a": [0, 1], "b": [2]}
    assert shelf.row == {"p0": 0, "p1": 1, "p2": 2}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Cola Classic, 20 fl oz", "Cola Classic, 6 pack, 16.9 fl oz", True),
        ("Gala Apples, 3 lb bag", "Gala Apples, per lb", True),
        ("Whole Milk", "Skim Milk", False),
        ("12 oz", "16 oz", False),  # nothing but a size: then the size is what is sold
        ("", "", False),
        ("X100 Printer", "X200 Printer", False),
    ],
)
def test_titles_that_differ_in_size_alone_say_the_same(tmp_path, one, other, alike):
    shelf = shelf_of(tmp_path, (one, None, "a", True, None, None), (other, None, "a", True, None, None))
    assert shelf.distinct([0, 1], 9) == ([0] if alike else [0, 1])


def test_no_more_are_looked_at_than_asked_for(tmp_path):
    shelf = shelf_of(tmp_path, *((f"Thing {word}", None, "a", True, None, None) for word in ("red", "blue", "green")))
    assert shelf.distinct([2, 0, 1], 2) == [2, 0]
    assert shelf.distinct([], 2) == shelf.distinct([0], 0) == []


def test_no_catalogue_names_the_command_that_loads_one(tmp_path):
    with pytest.raises(StageMissing, match=r"products\.parquet"):
        read_shelf(tmp_path / "products.parquet", Stems("en"))


def test_an_empty_catalogue_has_nothing(tmp_path):
    shelf = shelf_of(tmp_path)
    assert (len(shelf), shelf.stocked, shelf.worth.tolist()) == (0, frozenset(), [])
