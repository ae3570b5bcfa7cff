from collections import Counter

import pytest

from demo import SHOP
from demo.behaviour import BEHAVIOUR, read_behaviour
from demo.intents import compile_behaviour
from demo.products import read_products

ROWS = read_behaviour()


def test_there_are_as_many_queries_as_promised() -> None:
    assert 1_500 <= len(ROWS) <= 1_600
    assert len({row.query for row in ROWS}) == len(ROWS)
    assert [row.rank for row in ROWS] == list(range(1, len(ROWS) + 1))
    kinds = Counter(row.kind for row in ROWS)
    assert kinds["typo"] >= 150
    assert kinds["zero_result"] >= 40
    assert kinds["out_of_domain"] >= 10


def test_departing_queries_say_why() -> None:
    departing = [row for row in ROWS if row.departs]
    assert len(departing) >= 60
    assert all(row.why and row.needs for row in departing)


def test_needs_add_up_and_can_be_served() -> None:
    products = read_products()
    for row in ROWS:
        for needs in filter(None, (row.needs, row.drift)):
            assert sum(need.share for need in needs) == pytest.approx(1.0), row.query
            for need in needs:
                served = [
                    product
                    for product in products
                    if product.category == need.category
                    and (not need.brand or product.brand == need.brand)
                    and set(need.words) <= product.words
                ]
                assert served, (row.query, need)


def test_next_queries_are_queries_and_leave_room_for_others() -> None:
    known = {row.query for row in ROWS}
    for row in ROWS:
        assert {one.query for one in row.next} <= known - {row.query}, row.query
        assert sum(one.probability for one in row.next) < 0.8


def test_the_sheets_give_the_committed_file() -> None:
    assert compile_behaviour() == ROWS


def test_nothing_the_pipeline_must_not_read_lies_in_the_shop_folder() -> None:
    assert BEHAVIOUR.parent != SHOP
    committed = {"shop.toml", "gates.toml", "taxonomy.csv", "products.jsonl"}
    generated = {"ubi_queries.parquet", "ubi_events.parquet"}
    assert committed <= {path.name for path in SHOP.iterdir()} <= committed | generated
