from __future__ import annotations

import pytest

from evals.estimates import Estimate
from evals.paired import Needed, PairTest, needed_for_interval, pair_test


def gain(value: float, low: float, high: float, queries: int = 100) -> Estimate:
    return Estimate(value=value, low=low, high=high, queries=queries)


@pytest.mark.parametrize(
    ("a_only", "b_only", "p"),
    [
        (0, 0, 1.0),
        (1, 1, 1.0),
        (0, 1, 1.0),  # 2 * 1/2
        (0, 5, 2 / 32),
        (0, 6, 2 / 64),
        (1, 5, 2 * (1 + 6) / 64),
        (2, 9, 2 * (1 + 11 + 55) / 2048),
        (9, 2, 2 * (1 + 11 + 55) / 2048),
        (5, 5, 1.0),
    ],
)
def test_exact_probability_by_hand(a_only: int, b_only: int, p: float) -> None:
    assert pair_test(a_only=a_only, b_only=b_only, pairs=40).p == pytest.approx(p, rel=1e-12)


def test_large_counts_stay_exact_and_finite() -> None:
    # 4,500 of 10,000 fair tosses: z with continuity correction is (500 - 0.5) / 50 = 9.99, two-sided 1.7e-23.
    far = pair_test(a_only=4500, b_only=5500, pairs=20_000).p
    assert 1e-24 < far < 1e-22
    # 4,951: z is 48.5 / 50 = 0.97, two-sided 0.332.
    assert pair_test(a_only=4951, b_only=5049, pairs=20_000).p == pytest.approx(0.3320, abs=0.0005)


def test_sample_size_of_connor_by_hand() -> None:
    # 5 and 25 of 100: psi = 0.3, delta = 0.2, so (1.959964 sqrt(0.3) + 0.841621 sqrt(0.26))^2 / 0.04
    # = (1.073517 + 0.429144)^2 / 0.04 = 56.45.
    assert pair_test(a_only=5, b_only=25, pairs=100).needed == 57
    assert pair_test(a_only=25, b_only=5, pairs=100).needed == 57
    # Twice as many pairs in the same proportions need as many.
    assert pair_test(a_only=10, b_only=50, pairs=200).needed == 57


def test_sample_size_is_never_below_what_an_exact_test_can_show() -> None:
    # psi = delta = 1: the formula alone says 1.96^2 = 3.84, but fewer than six pairs show nothing.
    assert pair_test(a_only=0, b_only=3, pairs=3).needed == 6
    # psi = delta = 0.05: (1.959964 sqrt(0.05) + 0.841621 sqrt(0.0475))^2 / 0.0025 = 0.621688^2 / 0.0025 = 154.6.
    assert pair_test(a_only=0, b_only=1, pairs=20).needed == 155
    assert pair_test(a_only=4, b_only=4, pairs=20).needed is None
    assert pair_test(a_only=0, b_only=0, pairs=20) == PairTest(a_only=0, b_only=0, pairs=20, p=1.0, needed=None)


def test_interval_shrinks_with_the_root_of_the_queries() -> None:
    # The arm towards 0 is 0.03 and has to become 0.01: nine times the queries. Four times in five takes an arm of
    # 0.01 * 1.959964 / (1.959964 + 0.841621) = 0.0069959: (0.03 / 0.0069959)^2 = 18.389 times as many.
    assert needed_for_interval(gain(0.01, -0.02, 0.05), discordant=30) == Needed(even=900, powered=1839)
    assert needed_for_interval(gain(-0.01, -0.05, 0.02), discordant=30) == Needed(even=900, powered=1839)


def test_an_interval_that_leaves_out_0_needs_fewer_queries_than_there_are() -> None:
    # The arm is 0.02 of a difference of 0.04: a quarter of the queries.
    needed = needed_for_interval(gain(0.04, 0.02, 0.06), discordant=50)
    assert needed is not None
    assert (needed.even, needed.powered) == (25, 52)


def test_no_difference_needs_no_number() -> None:
    assert needed_for_interval(gain(0.0, -0.02, 0.02), discordant=10) is None
    assert needed_for_interval(gain(1e-17, -0.02, 0.02), discordant=10) is None
    assert needed_for_interval(gain(0.0, 0.0, 0.0), discordant=0) is None


def test_an_interval_without_width_is_not_taken_for_certainty() -> None:
    # Two of three queries differ, all by as much: six that differ take nine.
    assert needed_for_interval(gain(1.0, 1.0, 1.0, queries=3), discordant=2) == Needed(even=9, powered=9)
