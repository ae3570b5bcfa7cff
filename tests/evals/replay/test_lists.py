"""Scores of a list, worked by hand.

Discounts 1 / log2(place + 1) of places 1 to 4: 1, 0.63093, 0.5, 0.43068. Gains of ratings 0 to 3: 0, 1, 3, 7.
"""

from __future__ import annotations

import math

import pytest

from evals.replay.lists import ndcg, score_list, sure_loss

RATINGS = {"a": 3.0, "b": 1.0, "c": 0.0}
IDEAL = 7 + 0.63093  # a, b


def test_a_list_with_an_unjudged_product() -> None:
    scores = score_list(["c", "a", "u", "b"], RATINGS)
    assert scores.ndcg == pytest.approx((7 * 0.63093 + 0.43068) / IDEAL, abs=1e-5)  # 0.63520
    assert scores.condensed == pytest.approx((7 * 0.63093 + 0.5) / IDEAL, abs=1e-5)  # c, a, b: 0.64429
    assert (scores.judged, scores.recall, scores.zero) == (0.75, 1.0, 0.0)


def test_an_empty_list() -> None:
    scores = score_list([], RATINGS)
    assert (scores.ndcg, scores.condensed, scores.recall, scores.zero) == (0.0, 0.0, 0.0, 1.0)
    assert math.isnan(scores.judged)


def test_without_anything_relevant_there_is_no_ndcg_and_no_recall() -> None:
    scores = score_list(["c", "u"], {"c": 0.0})
    assert math.isnan(scores.ndcg) and math.isnan(scores.condensed) and math.isnan(scores.recall)
    assert (scores.judged, scores.zero) == (0.5, 0.0)
    # A rating of 1 has a gain, but is not what recall asks for.
    scores = score_list(["b"], {"b": 1.0})
    assert scores.ndcg == 1.0 and math.isnan(scores.recall)


def test_only_ten_places_count_in_the_list_and_in_the_ideal_one() -> None:
    eleven = {f"p{i:02}": 3.0 for i in range(11)}
    assert ndcg(sorted(eleven), eleven) == pytest.approx(1.0)
    assert ndcg([f"u{i}" for i in range(10)] + ["p00"], eleven) == 0.0
    assert ndcg([*"uvwxyz", "p00"], {"p00": 3.0}) == pytest.approx(1 / 3)  # place 7: 1 / log2(8)


def test_recall_looks_at_a_hundred_hits_and_the_condensed_list_at_all() -> None:
    ranked = [f"u{i}" for i in range(100)] + ["a"]
    assert score_list(ranked[1:], RATINGS).recall == 1.0
    assert score_list(ranked, RATINGS).recall == 0.0
    assert score_list(ranked, RATINGS).condensed == pytest.approx(7 / IDEAL, abs=1e-5)


def test_half_a_rating_has_its_gain() -> None:
    # Median of 1 and 2: 2**1.5 - 1 = 1.82843 at place 2, ideal at place 1.
    assert ndcg(["u", "a"], {"a": 1.5}) == pytest.approx(0.63093, abs=1e-5)


def test_a_loss_is_sure_when_judged_products_show_it() -> None:
    assert sure_loss(["a", "c"], ["c", "a"], RATINGS) == pytest.approx(7 * (1 - 0.63093) / IDEAL, abs=1e-5)
    assert sure_loss(["a"], [], RATINGS) == pytest.approx(7 / IDEAL, abs=1e-5)


def test_a_loss_is_not_sure_when_the_newcomer_could_be_as_good() -> None:
    assert sure_loss(["a"], ["u"], RATINGS) == pytest.approx(0.0)  # u may be rated 3
    assert sure_loss(["b"], ["u"], RATINGS) == pytest.approx((1 - 7) / IDEAL, abs=1e-5)
    # What is pushed down may be rated 0: a moves from place 2 to 1 and u from 1 to 2.
    assert sure_loss(["u", "a"], ["a", "u"], RATINGS) == pytest.approx(-7 * (1 - 0.63093) / IDEAL, abs=1e-5)
    # One unjudged newcomer at place 3 (7 * 0.5) does not make up for a, which fell from place 1 out of the list.
    assert sure_loss(["a"], ["c", "d", "u"], RATINGS | {"d": 0.0}) == pytest.approx(7 * 0.5 / IDEAL, abs=1e-5)
    assert math.isnan(sure_loss(["c"], ["u"], {"c": 0.0}))
