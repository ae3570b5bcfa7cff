"""Roles are checked: what may stand in for what is asked, and what may go with it."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from domain.context import CategoryEvidence, DomainContext, ProductEvidence
from domain.discovery.affinity import Lift
from domain.discovery.assemble import Assembler
from domain.discovery.ground import Grounder
from domain.taxonomy import Node, Taxonomy


def context_of(query, *demand, zero_share=0.0, products=()):
    evidence = [
        CategoryEvidence(
            category_id=i,
            level=1,
            is_own=True,
            share=share,
            score=9,
            events=9,
            clicks=9,
            carts=0,
            purchases=0,
            clients=9,
        )
        for i, share in demand
    ]
    return DomainContext(
        query=query,
        searches=90,
        clients=90,
        tier="head",
        share=0.1,
        zero_share=zero_share,
        acted_share=0.5,
        categories=tuple(evidence),
        products=tuple(ProductEvidence(product_id=p, share=0.5, events=9) for p in products),
    )


def ruled(small, role, asked, query):
    """What a ruling says: the category of the idea, or the objection."""
    ruling = small.judge.rule(role, asked, small.ground(query))
    return ruling.objection or ruling.grounded.category_id


@pytest.mark.parametrize(
    ("query", "category", "idea", "verdict"),
    [
        ("swordfish", "swordfish", "halibut", "white"),  # a sibling, and the shop has no swordfish
        ("swordfish", "swordfish", "pollock", "frozenfish"),  # another department of a like name
        ("swordfish", "swordfish", "lemons", "too_far"),
        ("olive oil", "olive", "canola oil", "cooking"),
        ("olive oil", "olive", "extra virgin olive oil", "own_products"),
        ("olive oil", "olive", "salted butter", "too_far"),
        ("milk", "milk", "skim milk", "own_products"),  # below the query's own category
        ("milk", "milk", "oat milk", "plantmilk"),
        ("printer", "printers", "document scanner", "scanners"),
        ("printer", "printers", "printer cable", "accessory"),  # by its words
        ("printer", "printers", "hdmi cable", "accessory"),  # by the names of its category
        ("printer", "printers", "black ink", "accessory"),
        ("printer", "printers", "laser printer", "own_products"),
    ],
)
def test_substitutes(small, query, category, idea, verdict):
    assert ruled(small, "substitute", small.asked(query, category), idea) == verdict


def test_what_is_made_for_what_is_asked_is_an_accessory_by_its_titles(small):
    # Neither "black" nor the category "Scanners" gives it away; "for Printer X100" does.
    titles = small.grounder.shelf.titles
    row = titles.index("Black Ink Cartridge for Printer X100")
    found = small.ground("document scanner")
    made_for = type(found)(query="black thing", category_id="scanners", rows=(row,), found=frozenset([row]), cosine=0.5)
    assert small.judge.rule("substitute", small.asked("printer", "printers"), made_for).objection == "accessory"


def test_a_brand_is_replaced_within_its_category(small):
    asked = small.asked("tidewater", "white", specificity="navigational")
    assert small.judge.rule("substitute", asked, small.ground("cod fillet")).grounded.category_id == "white"
    # The whole category is the answer to its name.
    assert ruled(small, "substitute", small.asked("white fish", "white"), "cod fillet") == "own_products"


def test_what_shoppers_chose_is_what_the_query_finds(small):
    chosen = context_of("oil", ("cooking", 0.9), products=("cooking1", "gone"))
    asked = small.asked("oil", "olive", specificity="specific", context=chosen)
    assert asked.categories == ("olive", "cooking")
    assert ruled(small, "substitute", asked, "avocado oil") == "own_products"
    assert ruled(small, "substitute", asked, "canola oil") == "own_products"  # it holds the word
    assert asked.demanded == {"cooking"}


def test_where_the_shop_lacks_it_the_choice_was_a_substitute(small):
    chosen = context_of("swordfish", ("white", 0.8), zero_share=0.7, products=("white1",))
    asked = small.asked("swordfish", "swordfish", context=chosen)
    assert asked.scarce and asked.categories == ("swordfish",)
    assert ruled(small, "substitute", asked, "halibut") == "white"


@pytest.mark.parametrize(
    ("query", "category", "zero_share", "scarce"),
    [
        ("swordfish", "swordfish", None, True),  # nothing on the shelf
        ("smoked trout", "smoked", None, True),  # sold out
        ("salmon", "salmon", None, False),
        ("salmon", "salmon", 0.6, True),  # the log says that it is not found
        ("salmon", "salmon", 0.4, False),
        ("zorblax", None, None, True),
    ],
)
def test_scarce_is_said_by_the_log_or_the_catalogue(small, query, category, zero_share, scarce):
    context = None if zero_share is None else context_of(query, zero_share=zero_share)
    assert small.asked(query, *([category] if category else []), context=context).scarce is scarce


def test_without_a_category_the_query_lies_where_its_products_do(small):
    assert small.asked("olive oil").categories == ("olive",)
    assert small.asked("zorblax").categories == ()
    # Of a query without any category nothing is known that could be far or an accessory.
    assert ruled(small, "substitute", small.asked("zorblax"), "printer cable") == "cables"


def test_what_is_bought_along_does_not_replace(small):
    asked = small.asked("pasta", "pasta")
    assert ruled(small, "substitute", asked, "alfredo sauce") == "sauce"
    log = {("pasta", "sauce"): 50, ("butter", "salmon"): 10}
    together = small.with_log(log)
    assert ruled(together, "substitute", asked, "alfredo sauce") == "bought_together"
    # What shoppers turn to when they find nothing is the same to them, though they buy both.
    turned_to = small.with_log(log, instead={("pasta", "sauce"): 50, ("butter", "salmon"): 2})
    assert ruled(turned_to, "substitute", asked, "alfredo sauce") == "sauce"


@pytest.mark.parametrize(
    ("query", "category", "idea", "verdict"),
    [
        ("olive oil", "olive", "wine vinegar", "vinegar"),  # a sibling may go with it
        ("olive oil", "olive", "canola oil", "cooking"),
        ("olive oil", "olive", "olive oil spray", "same_category"),
        ("milk", "milk", "whole milk", "same_category"),  # below
        ("whole milk", "whole", "milk", "same_category"),  # above
        ("printer", "printers", "printer cable", "cables"),
        ("swordfish", "swordfish", "lemons", "citrus"),
    ],
)
def test_complements_of_which_nothing_is_known(small, query, category, idea, verdict):
    assert ruled(small, "complement", small.asked(query, category), idea) == verdict


def test_a_substitute_lies_where_its_products_do_once_the_querys_own_are_gone(small):
    # "oil" lies in oils and vinegar as a whole; without the olive oils it is cooking oil.
    found = small.ground("oil")
    assert found.category_id == "oils"
    left = small.judge.rule("substitute", small.asked("olive oil", "olive"), found).grounded
    assert left.category_id == "cooking"
    assert {small.grounder.shelf.categories[row] for row in left.rows} == {"cooking"}
    assert len(left.rows) < len(found.rows)


def test_a_second_category_of_the_query_may_hold_a_complement_but_not_the_thing_itself(small):
    asked = small.asked("salmon", "salmon", "citrus", "frozenfish")
    assert ruled(small, "complement", asked, "lemons") == "citrus"
    # Near the first category, or by the query's own words, it is what is asked.
    assert ruled(small, "complement", small.asked("pasta", "pasta", "glutenfree"), "chickpea rotini") == "own_products"
    assert ruled(small, "complement", small.asked("tuna", "salmon", "frozenfish"), "tuna steaks") == "own_products"
    assert ruled(small, "complement", small.asked("fish", "salmon", "frozenfish"), "tuna steaks") == "frozenfish"


def test_complements_that_shoppers_shun_go(small):
    # Six categories, each wanted a hundred times, and ten pairs of any two, but none of butter and salmon, and forty of
    # salmon and sauce. Without the last the 130 pairs over 300,000 - 20,000 expect 2 x 100 x 100 x 130 / 280,000 = 9.3.
    names = sorted(("butter", "salmon", "sauce", "pasta", "lettuce", "olive"))
    pairs = dict.fromkeys(combinations(names, 2), 10) | {("butter", "salmon"): 0, ("salmon", "sauce"): 40}
    log = small.with_log(pairs)
    asked = small.asked("salmon", "salmon")
    assert log.judge.lift(asked, log.ground("salted butter")) == Lift(
        observed=0, expected=pytest.approx(9.2857, abs=1e-4)
    )
    assert ruled(log, "complement", asked, "salted butter") == "no_lift"
    assert ruled(log, "complement", asked, "alfredo sauce") == "sauce"
    ruling = log.judge.rule("complement", asked, log.ground("alfredo sauce"))
    assert ruling.lift.observed == 40 and ruling.lift.is_raised
    # The shop knows better than its log, both ways.
    knowing = small.with_log(pairs, known={("butter", "salmon"): 2.0, ("salmon", "sauce"): 0.4})
    assert ruled(knowing, "complement", asked, "salted butter") == "butter"
    assert ruled(knowing, "complement", asked, "alfredo sauce") == "no_lift"


def test_what_is_near_in_meaning_may_lie_anywhere(small):
    butter, oil = small.ground("salted butter"), small.asked("olive oil", "olive")
    # Of a cosine of 0.5 and one just under: (0.5, sqrt(0.75)) and (0.48, sqrt(0.7696)) against (1, 0).
    here = np.array([1.0, 0.0], dtype=np.float32)
    near, far = (np.array([x, (1 - x * x) ** 0.5], dtype=np.float32) for x in (0.5, 0.48))
    asked = replace(oil, vector=here)
    assert small.judge.rule("substitute", asked, replace(butter, vector=near)).grounded is not None
    assert small.judge.rule("substitute", asked, replace(butter, vector=far)).objection == "too_far"
    strict = replace(small.judge, strict=True)
    assert strict.rule("substitute", asked, replace(butter, vector=near)).objection == "too_far"
    # What nobody embedded is near nothing.
    assert small.judge.rule("substitute", oil, replace(butter, vector=near)).objection == "too_far"


def test_the_embeddings_of_query_and_idea_are_there_where_content_is_made(small):
    assembler = Assembler(judge=small.judge)
    asked = assembler.asked(small.understood("olive oil", ["olive"]), None)
    grounded = assembler.judge.grounder.ground("canola oil", assembler._encode)
    assert asked.vector is not None and grounded.vector is not None
    [one, other] = small.index.encoder.encode(["olive oil", "canola oil"])
    assert float(asked.vector @ grounded.vector) == pytest.approx(float(one @ other), abs=1e-5)


def test_what_is_made_for_it_goes_with_it_though_it_lies_in_a_further_category(small):
    # A sibling of printers that holds the word: were it not made for printers, it would be the thing itself.
    asked = small.asked("printer", "printers", "cables")
    assert ruled(small, "complement", asked, "printer cable") == "cables"
    strict = replace(small.judge, strict=True)
    assert strict.rule("complement", asked, small.ground("printer cable")).objection == "own_products"
    # A scanner is not made for a printer.
    assert ruled(small, "complement", small.asked("printer", "printers", "scanners"), "scanner") == "own_products"


def test_a_shop_without_departments_has_siblings_only(small):
    flat = Taxonomy(Node(category_id=i, parent_id=None, name=small.taxonomy[i].name) for i in small.taxonomy)
    grounder = Grounder(small.index, flat, small.grounder.shelf)
    judge = replace(small.judge, grounder=grounder)
    assert judge._steps_up("olive", "cooking") == 1
    assert small.judge._steps_up("olive", "cooking") == 1
    assert small.judge._steps_up("whole", "butter") == 2
    assert small.judge._steps_up("whole", "salmon") > 2
