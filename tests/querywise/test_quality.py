"""Demand, conversion and stated quality of products, on a shop of which every number is worked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest

from domain.evidence import ContextSettings
from domain.shop import open_shop
from querywise.pipeline import make_release
from querywise.quality import compute_quality
from release import open_release

WEIGHTS = {"click": 1.0, "add_to_cart": 4.0, "purchase": 10.0}
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC).replace(tzinfo=None)

Search = tuple[str, str, Sequence[tuple[str, str]]]  # client, days ago, (action, product)


def _warehouse(
    folder: Path,
    products: dict[str, str],
    searches: Sequence[tuple[str, float, Sequence[tuple[str, str]]]],
    stated: Mapping[str, float] = MappingProxyType({}),
):
    """Write what ingest writes, as far as it is read here; a search is a client, its age in days and its actions."""
    folder.mkdir()
    pl.DataFrame(
        {
            "product_id": list(products),
            "category_id": list(products.values()),
            "quality": [stated.get(name) for name in products],
        },
        schema={"product_id": pl.String, "category_id": pl.String, "quality": pl.Float64},
    ).write_parquet(folder / "products.parquet")
    moments = [NOW - timedelta(days=age) for _, age, _ in searches]
    clients = [client for client, _, _ in searches]
    ids = [f"q{i}" for i in range(len(searches))]
    pl.DataFrame(
        {"query_id": ids, "client_id": clients, "session_id": None, "application": None, "at": moments, "query": "x"}
        | {"hit_ids": [["a"]] * len(ids)},
        schema={
            **dict.fromkeys(("query_id", "client_id", "session_id", "application"), pl.String),
            **{"at": pl.Datetime("us"), "query": pl.String, "hit_ids": pl.List(pl.String)},
        },
    ).write_parquet(folder / "searches.parquet")
    events = [
        {"query_id": name, "client_id": client, "session_id": None, "at": at, "action": action, "product_id": product}
        for name, client, at, (_, _, actions) in zip(ids, clients, moments, searches, strict=True)
        for action, product in actions
    ]
    schema = dict.fromkeys(("query_id", "client_id", "session_id", "action", "product_id"), pl.String)
    pl.DataFrame(events, schema={**schema, "at": pl.Datetime("us")}).write_parquet(folder / "events.parquet")
    return folder


def _qualities(warehouse: Path, **settings: object) -> dict[str, list[float]]:
    found = compute_quality(warehouse, settings=ContextSettings(**settings), weights=WEIGHTS, internal=("internal*",))
    return dict(zip(found.product_ids, found.values.tolist(), strict=True))


def test_ranks_within_the_category(tmp_path):
    products = {"a": "tea", "b": "tea", "c": "tea", "d": "tea", "e": "soap", "f": "new"}
    click, cart, buy = "click", "add_to_cart", "purchase"
    log = [
        ("anna", 0, [(click, "a"), (buy, "a")]),
        ("bert", 0, [(click, "a"), (click, "a")]),  # twice in one search counts once
        ("cleo", 0, [(click, "b"), (cart, "b")]),
        ("dora", 0, [("impression", "c"), ("view", "d"), (click, "gone")]),
        ("emil", 0, [(click, "e")]),
    ]
    found = _qualities(_warehouse(tmp_path / "w", products, log))
    # Tea by demand: a 1 + 10 + 1 = 12, b 1 + 4 = 5, c and d 0. Mid-ranks of four: (3 + 0.5) / 4, (2 + 0.5) / 4, and
    # twice (0 + 0.5 x 2) / 4. By conversion the shop has 1 / 4 and tea (1 + 20 / 4) / (3 + 20) = 6 / 23: a has
    # (1 + 20 x 6 / 23) / 22 = 0.283, b (0 + 20 x 6 / 23) / 21 = 0.248, and c and d the 0.261 of their category.
    assert found["a"] == [0.875, 0.875, 0.5]
    assert found["b"] == [0.625, 0.125, 0.5]
    assert found["c"] == found["d"] == [0.25, 0.5, 0.5]
    # Alone in its category a product is in its middle, chosen or not.
    assert found["e"] == found["f"] == [0.5, 0.5, 0.5]


def test_every_category_has_the_mean_of_one_half(tmp_path):
    products = {f"p{i}": f"c{i % 7}" for i in range(60)}
    log = [(f"s{i}", i % 50, [("click", f"p{i * i % 60}"), ("purchase", f"p{i % 4}")]) for i in range(200)]
    found = compute_quality(
        _warehouse(tmp_path / "w", products, log), settings=ContextSettings(), weights=WEIGHTS, internal=()
    )
    frame = pl.DataFrame({"category": [products[p] for p in found.product_ids], "v": found.values.tolist()})
    for _, rows in frame.group_by("category"):
        for side in (0, 1):
            assert sum(row[side] for row in rows["v"]) / len(rows) == pytest.approx(0.5)
    assert found.values.min() > 0 and found.values.max() < 1


def test_old_searches_count_less(tmp_path):
    log = [
        ("anna", 120, [("click", "a")]),
        ("bert", 121, [("click", "a")]),
        ("cleo", 0, [("click", "b")]),
    ]
    warehouse = _warehouse(tmp_path / "w", {"a": "tea", "b": "tea"}, log)
    # After two half-lives of 60 days two clicks are worth about half of one.
    assert [found[0] for found in map(_qualities(warehouse).get, "ab")] == [0.25, 0.75]
    assert [found[0] for found in map(_qualities(warehouse, half_life_days=1e6).get, "ab")] == [0.75, 0.25]


def test_crawlers_and_the_shop_itself_count_nothing(tmp_path):
    crawler = [("robot", i / 86_400, [("click", "a"), ("purchase", "a")]) for i in range(30)]
    log = [*crawler, ("internal-7", 0, [("purchase", "a")]), ("anna", 0, [("click", "b")])]
    found = _qualities(_warehouse(tmp_path / "w", {"a": "tea", "b": "tea"}, log))
    assert (found["a"], found["b"]) == ([0.25, 0.5, 0.5], [0.75, 0.5, 0.5])


def test_one_lucky_purchase_moves_less_than_many(tmp_path):
    bought = [("click", "many"), ("purchase", "many")]
    log = [(f"m{i}", 0, bought if i < 40 else bought[:1]) for i in range(80)]
    log += [("l", 0, [("click", "lucky"), ("purchase", "lucky")])]
    log += [(f"n{i}", 0, [("click", "never")]) for i in range(80)]
    found = _qualities(_warehouse(tmp_path / "w", dict.fromkeys(("many", "lucky", "never", "unseen"), "tea"), log))
    # Tea: 41 of 161, drawn to itself: 0.2547. many (40 + 5.09) / 100 = 0.451, lucky (1 + 5.09) / 21 = 0.290,
    # unseen 0.255, never 5.09 / 100 = 0.051.
    assert [found[name][1] for name in ("never", "unseen", "lucky", "many")] == [0.125, 0.375, 0.625, 0.875]


def test_a_purchase_without_a_click_is_a_search_that_ended_in_one(tmp_path):
    log = [("anna", 0, [("purchase", "a")]), ("bert", 0, [("click", "b")])]
    found = _qualities(_warehouse(tmp_path / "w", {"a": "tea", "b": "tea"}, log))
    assert (found["a"], found["b"]) == ([0.75, 0.75, 0.5], [0.25, 0.25, 0.5])


@pytest.mark.parametrize("scale", [1e300, 1e-300, 0.0])
def test_weights_of_any_size(tmp_path, scale):
    log = [
        ("anna", 0, [("click", "a"), ("purchase", "a")]),
        ("bert", 0, [("click", "a")]),
        ("cleo", 0, [("click", "b")]),
    ]
    warehouse = _warehouse(tmp_path / "w", {"a": "tea", "b": "tea"}, log)
    weights = {"click": scale, "purchase": 0.5 * scale}
    found = compute_quality(warehouse, settings=ContextSettings(), weights=weights, internal=())
    assert found.values[:, 0].tolist() == ([0.75, 0.25] if scale else [0.5, 0.5])


def test_a_log_without_events_says_nothing(tmp_path):
    found = _qualities(_warehouse(tmp_path / "w", {"a": "tea", "b": "tea", "c": "soap"}, [("anna", 0, [])]))
    assert set(found) == {"a", "b", "c"} and all(values == [0.5, 0.5, 0.5] for values in found.values())


def test_what_the_shop_states_is_taken_as_it_is_and_else_the_middle(tmp_path):
    products = {"a": "tea", "b": "tea", "c": "tea", "d": "tea", "e": "soap"}
    stated = {"a": 0.0, "b": 0.8125, "c": 1.0, "e": 0.1875}
    log = [("anna", 0, [("click", "d")])]
    found = _qualities(_warehouse(tmp_path / "w", products, log, stated))
    # As ranks the four teas would have 0.125, 0.625, 0.875 and 0.375, and the soap 0.5. Zero is stated too.
    assert [found[name][2] for name in "abcde"] == [0.0, 0.8125, 1.0, 0.5, 0.1875]
    # It moves no rank: only the chosen tea stands out, and nothing was bought.
    assert [found[name][:2] for name in "abcd"] == [[0.375, 0.5]] * 3 + [[0.875, 0.5]]


def test_a_release_with_a_student_carries_them(made, tools, teach, tmp_path):
    work = tools.copy_work(made.work, tmp_path / "work")
    shop = open_shop(made.shop, work=work)
    bare = make_release(shop)
    assert not (bare.folder / "quality").exists()
    teach(shop.student, shop.load_taxonomy())
    built = make_release(shop)
    assert built.inputs != bare.inputs and make_release(shop) == built
    with open_release(built.folder) as release:
        sold = release.embed(["", ""], kind="product", products=["bars1", "bars4"])[:, 8:]
    # Of four bars the log knows two: the first was clicked half of 80 times, the fourth never.
    assert sold[1, 0] == 0.25 < sold[0, 0]
