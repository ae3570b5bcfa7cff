import csv
import json
from collections import Counter

from demo import SHOP
from demo.behaviour import read_behaviour
from demo.gold import GOLD

with GOLD.open(encoding="utf-8") as _lines:
    ROWS = [json.loads(line) for line in _lines]
with (SHOP / "taxonomy.csv").open(encoding="utf-8", newline="") as _lines:
    KNOWN = {row["category_id"] for row in csv.DictReader(_lines)}
TYPES = {
    "product_type",
    "brand",
    "attribute",
    "dietary",
    "size",
    "color",
    "material",
    "audience",
    "occasion",
    "price",
}


def test_four_hundred_queries_each_once() -> None:
    assert len(ROWS) == 400
    assert len({row["query"] for row in ROWS}) == 400
    assert {row["rater"] for row in ROWS} == {"demo"}


def test_every_departing_query_is_labelled_and_all_slices_are_there() -> None:
    departing = {row.query for row in read_behaviour() if row.departs}
    assert departing == {row["query"] for row in ROWS if row["kind"] == "departs"}
    kinds = Counter(row["kind"] for row in ROWS)
    assert set(kinds) == {"head", "torso", "tail", "departs", "zero_result", "typo", "out_of_domain"}
    assert min(kinds.values()) >= 10


def test_categories_are_known_and_named_once() -> None:
    for row in ROWS:
        named = row["categories"] + row["acceptable"]
        assert set(named) <= KNOWN
        assert len(set(named)) == len(named), row["query"]
        assert len(row["categories"]) <= 6


def test_annotations_point_at_their_text() -> None:
    for row in ROWS:
        for one in row["annotations"]:
            assert row["query"][one["start"] : one["end"]] == one["text"] != ""
            assert one["type"] in TYPES
            assert one["value"]


def test_specificity_and_rewrites_are_of_the_closed_sets() -> None:
    queries = {row.query for row in read_behaviour()}
    for row in ROWS:
        assert row["specificity"] in {"broad", "category", "specific", "navigational"}
        for rewrite in row["rewrites"]:
            assert rewrite["type"] in {"spelling", "synonym", "broader", "substitute"}
    proposed = [rewrite["query"] for row in ROWS for rewrite in row["rewrites"]]
    assert sum(query in queries for query in proposed) / len(proposed) > 0.9
