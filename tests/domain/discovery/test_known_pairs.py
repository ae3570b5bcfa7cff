"""A shop's own file of complements."""

from __future__ import annotations

import math

import pytest

from domain.discovery.known_pairs import KnownPairs, read_known_pairs
from domain.errors import ShopError
from domain.taxonomy import Node, Taxonomy

TREE = Taxonomy(
    Node(category_id=i, parent_id=parent, name=i)
    for i, parent in {"food": None, "bread": "food", "rye": "bread", "jam": "food", "soap": None}.items()
)


def test_rows_are_read_and_bad_ones_counted(tmp_path):
    path = tmp_path / "complements.csv"
    path.write_text(
        "category_id,other_id,lift\n"
        "bread,jam,2.5\n"
        "jam,bread,3\n"  # the same pair again: the last row counts
        "soap,rye,\n"  # no lift: the shop says yes, and not how much
        "bread,gone,2\n"
        "bread,bread,2\n"
        "bread,soap,-1\n"
        "bread,soap,much\n"
        "bread,soap,nan\n"
        ",soap,1\n"
    )
    found = read_known_pairs(path, TREE)
    assert found.lifts == {("bread", "jam"): 3.0, ("rye", "soap"): math.inf}
    assert found.rejected == 6


def test_columns_may_have_other_names_and_the_lift_may_be_left_out(tmp_path):
    path = tmp_path / "complements.jsonl"
    path.write_text('{"a": "bread", "b": "jam"}\n{"a": 7, "b": ["jam"]}\nnot json\n')
    found = read_known_pairs(path, TREE, columns={"category_id": "a", "other_id": "b"})
    assert (found.lifts, found.rejected) == ({("bread", "jam"): math.inf}, 2)


def test_a_missing_column_is_a_users_mistake(tmp_path):
    path = tmp_path / "complements.csv"
    path.write_text("category_id,lift\nbread,1\n")
    with pytest.raises(ShopError, match="other_id"):
        read_known_pairs(path, TREE)


def test_the_lowest_pair_that_is_known_counts():
    known = KnownPairs(lifts={("bread", "jam"): 3.0, ("food", "soap"): 0.5, ("rye", "soap"): 2.0})
    assert known.lift("rye", "jam", TREE) == known.lift("jam", "rye", TREE) == 3.0
    assert known.lift("rye", "soap", TREE) == 2.0
    assert known.lift("bread", "soap", TREE) == 0.5
    assert KnownPairs().lift("bread", "jam", TREE) is None
