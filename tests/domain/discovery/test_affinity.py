"""Pairs of categories in a log of which every number is worked by hand."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import combinations

import polars as pl
import pytest

from domain.discovery.affinity import Affinity, Lift, PairCounts, compute_affinity
from domain.evidence import ContextSettings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC).replace(tzinfo=None)
# Each category is a shelf of one product and a query of the same name.
PARENTS = {"wheat": "bread", "white": "bread", "bread": None, "jam": None, "soap": None, "tea": None}
BUY, CLICK = "purchase", "click"


@pytest.fixture
def affinity_of(tmp_path):
    """Compute the affinity of searches: client, minutes from noon, query, and (action, product) pairs."""

    def compute(searches, *, meanings=None, settings=None):
        folder = tmp_path / "warehouse"
        folder.mkdir()
        tree = {"category_id": list(PARENTS), "parent_id": list(PARENTS.values()), "name": list(PARENTS)}
        pl.DataFrame(tree, schema=dict.fromkeys(tree, pl.String)).write_parquet(folder / "taxonomy.parquet")
        goods = {"product_id": list(PARENTS), "category_id": list(PARENTS)}
        pl.DataFrame(goods).write_parquet(folder / "products.parquet")
        rows = [
            (f"q{i}", client, NOW + timedelta(minutes=at), query) for i, (client, at, query, _) in enumerate(searches)
        ]
        columns = dict.fromkeys(("query_id", "client_id", "session_id", "application"), pl.String)
        pl.DataFrame(
            [
                {
                    "query_id": i,
                    "client_id": c,
                    "session_id": c,
                    "application": None,
                    "at": at,
                    "query": q,
                    "hit_ids": [],
                }
                for i, c, at, q in rows
            ],
            schema={**columns, "at": pl.Datetime("us"), "query": pl.String, "hit_ids": pl.List(pl.String)},
        ).write_parquet(folder / "searches.parquet")
        events = [
            {"query_id": i, "client_id": c, "session_id": c, "at": at, "action": action, "product_id": product}
            for (i, c, at, _), (*_, actions) in zip(rows, searches, strict=True)
            for action, product in actions
        ]
        columns = dict.fromkeys(("query_id", "client_id", "session_id", "action", "product_id"), pl.String)
        pl.DataFrame(events, schema={**columns, "at": pl.Datetime("us")}).write_parquet(folder / "events.parquet")
        meanings = {name: name for name in PARENTS} if meanings is None else meanings
        items = pl.List(pl.Struct({"category_id": pl.String, "is_own": pl.Boolean, "share": pl.Float64}))
        pl.DataFrame(
            {
                "query": list(meanings),
                "categories": [[{"category_id": c, "is_own": True, "share": 0.9}] for c in meanings.values()],
            },
            schema={"query": pl.String, "categories": items},
        ).write_parquet(tmp_path / "context.parquet")
        return compute_affinity(
            folder, tmp_path / "context.parquet", settings=settings or ContextSettings(), internal=("internal*",)
        )

    return compute


def counted(affinity, one, other, kind):
    found = affinity.lift([one], [other], (kind,))
    return found.observed, pytest.approx(found.expected, abs=1e-9)


def test_a_lift_is_drawn_towards_one_and_has_bounds():
    assert Lift(observed=0, expected=0.0).estimate == 1.0
    # (2 + 2) / (1 + 2). The 5th and 95th percentile of a Gamma of shape 4 are 1.366 and 7.754, over 1 + 2.
    found = Lift(observed=2, expected=1.0)
    assert (found.estimate, found.low, found.high) == pytest.approx((4 / 3, 1.366 / 3, 7.754 / 3), abs=0.005)
    assert not found.is_raised and not found.is_lowered
    assert Lift(observed=40, expected=10.0).is_raised
    assert Lift(observed=1, expected=10.0).is_lowered
    # Nothing seen where two were expected is no evidence yet: 4.744 / (2 + 2) at the 95th percentile.
    assert Lift(observed=0, expected=2.0).high == pytest.approx(4.744 / 4, abs=0.005)
    assert not Lift(observed=0, expected=2.0).is_lowered


def test_baskets_are_counted_by_client_and_day(affinity_of):
    day = 24 * 60
    found = affinity_of(
        [
            ("anna", 0, "tea", [(BUY, "tea")]),
            ("anna", 60, "jam", [("add_to_cart", "jam"), (BUY, "jam"), (CLICK, "soap")]),
            ("bert", 0, "tea", [(BUY, "tea")]),
            ("bert", 9, "jam", [(BUY, "jam")]),
            ("bert", day, "soap", [(BUY, "soap")]),
        ]
    )
    # Tea and jam in 2 baskets each, soap in 1. Products of different ones: 5 x 5 - (4 + 4 + 1) = 16, for 2 pairs that
    # were seen: 2 / 16 = 1/8 each. Tea with jam is expected 2 x 2 x 2 / 8 = 1 time, tea with soap 2 x 2 x 1 / 8 = 1/2.
    assert counted(found, "tea", "jam", "together") == (2, 1.0)
    assert counted(found, "jam", "tea", "together") == (2, 1.0)
    assert counted(found, "tea", "soap", "together") == (0, 0.5)
    assert found.partners(["tea"], ("together",)) == ["jam"]


def test_two_answers_to_one_need_are_no_pair(affinity_of):
    found = affinity_of(
        [
            ("anna", 0, "bread", [(BUY, "wheat"), (BUY, "tea")]),  # by one query
            ("bert", 0, "bread", [(BUY, "wheat")]),
            ("bert", 5, "white bread", [(BUY, "white")]),  # siblings, by a part of a query
            ("cleo", 0, "tea", [(BUY, "tea")]),
            ("cleo", 5, "tea jam", [(BUY, "jam")]),  # a part too, and no siblings... but both are roots
            ("dora", 0, "bread", [(BUY, "wheat")]),
            ("dora", 5, "bread spread", [(BUY, "jam")]),  # another department
        ]
    )
    assert counted(found, "wheat", "tea", "together")[0] == 0
    assert counted(found, "wheat", "white", "together")[0] == 0
    assert counted(found, "tea", "jam", "together")[0] == 0
    assert counted(found, "wheat", "jam", "together")[0] == 1


def test_a_log_without_carts_is_read_by_its_clicks(affinity_of):
    found = affinity_of([("anna", 0, "tea", [(CLICK, "tea")]), ("anna", 1, "jam", [(CLICK, "jam")])])
    assert counted(found, "tea", "jam", "together") == (1, 1.0)


def test_steps_count_once_a_client_by_what_came_of_the_search(affinity_of):
    found = affinity_of(
        [
            ("anna", 0, "tea", [(CLICK, "tea")]),
            ("anna", 1, "jam", []),
            ("anna", 2, "tea", [(CLICK, "tea")]),
            ("anna", 3, "jam", []),  # the same step again
            ("bert", 0, "tea", []),
            ("bert", 1, "soap", []),
            ("bert", 60, "jam", []),  # after half an hour: another session
            ("cleo", 0, "unheard of", [(CLICK, "tea")]),
            ("cleo", 1, "jam", []),
        ]
    )
    # After success: tea to jam (anna). After failure: jam to tea (anna), tea to soap (bert).
    assert counted(found, "tea", "jam", "next")[0] == 1
    assert counted(found, "tea", "jam", "instead")[0] == 1
    assert counted(found, "tea", "soap", "instead")[0] == 1
    assert counted(found, "soap", "jam", "instead")[0] == 0
    # Complements take together and next: tea and jam once, as chance has it where nothing else was seen.
    assert found.lift(["tea"], ["jam"]) == Lift(observed=1, expected=1.0)


def test_crawlers_and_the_shop_itself_are_left_out(affinity_of):
    both = [(BUY, "jam")]
    searches = [("internal-7", 0, "tea", [(BUY, "tea")]), ("internal-7", 1, "jam", both)]
    searches += [("robot", i / 60, name, [(BUY, name)]) for i, name in enumerate(["tea", "jam"] * 15)]
    assert affinity_of(searches).lift(["tea"], ["jam"]) == Lift(observed=0, expected=0.0)


def test_a_client_with_ten_thousand_events_gives_forty_wants(affinity_of):
    searches = [
        ("anna", i / 100, f"query {i}", [(BUY, "soap" if i >= 40 else ["tea", "jam"][i % 2])]) for i in range(10_000)
    ]
    start = time.perf_counter()
    found = affinity_of(searches, settings=ContextSettings(bot_searches_a_minute=10**6, bot_searches_a_day=10**6))
    assert time.perf_counter() - start < 10
    # One client and day is one basket whatever is in it, and the soap came after the first forty wants.
    assert counted(found, "tea", "jam", "together") == (1, 1.0)
    assert counted(found, "tea", "soap", "together") == (0, 0.0)


def test_sets_of_categories_add_up(affinity_of):
    found = affinity_of(
        [
            ("anna", 0, "wheat", [(BUY, "wheat")]),
            ("anna", 5, "jam", [(BUY, "jam")]),
            ("bert", 0, "white", [(BUY, "white")]),
            ("bert", 5, "jam", [(BUY, "jam")]),
        ]
    )
    one, other = (found.lift([category], ["jam"], ("together",)) for category in ("wheat", "white"))
    both = found.lift(["wheat", "white", "bread"], ["jam"], ("together",))
    assert both.observed == one.observed + other.observed == 2
    assert both.expected == pytest.approx(one.expected + other.expected)
    assert found.partners(["wheat", "white"], ("together",)) == ["jam"]


def test_large_sets_give_what_small_ones_do():
    pairs = Counter({(f"a{i}", f"b{i}"): i for i in range(1, 6)})
    sides = Counter({name: 10 for pair in pairs for name in pair})
    found = Affinity({"together": PairCounts(pairs=pairs, first=sides, second=sides)})
    ones, others = [f"a{i}" for i in range(1, 6)], [f"b{i}" for i in range(1, 6)]
    # 25 combinations and 5 pairs: the pairs are walked, and not the combinations.
    assert found.lift(ones, others, ("together",)).observed == 15
    assert found.lift(others, ones, ("together",)).observed == 15
    assert found.lift(["a2"], ["b2"], ("together",)).observed == 2


def test_one_strong_pair_does_not_make_the_others_look_shunned():
    names = ["a", "b", "c", "d"]
    sides = Counter(dict.fromkeys(names, 100))
    pairs = Counter({pair: 10 for pair in combinations(names, 2)} | {("a", "b"): 900})
    found = Affinity({"together": PairCounts(pairs=pairs, first=sides, second=sides)})
    # All 950 pairs over 400 x 400 - 4 x 100 x 100 = 120,000 would expect 2 x 100 x 100 x 950 / 120,000 = 158 of each.
    # Without a and b, 50 pairs over 100,000 expect 10, and the other five have just that.
    assert found.lift(["c"], ["d"]) == Lift(observed=10, expected=pytest.approx(10.0))
    assert found.lift(["a"], ["b"]).estimate == pytest.approx(902 / 12)


def test_a_log_that_says_nothing_is_no_objection(affinity_of):
    found = affinity_of([])
    assert found.lift(["tea"], ["jam"]) == Affinity({}).lift(["tea"], ["jam"]) == Lift(observed=0, expected=0.0)
    assert found.partners(["tea"]) == []
    assert not found.lift(["tea"], ["jam"]).is_lowered
    assert found.lift([], []) == Lift(observed=0, expected=0.0)
