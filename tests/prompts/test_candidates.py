"""The short list: what converts and what shoppers turned to is on it, however unlike the words."""

from __future__ import annotations

import pytest

from domain.context import NextQuery, Reformulation
from prompts import CandidateFinder


@pytest.fixture(scope="module")
def finder(corner):
    def make(contexts=()):
        return CandidateFinder(
            taxonomy=corner.taxonomy,
            index=corner.index,
            products=corner.catalogue.products,
            contexts=None if contexts is None else corner.store(contexts),
        )

    return make


@pytest.mark.parametrize("limit", [1, 3, 5, 30])
def test_at_most_the_limit_is_offered_and_nothing_twice(finder, make_context, limit) -> None:
    context = make_context("milk", {"dogfood": 0.6, "milk": 0.3})
    found = finder([context]).find("milk", context, limit=limit)
    assert len(found) == min(limit, 17) == len(set(found))


def test_what_converts_comes_first_in_its_order_and_is_offered_at_any_limit(finder, make_context) -> None:
    # Nobody would guess dog food, cola or beef from these words.
    context = make_context("fresh orange juice", {"dogfood": 0.6, "soda": 0.3, "beef": 0.1})
    for limit in (3, 4, 30):
        assert finder([context]).find("fresh orange juice", context, limit=limit)[:3] == ["dogfood", "soda", "beef"]
    assert finder(None).find("fresh orange juice", None)[0] == "juice"


def test_a_category_that_has_the_demand_only_through_its_children_is_not_put_first(finder, make_context) -> None:
    own = make_context("milk", {"bars": 0.9}).categories[0]
    rolled_up = type(own)(**{**vars(own), "category_id": "snacks", "is_own": False})
    context = make_context("milk", categories=(rolled_up, own))
    assert finder([context]).find("milk", context)[0] == "bars"
    assert "snacks" not in finder([context]).find("milk", context, limit=2)


@pytest.mark.parametrize("kind", ["next_queries", "reformulations"])
def test_where_the_next_queries_lead_is_offered(finder, make_context, kind) -> None:
    related = {
        "next_queries": (NextQuery(query="fizzy", count=4, npmi=0.9),),
        "reformulations": (Reformulation(query="fizzy", count=4),),
    }[kind]
    nickname = make_context("greek yogurt", **{kind: related})
    fizzy = make_context("fizzy", {"beef": 0.9, "dogfood": 0.1, "chips": 0.05})
    # Alone, the words lead to neither; of what converts for the related query the first two come along.
    plain = finder([nickname]).find("greek yogurt", None, limit=8)
    assert {"beef", "dogfood"} & {*plain} == set()
    found = finder([nickname, fizzy]).find("greek yogurt", nickname, limit=8)
    assert {"beef", "dogfood"} <= {*found}


def test_next_queries_without_a_context_lead_where_retrieval_does(finder, make_context) -> None:
    context = make_context("greek yogurt", next_queries=(NextQuery(query="dog food", count=4, npmi=0.9),))
    assert "dogfood" not in finder([context]).find("greek yogurt", None, limit=6)
    assert "dogfood" in finder([context]).find("greek yogurt", context, limit=6)


def test_short_ids_lead_back_to_what_was_found(finder, make_context) -> None:
    context = make_context("milk", {"dogfood": 0.6})
    found = finder([context]).find("milk", context, limit=5)
    offer = finder([context]).offer("milk", context, limit=5)
    assert [*offer.ids] == ["k1", "k2", "k3", "k4", "k5"]
    assert {*offer.ids.values()} == {*found}
    assert offer.text.count("\n") == 4


def test_an_offer_is_the_same_every_time(finder, make_context) -> None:
    context = make_context("milk", {"dogfood": 0.6}, next_queries=(NextQuery(query="cola", count=4, npmi=0.9),))
    used = finder([context])
    offers = [used.offer("milk", context), used.offer("milk", context), finder([context]).offer("milk", context)]
    assert offers[0] == offers[1] == offers[2]
