"""Ranking ideas so that the first few differ, on numbers that are worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.discovery.diverse import (
    Facets,
    category_coverage,
    diversify,
    intra_list_diversity,
    similarities,
)


def facets_of(path, brand, *vector):
    unit = np.array(vector, dtype=np.float32)
    return Facets(path=path.split(), brands={brand: 1} if brand else {}, vector=unit / np.linalg.norm(unit))


FISH = facets_of("food fish", "a", 1, 0)
COD = facets_of("food fish", "a", 1, 0)
OIL = facets_of("food oil", "b", 0, 1)
PEN = facets_of("office pen", "c", 0, 1)


def test_similarity_is_the_weighted_mean_of_category_brand_and_meaning():
    # Fish and cod are one. Fish and oil share one of two steps down, no brand and no meaning: 0.4 x 1/2. Oil and pen
    # share their meaning alone: 0.5.
    found = similarities([FISH, COD, OIL, PEN])
    assert found == pytest.approx(
        np.array([[1, 1, 0.2, 0], [1, 1, 0.2, 0], [0.2, 0.2, 1, 0.5], [0, 0, 0.5, 1]]), abs=1e-6
    )


def test_what_shows_no_brand_is_like_itself_all_the_same():
    bare = facets_of("food fish", "", 1, 0)
    assert similarities([bare, bare]) == pytest.approx(np.ones((2, 2)))


def test_intra_list_diversity_is_the_mean_distance_of_two():
    # Distances 0 (fish, cod), 0.8, 1, 0.8, 1 and 0.5 (oil, pen): 4.1 / 6.
    assert intra_list_diversity([FISH, COD, OIL, PEN]) == pytest.approx(4.1 / 6)
    assert intra_list_diversity([FISH, COD]) == pytest.approx(0.0)
    assert intra_list_diversity([]) == intra_list_diversity([FISH]) == 0.0


def test_coverage_is_the_share_of_the_categories_on_offer():
    assert category_coverage(["a", "a", "b"], ["a", "b", "c", "c"]) == pytest.approx(2 / 3)
    assert category_coverage(["a", "z"], ["a"]) == category_coverage([], []) == 1.0
    assert category_coverage([], ["a"]) == 0.0


def test_the_trade_off_weighs_relevance_against_likeness():
    relevance = [1.0, 0.9, 0.6, 0.5]
    facets = [FISH, COD, OIL, PEN]
    assert diversify(relevance, facets, limit=4, trade_off=1.0) == [0, 1, 2, 3]
    # After the fish: cod 0.7 x 0.9 - 0.3 x 1 = 0.33, oil 0.42 - 0.06 = 0.36, pen 0.35. After the oil: cod 0.33, pen
    # 0.35 - 0.3 x 0.5 = 0.2.
    assert diversify(relevance, facets, limit=4, trade_off=0.7) == [0, 2, 1, 3]
    # By difference alone: the pen is nothing like the fish (0); then the oil (0.5) before the cod (1).
    assert diversify(relevance, facets, limit=3, trade_off=0.0) == [0, 3, 2]


def test_a_limit_cuts_and_nothing_gives_nothing():
    assert diversify([0.2, 0.9], [FISH, OIL], limit=1) == [1]
    assert diversify([], [], limit=5) == diversify([1.0], [FISH], limit=0) == []
    assert diversify([0.5, 0.5], [FISH, OIL], limit=9, trade_off=1.0) == [0, 1]


@pytest.mark.parametrize(
    ("relevance", "trade_off"), [([1.0], 1.1), ([1.0], -0.1), ([1.0, 1.0], 0.5), ([1.0], float("nan"))]
)
def test_a_trade_off_is_a_share(relevance, trade_off):
    with pytest.raises(ValueError, match="trade-off"):
        diversify(relevance, [FISH], limit=1, trade_off=trade_off)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([FISH, COD, OIL, PEN])), max_size=12),
    st.integers(1, 12),
    st.floats(0, 1),
)
def test_each_idea_is_ranked_once_and_the_best_first(ideas, limit, trade_off):
    relevance, facets = [r for r, _ in ideas], [f for _, f in ideas]
    places = diversify(relevance, facets, limit=limit, trade_off=trade_off)
    assert len(places) == len({*places}) == min(limit, len(ideas))
    assert not places or relevance[places[0]] == pytest.approx(max(relevance), abs=1e-6)
