from __future__ import annotations

import math

import numpy as np
import pytest

from domain.errors import UserError
from evals.gate.bounds import IntervalTest
from evals.judge import agree, alpha, tabulate

pytestmark = pytest.mark.usefixtures("judge_extra")


def test_every_value_by_hand(own_queries) -> None:
    # Judge and person: (0,0) (0,1) (2,2) (1,2). Exact 2/4.
    # Kappa: by chance (2*1 + 1*1 + 1*2) / 16 = 5/16, so (8/16 - 5/16) / (11/16) = 3/11.
    # Quadratic: observed (1 + 1) / 4; by chance, rows 2,1,1 and columns 1,1,2: one apart 2*1 + 1*1 + 1*2 + 1*1 = 6,
    # two apart 2*2 + 1*1 = 5, so (6 + 4 * 5) / 16 = 26/16; 1 - (1/2) / (26/16) = 9/13. Alpha is 17/24, see above.
    found = agree(own_queries([0, 0, 2, 1]), own_queries([0, 1, 2, 2]), task="relevance")
    assert (found.items, found.queries) == (4, 4)
    assert found.counts == ((1, 1, 0, 0), (0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 0, 0))
    values = [c.estimate.value for c in (found.exact, found.kappa, found.quadratic_kappa, found.alpha)]
    assert values == pytest.approx([0.5, 3 / 11, 9 / 13, 17 / 24])


def test_copies_of_the_items_of_a_query_do_not_shorten_the_interval(item) -> None:
    # Fifty like items of one query are no fifty observations: only whole queries are drawn.
    rng = np.random.default_rng(2)
    one = {item(f"q{q:02d}"): int(rng.integers(4)) for q in range(30)}
    other = {i: g if rng.random() < 0.7 else int(rng.integers(4)) for i, g in one.items()}

    def copied(grades):
        return {item(i.query, str(n)): g for i, g in grades.items() for n in range(50)}

    few, many = agree(one, other, task="relevance"), agree(copied(one), copied(other), task="relevance")
    assert (few.items, many.items, many.queries) == (30, 1500, 30)
    for name in ("exact", "kappa", "quadratic_kappa"):
        small, large = getattr(few, name).estimate, getattr(many, name).estimate
        assert (large.value, large.low, large.high) == pytest.approx((small.value, small.low, small.high))
        assert small.high - small.low > 0.1


def test_interval_of_exact_agreement_is_the_normal_one(item) -> None:
    # 400 queries, agreed on 300: 0.75 -+ 1.96 * sqrt(0.75 * 0.25 / 400) = 0.75 -+ 0.0424.
    one = {item(f"q{q:03d}"): q % 2 for q in range(400)}
    other = {i: g if q % 4 else 1 - g for q, (i, g) in enumerate(one.items())}
    found = agree(one, other, task="relevance", draws=4000).exact.estimate
    assert (found.value, found.low, found.high) == pytest.approx((0.75, 0.7076, 0.7924), abs=0.004)


def test_the_order_of_the_items_changes_nothing(own_queries) -> None:
    one, other = own_queries([0, 1, 2, 3, 3, 1]), own_queries([0, 2, 2, 3, 1, 1])
    turned = dict(reversed(one.items()))
    assert agree(turned, other, task="relevance", seed=3) == agree(one, other, task="relevance", seed=3)


def test_a_rater_with_one_grade_leaves_kappa_undefined_with_a_reason(own_queries) -> None:
    found = agree(own_queries([0, 1, 0, 1], "category"), own_queries([1, 1, 1, 1], "category"), task="category")
    assert found.exact.estimate.value == 0.5
    assert found.kappa.estimate is found.quadratic_kappa.estimate is None
    assert found.kappa.undefined == "one of the two gives every item the grade 1"
    assert found.alpha.estimate is not None  # observed and expected disagreement are both there


def test_all_grades_alike_leave_everything_but_exact_agreement_undefined(own_queries) -> None:
    found = agree(own_queries([3, 3]), own_queries([3, 3]), task="relevance")
    assert found.exact.estimate.value == 1
    assert found.alpha.undefined == "every item that has two grades has the grade 3 only"
    assert found.kappa.estimate is None


