"""Ideas from the log and the tree alone."""

from __future__ import annotations

from domain.context import DomainContext, NextQuery
from domain.discovery.baseline import baseline_ideas


def texts(ideas):
    return [idea.query for idea in ideas]


def test_siblings_are_substitutes_where_they_have_stock(small):
    ideas = baseline_ideas(small.asked("salmon", "salmon"), None, small.judge)
    # Smoked fish is sold out and swordfish never was there.
    assert texts(ideas.substitutes) == ["white fish"]
    assert ideas.complements == ideas.explore == ()


def test_siblings_that_shoppers_turn_to_come_first(small):
    asked = small.asked("printer", "printers")
    turned_to = small.with_log(instead={("printers", "scanners"): 30, ("cables", "ink"): 3})
    assert texts(baseline_ideas(asked, None, turned_to.judge).substitutes)[0] == "scanners"


def test_complements_are_searched_next_or_wanted_together(small):
    context = DomainContext(
        query="pasta",
        searches=9,
        clients=9,
        tier="head",
        share=0.1,
        zero_share=0.0,
        acted_share=1.0,
        next_queries=(NextQuery(query="basil", count=9, npmi=0.5), NextQuery(query="soap", count=3, npmi=0.2)),
    )
    # Sauce and lettuce stand out, butter by two pairs only; the rest sets what chance is.
    log = small.with_log(
        {("pasta", "sauce"): 60, ("lettuce", "pasta"): 30, ("butter", "pasta"): 2, ("ink", "printers"): 3}
    )
    found = baseline_ideas(small.asked("pasta", "pasta"), context, log.judge).complements
    assert texts(found) == ["basil", "pasta sauce", "lettuce"]
    assert [idea.label for idea in found] == ["Basil", "Pasta Sauce", "Lettuce"]
    assert found[0].why == "searched next, npmi 0.50"


def test_a_query_of_which_nothing_is_known_gives_no_ideas(small):
    ideas = baseline_ideas(small.asked("zorblax"), None, small.judge)
    assert ideas.substitutes == ideas.complements == ()


def test_the_roots_of_a_shop_are_no_siblings(small):
    assert baseline_ideas(small.asked("wine", "wine"), None, small.judge).substitutes == ()
