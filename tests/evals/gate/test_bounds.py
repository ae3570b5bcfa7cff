from __future__ import annotations

import pytest

from evals.estimates import Estimate
from evals.gate.bounds import IntervalTest, Levels, holm

LEVELS = Levels(to_pass=0.025, to_fail=0.0125)


def kappa(value: float, low: float, high: float, items: int = 240) -> IntervalTest:
    return IntervalTest(estimate=Estimate(value=value, low=low, high=high, queries=items), bound=0.6)


def test_holm_by_hand() -> None:
    # 0.01 * 3, then 0.03 * 2, then 0.04 * 1, which may not fall below the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_an_interval_that_ends_on_the_bound_is_the_level() -> None:
    test = kappa(0.7, 0.6, 0.75)
    assert test.p_violated == pytest.approx(0.025)
    # The upper arm of 0.05 has an error of 0.02551: 0.1 is 3.92 of them.
    assert test.p_holds == pytest.approx(1 - 4.4e-5, abs=1e-6)
    assert kappa(0.5, 0.4, 0.6).p_holds == pytest.approx(0.025)


def test_an_interval_without_width() -> None:
    assert (kappa(1.0, 1.0, 1.0).p_violated, kappa(1.0, 1.0, 1.0).p_holds) == (0.0, 1.0)
    assert (kappa(0.1, 0.1, 0.1).p_violated, kappa(0.1, 0.1, 0.1).p_holds) == (1.0, 0.0)
    assert (kappa(0.6, 0.6, 0.6).p_violated, kappa(0.6, 0.6, 0.6).p_holds) == (1.0, 1.0)


def test_items_needed_by_hand() -> None:
    # The error is 0.1 / 1.96 and 0.1 lies between: 240 * ((1.95996 + 0.84162) / 1.95996)^2 = 490.4.
    assert kappa(0.7, 0.6, 0.8).needed(LEVELS) == 491
    # Below the bound, at the lower level: 240 * ((2.24140 + 0.84162) / 1.95996)^2 = 593.8.
    assert kappa(0.5, 0.4, 0.6).needed(LEVELS) == 594
    assert kappa(0.6, 0.5, 0.7).needed(LEVELS) is None
    assert kappa(0.6001, 0.5, 0.7).needed(LEVELS) is None
