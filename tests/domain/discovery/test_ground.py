"""Grounding: what really is what a query says, where it lies, and why nothing shows it."""

from __future__ import annotations

import pytest

from domain.context import CategoryEvidence, DomainContext
from domain.discovery.ground import MOST_PRODUCTS, Grounded, Ungrounded


def lies_in(small, query):
    found = small.ground(query)
    return found.category_id if isinstance(found, Grounded) else found.reason


def test_products_are_what_the_query_says(small):
    assert small.titles("balsamic vinegar") == ["Casa Balsamic Vinegar, 8 oz"]
    assert lies_in(small, "balsamic vinegar") == "vinegar"
    # "wine" alone and "vinegar" alone are on other titles and names.
    assert small.titles("wine vinegar") == ["Casa Red Wine Vinegar, 16 oz"]


def test_a_rare_word_is_enough_though_it_means_nothing_to_the_encoder(small):
    assert small.titles("halibut") == ["Tidewater Halibut Fillet, 12 oz"]
    assert lies_in(small, "halibut") == "white"


def test_words_that_are_part_of_another_thing_are_outvoted(small):
    # Butter lettuce and almond butter hold the word too; the category of that name decides.
    assert lies_in(small, "butter") == "butter"
    assert {*small.titles("butter")} == {"Meadow Salted Butter, 16 oz", "Meadow Unsalted Butter, 16 oz"}


def test_what_is_sold_may_stand_in_the_category_alone(small):
    # Spaghetti is pasta; penne is no gluten free pasta, and rotini is not said to be gluten free in its title.
    assert small.titles("gluten free pasta") == ["Freely Gluten Free Spaghetti, 8 oz", "Freely Chickpea Rotini, 8 oz"]
    assert lies_in(small, "gluten free pasta") == "glutenfree"


def test_a_category_that_bears_the_query_for_a_name_shows_its_products(small):
    assert {*small.titles("red wine")} == {"Stag Cabernet Sauvignon, 750 ml", "Stag Merlot, 750 ml"}
    assert lies_in(small, "red wine") == "red"


def test_products_that_share_a_parent_lie_in_it(small):
    # One of whole and one of skim milk: neither has most of what shows "cow's milk".
    assert lies_in(small, "cow's milk") == "milk"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("swordfish", "no_product"),  # the category is there, and nothing in it
        ("", "no_product"),
        ("the", "no_product"),
        ("zorblax", "no_product"),
        ("sherry vinegar", "unlike"),  # another vinegar is none
        ("smoked trout", "out_of_stock"),
        ("red", "scattered"),  # the vinegar by its title, the wine by its category
    ],
)
def test_what_shows_nothing_says_why(small, query, reason):
    assert small.ground(query) == Ungrounded(query=query, reason=reason)


def test_unknown_stock_is_in_stock(small):
    assert small.titles("lemons") == ["Lemons, each"]


def test_what_fits_equally_well_comes_by_popularity(small):
    assert small.titles("meadow butter")[0] == "Meadow Unsalted Butter, 16 oz"


def test_one_title_is_shown_once(small):
    # Cod fillets come in two sizes, and are one thing.
    assert len(small.titles("cod fillet")) == 1
    assert len(small.ground("cod fillet").found) == 2
    assert all(len(small.titles(query)) <= MOST_PRODUCTS for query in ("fish", "oil", "milk"))


def test_a_word_too_many_is_forgiven_where_the_meaning_is_near(small):
    assert small.titles("fresh atlantic salmon fillet") == ["Tidewater Atlantic Salmon Fillet, 1 lb"]
    # But never what a shopper cannot do without.
    assert lies_in(small, "sugar free almond milk") == "unlike"
    assert lies_in(small, "atlantic salmon soup") == "unlike"


def test_the_logs_demand_decides_between_two_readings(small, contexts):
    assert lies_in(small, "printer") == "printers"
    demand = CategoryEvidence(
        category_id="cables",
        level=1,
        is_own=True,
        share=1.0,
        score=9,
        events=9,
        clicks=9,
        carts=0,
        purchases=0,
        clients=9,
    )
    context = DomainContext(
        query="usb printer",
        searches=9,
        clients=9,
        tier="head",
        share=0.1,
        zero_share=0,
        acted_share=1,
        categories=(demand,),
    )
    assert small.with_contexts(contexts(context)).ground("usb printer").category_id == "cables"


def test_twice_grounded_is_the_same_and_asks_for_no_vector(small):
    first = small.ground("olive oil")

    def refuse(text):
        raise AssertionError(text)

    assert small.grounder.ground("olive oil", refuse) is first


def test_below_and_stocked_follow_the_tree(small):
    assert small.grounder.below(["milk", "whole"]) == {"milk", "whole", "skim"}
    assert small.grounder.below([]) == set()
    stocked = small.grounder.stocked
    assert {"milk", "dairy", "fish", "salmon"} <= stocked
    # Nothing is in swordfish, and the one smoked fish is sold out.
    assert not {"swordfish", "smoked"} & stocked
