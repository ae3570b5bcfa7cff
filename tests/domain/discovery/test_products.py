"""Products by retrieval: by words and by meaning, with what grounding needs to judge them."""

from __future__ import annotations

import pytest

from domain.text import normalise


def ranked(small, query, limit=5, **options):
    found = small.index.products(query, limit, taxonomy=small.taxonomy, **options)
    return {small.grounder.shelf.titles[p.row]: p for p in found}


def test_what_words_and_meaning_both_find_comes_first(small):
    found = ranked(small, "olive oil")
    assert [*found][0] == "Verde Pure Olive Oil, 1 l"
    assert found["Verde Pure Olive Oil, 1 l"].named == found["Verde Pure Olive Oil, 1 l"].held == 1.0
    scores = [p.score for p in found.values()]
    assert scores == sorted(scores, reverse=True)


def test_shares_of_words_tell_title_from_path(small):
    found = ranked(small, "gluten free pasta", 40)
    # Of "gluten", "free" and "pasta", spaghetti's title has two and its category's name the third.
    assert (found["Freely Gluten Free Spaghetti, 8 oz"].named, found["Freely Gluten Free Spaghetti, 8 oz"].held) == (
        pytest.approx(2 / 3),
        1.0,
    )
    assert (found["Nonna Penne Pasta, 16 oz"].named, found["Nonna Penne Pasta, 16 oz"].held) == pytest.approx(
        (1 / 3, 1 / 3)
    )
    assert found["Freely Gluten Free Spaghetti, 8 oz"].cosine > found["Nonna Penne Pasta, 16 oz"].cosine


def test_stop_words_are_no_words(small):
    assert ranked(small, "the oil of olive", 1).popitem()[1].named == 1.0


def test_a_vector_that_is_there_is_not_made_again(small):
    [vector] = small.index.encoder.encode(["olive oil"])
    assert ranked(small, "olive oil", vector=vector) == ranked(small, "olive oil")


def test_the_products_of_a_named_category_are_found_without_its_words(small):
    # No title of a red wine says so; without its category the vinegar would be the only one with both words.
    assert "Stag Merlot, 750 ml" in [*ranked(small, "red wine", 4, within=["red"])]
    assert ranked(small, "red wine", 40, within=["wine"])["Stag Merlot, 750 ml"].held == 1.0


@pytest.mark.parametrize(("query", "limit"), [("", 5), ("olive oil", 0), ("olive oil", -1)])
def test_nothing_is_found_for_nothing(small, query, limit):
    assert small.index.products(query, limit, taxonomy=small.taxonomy) == []


def test_hostile_texts_find_something_or_nothing(small):
    for text in ("\ud800", "🧨" * 300, "a " * 5000, "the of and", "%%%", "日本"):
        found = small.index.products(normalise(text), 3, taxonomy=small.taxonomy)
        assert all(0.0 <= p.named <= p.held <= 1.0 for p in found)


def test_categories_are_alike_by_name(small):
    assert small.index.similarity(["salmon"], ["salmon"]) == pytest.approx(1.0, abs=1e-4)
    near, far = small.index.similarity(["swordfish"], ["frozenfish"]), small.index.similarity(["swordfish"], ["ink"])
    assert near > 0.4 > far
    # Of several the nearest two count.
    assert small.index.similarity(["swordfish"], ["ink", "frozenfish"]) == pytest.approx(near)
    assert small.index.similarity([], ["salmon"]) == small.index.similarity(["salmon"], []) == 0.0
