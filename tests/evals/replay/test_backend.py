"""The search itself, on a few products."""

from __future__ import annotations

import builtins
import random

import pytest

from domain.errors import UserError
from evals.replay.backend import ProductSearch
from evals.replay.clauses import Clauses, Favoured, Words


def asks(text: str, **more: object) -> Clauses:
    return Clauses(words=(Words(text=text, weight=1.0),), **more)  # type: ignore[arg-type]


def test_a_word_in_the_title_beats_the_same_word_elsewhere(search, product):
    found = search(
        [
            product("1", "cable", description="for the printer"),
            product("2", "cable", attributes={"goes with": "printer", "black": True}),
            product("3", "cable", brand="Printer"),
            product("4", "printer"),
            product("5", "cable"),
        ]
    )
    assert found.search(asks("printers"), limit=10) == ["4", "3", "2", "1"]
    assert found.search(asks("true"), limit=10) == []


def test_equal_scores_come_by_id_whatever_the_order_of_the_catalogue_and_wherever_the_limit_cuts(search, product):
    products = [product(f"{i:03}", "usb cable") for i in range(60)]
    random.Random(3).shuffle(products)
    found = search(products)
    assert found.search(asks("cable"), limit=60) == [f"{i:03}" for i in range(60)]
    assert found.search(asks("cable"), limit=7) == [f"{i:03}" for i in range(7)]


def test_a_favoured_category_counts_with_its_descendants_and_only_for_hits(search, switches, product):
    found = search([*switches, product("c", "cable", "games")])
    assert found.search(asks("switch"), limit=3) == ["a0", "a1", "a2"]
    games = (Favoured(category_id="games", weight=1.0),)
    assert found.search(asks("switch", favoured=games), limit=20)[:6] == ["b0", "b1", "b2", "b3", "b4", "a0"]
    # a0 to a4 lie in "managed", below "net"; the heavier of two categories counts, not their sum.
    both = (Favoured(category_id="net", weight=2.0), Favoured(category_id="managed", weight=2.0))
    more = (*both, Favoured(category_id="games", weight=3.0))
    assert found.search(asks("switch", favoured=more), limit=1) == ["b0"]
    assert "c" not in found.search(asks("switch", favoured=games), limit=20)


def test_a_search_stays_within_categories_and_keeps_its_order(search, switches):
    found = search(switches)
    assert found.search(asks("game switch", within=("net", "bags")), limit=20) == ["a0", "a1", "a2", "a3", "a4"]
    assert len(found.search(asks("switch", within=("tech",)), limit=20)) == 10
    assert found.search(asks("switch", within=("bags",)), limit=20) == []
    assert found.search(asks("switch", within=("unknown",)), limit=20) == []


def test_words_of_a_rewrite_bring_in_what_the_query_misses_by_their_weight(search, product):
    found = search([product("1", "notebook"), product("2", "laptop lock"), product("3", "soap")])
    words = (Words(text="laptop", weight=1.0), Words(text="notebook", weight=0.1))
    assert found.search(Clauses(words=words), limit=5) == ["2", "1"]
    heavier = (Words(text="laptop", weight=0.1), Words(text="notebook", weight=1.0))
    assert found.search(Clauses(words=heavier), limit=5) == ["1", "2"]


def test_a_locale_has_its_stemmer(tree, product, search):
    products = [product("1", "Kaffeetassen")]
    assert search(products).search(asks("kaffeetassen"), limit=5) == ["1"]
    german = ProductSearch.build(products, tree, locale="de-DE")
    assert german.search(asks("kaffeetasse"), limit=5) == ["1"]
    assert ProductSearch.build(products, tree, locale="xx").search(asks("kaffeetasse"), limit=5) == []


@pytest.mark.parametrize(
    "text", ["", "   ", "!?", '"', "title:switch AND (", "*:*", "\0", "a" * 100_000, "switch " * 128, "\ud800"]
)
def test_no_text_of_a_query_makes_it_fail(search, switches, text):
    found = search(switches)
    assert set(found.search(asks(text), limit=5)) <= {product.product_id for product in switches}


def test_a_hostile_catalogue_is_indexed(search, product):
    found = search([product("1", "w" * 100_000 + " lamp"), product("2", "\0 lamp\n"), product("3", '"lamp" AND')])
    assert sorted(found.search(asks("lamp"), limit=5)) == ["1", "2", "3"]
    assert search([]).search(asks("lamp"), limit=5) == []


def test_without_the_library_the_user_is_told_what_to_install(tree, monkeypatch):
    there = builtins.__import__

    def absent(name, *more, **named):
        if name == "tantivy":
            raise ImportError("no", name=name)
        return there(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(UserError, match="a replay needs tantivy") as caught:
        ProductSearch.build([], tree, locale="en-US")
    assert caught.value.hint == "pip install 'querywise[replay]'"
