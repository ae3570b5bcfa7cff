"""Harm, and what is charged with it. Ten products, all found by "switch", a0 to a4 first, then b0 to b4.

Sums of the discounts of places 1 to 5 and 6 to 10: 2.94846 and 1.59510. With a0 to a4 rated 3 and the others 0, the
plain list is ideal, and with the others first nDCG@10 is 1.59510 / 2.94846 = 0.54099: a loss of 0.45901.
"""

from __future__ import annotations

import pytest

from evals.replay.harm import harmed_queries
from evals.replay.trial import Bench

RATED = {**{f"a{i}": 3.0 for i in range(5)}, **{f"b{i}": 0.0 for i in range(5)}}
LOSS = 1 - 1.59510 / 2.94846


@pytest.fixture(scope="module")
def found(search, switches):
    return search(switches)


def test_a_wrong_category_is_charged_and_withheld(found, judged, answer):
    wrong = answer("switch", [("games", 0.9)], [("switch port", "synonym", 0.1)])
    bench = Bench(found, [judged("switch", RATED, 7)])
    (harm,) = harmed_queries(bench, [wrong], "boost+expand", factor=10, titles={"b0": "a console"})
    assert (harm.query, harm.searches, harm.before) == ("switch", 7, 1.0)
    assert harm.loss == pytest.approx(LOSS, abs=1e-5)
    categories, rewrites = harm.parts
    assert (categories.part, categories.verdict) == ("categories", "withhold")
    losses = (categories.loss, categories.condensed_loss, categories.sure_loss)
    assert losses == pytest.approx((LOSS,) * 3, abs=1e-5)
    assert (rewrites.part, rewrites.verdict, rewrites.loss) == ("rewrites", "none", 0.0)
    assert [listed.product_id for listed in harm.list_before] == [f"a{i}" for i in range(5)] + [
        f"b{i}" for i in range(5)
    ]
    assert (harm.list_after[0].title, harm.list_after[0].rating, harm.list_after[5].product_id) == (
        "a console",
        0.0,
        "a0",
    )


def test_a_harmful_rewrite_is_charged_with_its_own_loss(found, judged, answer):
    wrong = answer("switch", [("net", 0.9)], [("game", "spelling", 0.9)])
    bench = Bench(found, [judged("switch", RATED)])
    (harm,) = harmed_queries(bench, [wrong], "boost+expand", factor=10, titles={})
    # The spelling leaves b0 to b4 alone: nDCG 0, with and without the category.
    assert [(part.part, part.verdict, part.after) for part in harm.parts] == [
        ("categories", "none", 1.0),
        ("rewrites", "withhold", 0.0),
    ]


def test_both_parts_can_be_to_blame(found, judged, answer):
    wrong = answer("switch", [("games", 0.9)], [("game", "spelling", 0.9)])
    (harm,) = harmed_queries(Bench(found, [judged("switch", RATED)]), [wrong], "boost+expand", factor=10, titles={})
    assert [part.verdict for part in harm.parts] == ["withhold", "withhold"]
    assert [part.loss for part in harm.parts] == pytest.approx([LOSS, 1.0], abs=1e-5)
    assert harm.after == 0.0


def test_a_loss_that_ratings_of_unjudged_products_could_undo_is_not_withheld(found, judged, answer):
    only_nets = {product: rating for product, rating in RATED.items() if rating}
    bench = Bench(found, [judged("switch", only_nets)])
    (harm,) = harmed_queries(bench, [answer("switch", [("games", 0.9)])], "boost", factor=10, titles={})
    (part,) = harm.parts
    # Rated 3, b0 to b4 would gain what a0 to a4 lose.
    assert (part.verdict, part.condensed_loss) == ("unjudged", 0.0)
    assert (part.loss, part.sure_loss) == pytest.approx((LOSS, 0.0), abs=1e-5)
    assert [listed.rating for listed in harm.list_after] == [None] * 5 + [3.0] * 5


def test_a_slight_loss_is_said_to_be_so(found, judged, answer):
    # All are rated 3 but b4, a little less, which the category moves from place 10 to 5.
    rated = RATED | {"b0": 3.0, "b1": 3.0, "b2": 3.0, "b3": 3.0, "b4": 2.9}
    bench = Bench(found, [judged("switch", rated)])
    (harm,) = harmed_queries(bench, [answer("switch", [("games", 0.9)])], "boost", factor=10, titles={})
    (part,) = harm.parts
    assert part.verdict == "slight" and 0 < part.loss < 0.02


def test_harm_that_only_the_parts_together_do_is_charged_to_one_of_them(search, product, judged, answer):
    products = [product(f"a{i}", "laptop") for i in range(5)] + [product(f"b{i}", "bag", "bags") for i in range(5)]
    # No bag has the query's word, so the category alone moves nothing; the rewrite alone puts bags below all laptops.
    wrong = answer("laptop", [("bags", 0.9)], [("bag", "broader", 0.9)])
    bench = Bench(search(products), [judged("laptop", RATED)])
    (harm,) = harmed_queries(bench, [wrong], "boost+expand", factor=30, titles={})
    assert [(part.part, part.verdict) for part in harm.parts] == [("categories", "withhold"), ("rewrites", "none")]
    assert harm.parts[0].loss == harm.loss == pytest.approx(LOSS, abs=1e-5)


def test_a_filter_that_leaves_less_than_a_page_is_taken_off(found, judged, answer):
    bench = Bench(found, [judged("switch", RATED)])
    assert harmed_queries(bench, [answer("switch", [("games", 0.9)])], "filter", factor=0, titles={}) == ()


def test_most_searches_times_loss_first_and_gains_and_barren_queries_never(found, judged, answer):
    other_way = {product: 3.0 - rating for product, rating in RATED.items()}
    bench = Bench(
        found,
        [
            judged("switch", RATED, 2),
            judged("switch port", RATED, 9),
            judged("port switch", other_way, 99),
            judged("the switch", dict.fromkeys(RATED, 0.0), 99),
            judged("a switch", {}, 99),
        ],
    )
    answers = [answer(query.query, [("games", 1.0)]) for query in bench.judged]
    harmed = harmed_queries(bench, answers, "boost", factor=100, titles={})
    assert [(harm.query, harm.searches) for harm in harmed] == [("switch port", 9), ("switch", 2)]
