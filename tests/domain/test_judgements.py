"""Judgements of people: what is read of a row, and what becomes of one that cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from domain.errors import ShopError
from domain.judgements import Judgement, Pair, RejectedJudgement, read_judgements, read_pairs

PRODUCTS = {"p1", "p2", "7"}
ELECTRONICS = Path(__file__).resolve().parents[3] / "shared" / "data" / "electronics"


@pytest.fixture
def read(tmp_path):
    def from_text(text: str, name: str = "judgements.csv", **more):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        rejected: list[RejectedJudgement] = []
        return read_judgements(path, PRODUCTS, reject=rejected.append, **more), rejected

    return from_text


def test_a_row_is_a_rating_of_a_product_for_a_query_in_normal_form(read) -> None:
    found, rejected = read("query,product_id,rating,rater\n Red  DRILL ,p1,3,anna\nsaw,p2,0,\n")
    assert found == (
        Judgement(query="red drill", product_id="p1", rating=3, rater="anna"),
        Judgement(query="saw", product_id="p2", rating=0, rater=""),
    )
    assert rejected == []


def test_a_row_that_cannot_be_used_is_counted_with_its_line(read) -> None:
    rows = [
        "saw,p1,2,a",
        "saw,p1,2,a",  # 3: twice
        "SAW,p1,1,a",  # 4: the same query in normal form, another rating: the first counts
        "saw,p1,1,b",
        ",p1,2,a",  # 6
        "!!,p1,2,a",  # 7: nothing in normal form
        f"{'x' * 257},p1,2,a",  # 8
        "saw,,2,a",  # 9
        "saw,p9,2,a",  # 10
        *(f"saw,p2,{rating},a" for rating in ("4", "-1", "2.5", "", "nan", "inf", "good")),  # 11 to 17
        "saw,p2,2",  # 18
        f"saw{' ' * 2048}ann@example.com,p1,2,a",  # 19: nobody looks so far for what is personal
    ]
    found, rejected = read("query,product_id,rating,rater\n" + "\n".join(rows) + "\n")
    assert [(j.rater, j.rating) for j in found] == [("a", 2), ("b", 1)]
    assert {flaw: [r.line for r in rejected if r.flaw == flaw] for flaw in {r.flaw for r in rejected}} == {
        "duplicate": [3, 4],
        "bad_query": [6, 7, 8, 19],
        "bad_product": [9],
        "unknown_product": [10],
        "bad_rating": [11, 12, 13, 14, 15, 16, 17],
        "malformed": [18],
    }


def test_a_query_with_personal_data_is_left_out_as_it_is_typed_in_the_country_of_the_shop(read) -> None:
    text = "query,product_id,rating\nsaw,p1,2\njane.roe@example.com,p1,2\n020 7946 0958 saw,p2,2\n"
    for region, lines in (("GB", [3, 4]), (None, [3])):
        found, rejected = read(text, region=region)
        assert len(found) + len(rejected) == 3
        assert [(r.line, r.flaw) for r in rejected] == [(line, "personal_data") for line in lines]


def test_numbers_of_other_formats_are_read_alike(read, tmp_path) -> None:
    rows = [
        {"query": "saw", "product_id": 7, "rating": 3.0, "rater": 1.0},
        {"query": "axe", "product_id": 7.0, "rating": "2"},
        {"query": "hoe", "product_id": "p1", "rating": True},
        {"query": "hoe", "product_id": True, "rating": 1},
        {"query": ["hoe"], "product_id": "p1", "rating": 1},
        {"query": "hoe", "product_id": "p1", "rating": [1]},
        {"query": "hoe", "product_id": "p1", "rating": 10**400},
    ]
    found, rejected = read("".join(json.dumps(row) + "\n" for row in rows), "judgements.jsonl")
    assert found == (
        Judgement(query="saw", product_id="7", rating=3, rater="1"),
        Judgement(query="axe", product_id="7", rating=2, rater=""),
    )
    assert Counter(r.flaw for r in rejected) == {"bad_rating": 3, "bad_product": 1, "bad_query": 1}
    frame = pl.DataFrame({"query": ["saw"], "product_id": ["p1"], "rating": [1], "rater": [None]})
    frame.write_parquet(tmp_path / "judgements.parquet")
    assert read_judgements(tmp_path / "judgements.parquet", PRODUCTS)[0].rating == 1


def test_columns_may_have_other_names_and_no_rater_is_needed(read) -> None:
    found, _ = read("q,doc,rel\nsaw,p1,2\n", columns={"query": "q", "product_id": "doc", "rating": "rel"})
    assert found == (Judgement(query="saw", product_id="p1", rating=2, rater=""),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no usable judgement"),
        ("query,product_id,rating\n", "no usable judgement"),
        ("query,product_id,rating\nsaw,p9,2\n", "line 2: unknown_product"),
        ("query,rating\nsaw,2\n", "column 'product_id' is missing"),
    ],
)
def test_a_file_without_a_usable_row_is_refused(read, text: str, said: str) -> None:
    with pytest.raises(ShopError, match=said):
        read(text)


def test_a_file_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(ShopError, match="cannot be read"):
        read_judgements(tmp_path / "gone.csv", PRODUCTS)


def test_pairs_to_rate_are_read_once_whatever_their_ratings_are(tmp_path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("rater,rating,product_id,query\n,,p1,Saw\n,good,p2,saw\nann,3,p1, SAW \n")
    assert read_pairs(path, PRODUCTS) == (
        Pair(query="saw", product_id="p1"),
        Pair(query="saw", product_id="p2"),
    )
    (tmp_path / "pairs.jsonl").write_text('{"query": "saw", "product_id": 7}\n')
    assert read_pairs(tmp_path / "pairs.jsonl", PRODUCTS) == (Pair(query="saw", product_id="7"),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no pair"),
        ("query,product_id\n", "holds no pair"),
        ("query,product_id\nsaw,p1\nsaw,p9\n", ":3: unknown product 'p9'"),
        ("query,product_id\nsaw\n", ":2: malformed"),
        ("query,product_id\n!!,p1\n", ":2: bad query"),
        ("query,product_id\nsaw,\n", ":2: bad product"),
        ("query,doc\nsaw,p1\n", ":2: bad product"),
    ],
)
def test_pairs_of_which_one_cannot_be_used_are_refused(tmp_path, text: str, said: str) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(ShopError, match=said) as error:
        read_pairs(tmp_path / "pairs.csv", PRODUCTS)
    assert "query and product_id" in error.value.hint
    with pytest.raises(ShopError, match="cannot be read"):
        read_pairs(tmp_path / "gone.csv", PRODUCTS)


def test_pairs_with_personal_data_are_refused_without_showing_it(tmp_path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("query,product_id\nsaw,p1\n020 7946 0958 saw,p1\n")
    assert len(read_pairs(path, PRODUCTS)) == 2
    with pytest.raises(ShopError, match=":3: personal data") as error:
        read_pairs(path, PRODUCTS, region="GB")
    assert "7946" not in str(error.value)


@pytest.mark.skipif(not ELECTRONICS.is_dir(), reason="needs the electronics shop beside the checkout")
def test_every_judgement_of_the_electronics_shop_is_read() -> None:
    with (ELECTRONICS / "products.jsonl").open() as file:
        products = {json.loads(line)["product_id"] for line in file}
    rejected: list[RejectedJudgement] = []
    found = read_judgements(ELECTRONICS / "judgements.csv", products, reject=rejected.append)
    # As its README counts them.
    assert (len(found), rejected) == (6_342, [])
    assert Counter(j.rater for j in found) == dict.fromkeys(("agent_1", "agent_2", "agent_3"), 2_114)
