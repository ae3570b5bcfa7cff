"""Coverage at precision 0.9, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.students.answerable import AnswerableShare
from benchmarks.students.ranking import Ranking
from distill.examples import NONE
from evals import Case

NAN = float("nan")


def share(chance: list[float], right: list[int], asked: list[int], *weights: list[int]) -> list[float]:
    """Return the share for each row of weights; with none, each query counts once."""
    statistic = AnswerableShare(
        chance=np.array(chance, dtype=np.float64),
        right=np.array(right, dtype=np.float64),
        asked=np.array(asked, dtype=np.float64),
    )
    return statistic.under(np.array(weights or ([1] * len(chance),), dtype=np.float64)).tolist()


def test_the_surest_are_answered_as_long_as_nine_of_ten_are_right() -> None:
    # Surest first: right, right, wrong. Two of two are right, two of three are not enough; the fourth has no category.
    assert share([0.7, 0.9, NAN, 0.8], [0, 1, 0, 1], [1, 1, 1, 1]) == [0.5]


def test_a_mistake_of_the_surest_can_be_made_good_by_those_below() -> None:
    # Wrong first and then nine right: 9 of 10. Counted twice, the mistake makes it 9 of 11, and nothing is answered.
    chance = [1 - i / 20 for i in range(10)]
    once, twice = [1] * 10, [2] + [1] * 9
    assert share(chance, [0] + [1] * 9, [1] * 10, once, twice) == [1.0, 0.0]


def test_equal_chances_are_answered_together_or_not_at_all() -> None:
    # Whichever of the two stands first, one of two right is not enough.
    assert share([0.9, 0.9], [1, 0], [1, 1]) == share([0.9, 0.9], [0, 1], [1, 1]) == [0.0]


def test_queries_that_nothing_is_asked_of_count_for_nothing() -> None:
    # The unlabelled query is neither wrong nor a part of the whole: one of the other two can be answered.
    assert share([0.9, 0.8, 0.7], [0, 1, 0], [0, 1, 1]) == [0.5]
    assert np.isnan(share([0.9], [0], [0])).all()
    assert share([NAN], [0], [1]) == [0.0]


def test_the_first_category_counts_even_where_none_is_likelier() -> None:
    cases = [
        Case(query="milk", normalized="milk", categories=("a",)),
        Case(query="zzz", normalized="zzz", categories=()),
        Case(query="tea", normalized="tea", categories=("b",), acceptable=("c",)),
        Case(query="jam", normalized="jam"),
        Case(query="fog", normalized="fog", categories=("a",)),
    ]
    rankings = [
        Ranking(ids=(NONE, "a"), chances=(0.6, 0.3)),
        Ranking(ids=("a",), chances=(0.5,)),
        Ranking(ids=("c", "b"), chances=(0.4, 0.2)),
        Ranking(ids=("a",), chances=(0.9,)),
        Ranking(ids=(NONE,), chances=(1.0,)),
    ]
    found = AnswerableShare.of(cases, rankings)
    np.testing.assert_array_equal(found.chance, [0.3, 0.5, 0.4, 0.9, NAN])
    assert found.right.tolist() == [1, 0, 1, 0, 0]
    assert found.judged == 4
    # Of the four with labels the surest is wrong, then two are right: 0/1, 1/2, 2/3 are all below 0.9.
    assert found.under(np.ones((1, 5))).tolist() == [0.0]
    # Without the surest two of two are right, and one query of the three has no category.
    assert found.only(np.array([0, 2, 4])).under(np.ones((1, 3))).tolist() == [pytest.approx(2 / 3)]