def test_nothing_in_common_is_no_number(own_queries, item) -> None:
    for one, other in (({}, {}), (own_queries([1]), {}), ({item("a"): 1}, {item("b"): 2})):
        found = agree(one, other, task="relevance")
        assert (found.items, found.queries) == (0, 0)
        for one_value in (found.exact, found.kappa, found.quadratic_kappa, found.alpha):
            assert one_value.estimate is None
            assert one_value.undefined in ("no item has both grades", "no item has two grades")


def test_every_number_is_finite_even_of_two_items(own_queries) -> None:
    found = agree(own_queries([0, 3]), own_queries([0, 1]), task="relevance", draws=200)
    for value in (found.exact, found.kappa, found.quadratic_kappa, found.alpha):
        estimate = value.estimate
        assert all(map(math.isfinite, (estimate.value, estimate.low, estimate.high)))


def test_alpha_takes_any_number_of_raters_and_missing_grades(item) -> None:
    # Three raters; Q1 0 0 1, Q2 1 1 -, Q3 0 - -, Q4 1 1 1. Coincidences: Q1 (2 grades 0, 1 grade 1; pairs over 2)
    # 00: 1, 01: 1, 10: 1; Q2 11: 2; Q4 11: 3; Q3 none. n0 = 2, n1 = 6, n = 8.
    # Observed 2/8, expected 2 * 2 * 6 / 56 = 24/56: alpha = 1 - 14/24 = 5/12.
    said = {"a": (0, 1, 0, 1), "b": (0, 1, None, 1), "c": (1, None, None, 1)}
    table = tabulate(
        "category",
        {
            rater: {item(f"q{i}", task="category"): g for i, g in enumerate(grades) if g is not None}
            for rater, grades in said.items()
        },
    )
    found = alpha(table, draws=100)
    assert found.estimate.value == pytest.approx(5 / 12)
    assert found.estimate.queries == 3


@pytest.mark.parametrize("grade", [4, -1, 10**9])
def test_a_grade_off_the_scale_is_refused(own_queries, grade) -> None:
    with pytest.raises(UserError, match="the grade"):
        agree(own_queries([grade]), own_queries([1]), task="relevance")


def test_an_item_of_another_task_is_refused(own_queries) -> None:
    with pytest.raises(UserError, match="is of the task relevance, not category"):
        agree(own_queries([1]), own_queries([1], "category"), task="category")


def test_who_agrees_throughout_on_few_queries_is_not_believed_without_bounds(own_queries) -> None:
    def kappa(zeros: int, ones: int):
        grades = own_queries([0] * zeros + [1] * ones, "category")
        found = agree(grades, grades, task="category")
        assert found.kappa == found.quadratic_kappa  # of two grades they are the same
        assert (found.exact.estimate.value, found.kappa.estimate.queries) == (1, zeros + ones)
        return found.kappa.estimate

    # One zero of twenty, found: another might not have been, and then every second one is.
    few, more, many = kappa(1, 19), kappa(9, 21), kappa(30, 90)
    assert [estimate.value for estimate in (few, more, many)] == [1, 1, 1]
    assert [estimate.high for estimate in (few, more, many)] == [1, 1, 1]
    assert few.low < 0.1 < 0.6 < more.low < 0.9 < many.low < 1


def test_a_bound_on_a_judge_seldom_passes_one_that_is_below_it(own_queries) -> None:
    # Every tenth item is wrong and the judge sees two in five of these: kappa is 0.545, and at thirty items all that
    # are wrong are often found. Before, 13 of a hundred such judges passed.
    passed = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        people = own_queries([int(rng.random() >= 0.1) for _ in range(30)], "category")
        judge = {one: int(grade or rng.random() >= 0.4) for one, grade in people.items()}
        estimate = agree(judge, people, task="category").quadratic_kappa.estimate
        passed += estimate is not None and IntervalTest(estimate=estimate, bound=0.6).p_violated <= 0.025
    assert passed <= 4
