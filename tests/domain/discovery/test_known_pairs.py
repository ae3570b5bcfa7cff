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
    [file] = found.files
    assert (file.file, file.rows, file.accepted) == ("complements.csv", 9, 3)
    assert file.rejected == {
        "bad lift": 3,
        "unknown category": 1,
        "twice the same category": 1,
        "missing category": 1,
    }
    # The header is line 1.
    assert [(one.line, one.reason) for one in file.first_rejected] == [
        (5, "unknown category"),
        (6, "twice the same category"),
        (7, "bad lift"),
        (8, "bad lift"),
        (9, "bad lift"),
        (10, "missing category"),
    ]


def test_a_row_that_cannot_be_read_has_the_reason_of_any_file(tmp_path):
    path = tmp_path / "complements.csv"
    rows = [b"bread,jam", b"bread,jam,2,3", b"bread,j\0m,2", b"bread,j\xe8m,2", b"bread,jam,1e999", b"bread,jam,2"]
    path.write_bytes(b"category_id,other_id,lift\n" + b"\n".join(rows) + b"\n")
    [file] = read_known_pairs(path, TREE, file="lists/complements.csv").files
    assert (file.file, file.rows, file.accepted) == ("lists/complements.csv", 6, 1)
    reasons = {one.line: one.reason for one in file.first_rejected}
    assert reasons == {2: "malformed CSV", 3: "malformed CSV", 4: "NUL byte", 5: "invalid UTF-8", 6: "bad lift"}


def test_of_many_bad_rows_ten_are_named_and_all_are_counted(tmp_path):
    path = tmp_path / "complements.csv"
    path.write_text("category_id,other_id\n" + "bread,gone\n" * 5000 + "jam,soap\n")
    [file] = read_known_pairs(path, TREE).files
    assert (file.accepted, file.rejected) == (1, {"unknown category": 5000})
    assert [one.line for one in file.first_rejected] == [*range(2, 12)]


def test_a_file_without_a_row_rejects_nothing(tmp_path):
    for text in ("", "category_id,other_id,lift\n"):
        (tmp_path / "complements.csv").write_text(text)
        found = read_known_pairs(tmp_path / "complements.csv", TREE)
        assert (found.lifts, found.rejected, found.files[0].rows) == ({}, 0, 0)


def test_columns_may_have_other_names_and_the_lift_may_be_left_out(tmp_path):
    path = tmp_path / "complements.jsonl"
    path.write_text('{"a": "bread", "b": "jam"}\n{"a": 7, "b": ["jam"]}\nnot json\n')
    found = read_known_pairs(path, TREE, columns={"category_id": "a", "other_id": "b"})
    assert (found.lifts, found.rejected) == ({("bread", "jam"): math.inf}, 2)
    assert found.files[0].rejected == {"missing category": 1, "malformed JSON": 1}


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
