"""What is answered of a ranking, and from which chance."""

from __future__ import annotations

import numpy as np

from benchmarks.students.queries import Queries, of_people
from benchmarks.students.ranking import Ranking, best_threshold, highest, sure_of
from distill.examples import NONE
from evals import Case


def case(query: str, *categories: str, kind: str | None = None) -> Case:
    return Case(query=query, normalized=query, categories=categories, kind=kind)


def test_the_threshold_is_the_one_with_the_best_f1() -> None:
    cases = [case("milk", "a"), case("tea", "c")]
    rankings = [Ranking(ids=("a", "b"), chances=(0.8, 0.4)), Ranking(ids=("d", "c"), chances=(0.6, 0.5))]
    # right/given, found/asked and F1 from 0.4 on: 2/4, 2/2, 0.67; 0.5: 2/3, 2/2, 0.8; 0.6: 1/2, 1/2, 0.5;
    # 0.8: 1/1, 1/2, 0.67.
    assert best_threshold(rankings, cases) == 0.5


def test_of_equally_good_thresholds_the_lowest_is_taken() -> None:
    cases = [case("milk", "a"), case("zzz")]
    rankings = [Ranking(ids=("a", "b"), chances=(0.9, 0.1)), Ranking(ids=(NONE, "a"), chances=(0.8, 0.2))]
    # From 0.1 and from 0.2 on "zzz" gets a category. Above, all is right: 0.8 does, though none is never answered, and
    # so does 0.9.
    assert best_threshold(rankings, cases) == 0.8


def test_unlabelled_queries_have_no_say_and_nothing_is_no_mistake() -> None:
    cases = [case("milk", "a"), Case(query="jam", normalized="jam")]
    rankings = [Ranking(ids=("a",), chances=(0.3,)), Ranking(ids=("b",), chances=(0.2,))]
    assert best_threshold(rankings, cases) == 0.2
    assert best_threshold([], []) == 0.0


def test_three_categories_are_answered_at_most_and_none_is_no_category() -> None:
    ranking = Ranking(ids=("a", NONE, "b", "c", "d"), chances=(0.3, 0.25, 0.2, 0.15, 0.1))
    assert sure_of(ranking, 0.0) == Ranking(ids=("a", "b", "c"), chances=(0.3, 0.2, 0.15))
    assert sure_of(ranking, 0.2) == Ranking(ids=("a", "b"), chances=(0.3, 0.2))
    assert sure_of(ranking, 0.31) == Ranking(ids=(), chances=())


def test_four_are_kept_so_that_three_are_left_without_none() -> None:
    chances = np.array([0.1, 0.3, 0.1, 0.25, 0.25])
    assert highest(chances, ("a", "b", "c", "d", NONE)) == Ranking(
        ids=("b", "d", NONE, "a"), chances=(0.3, 0.25, 0.25, 0.1)
    )


def test_the_kinds_of_people_are_tiers_only_where_they_all_are() -> None:
    log = {"milk": "head", "tea": "torso"}
    named = [case("milk", "a", kind="tail"), case("tea", "c", kind="head")]
    assert of_people(named, log).tiers == ["tail", "head"]
    assert of_people([*named, case("jam", "b", kind="typo")], log).tiers == ["head", "torso", "tail"]


def test_a_tier_of_few_queries_has_no_row() -> None:
    queries = Queries(cases=[case(str(i), "a") for i in range(9)], tiers=["head", "tail"] * 4 + ["tail"])
    assert {tier: places.tolist() for tier, places in queries.members()} == {
        "tail": [1, 3, 5, 7, 8],
        "all": list(range(9)),
    }
