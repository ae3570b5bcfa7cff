"""The curve from logits to chances, however far apart or the wrong way round they are."""

from __future__ import annotations

import numpy as np
import pytest

from distill.platt import fit_sigmoid


def flags(right: int, wrong: int) -> np.ndarray:
    return np.array([True] * right + [False] * wrong)


@pytest.mark.parametrize(("slope", "intercept", "spread"), [(0.6, -0.5, 2.0), (1.8, 0.7, 1.0), (0.2, 1.0, 8.0)])
def test_the_curve_is_found_again(slope: float, intercept: float, spread: float) -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, spread, 20_000).clip(-13, 13)
    right = rng.uniform(size=20_000) < 1 / (1 + np.exp(-(slope * logits + intercept)))
    found = fit_sigmoid(logits, right)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept), abs=0.07)


def test_logits_that_are_all_but_certain_are_brought_down() -> None:
    # Half of what is taken for certain is wrong; a whole step of Newton's method would leap over the minimum and back.
    found = fit_sigmoid(np.full(1000, 16.0), flags(500, 500))
    assert 16 * found.slope + found.intercept == pytest.approx(0, abs=4e-3)


def test_the_order_is_never_turned_round_and_the_mean_still_kept() -> None:
    logits = np.repeat([-2.0, 2.0], [400, 600])
    right = np.concatenate([flags(360, 40), flags(120, 480)])
    found = fit_sigmoid(logits, right)
    assert found.slope == 0.05
    # Softened, 480 of 1,000: the 0.48 that there are.
    assert np.mean(1 / (1 + np.exp(-(found.slope * logits + found.intercept)))) == pytest.approx(0.48, abs=1e-3)


def test_few_that_are_perfectly_parted_are_not_taken_for_certain() -> None:
    # One of each: the targets are 2 / 3 and 1 / 3, which are the chances of a slope of log 2.
    found = fit_sigmoid(np.array([-1.0, 1.0]), np.array([False, True]))
    assert (found.slope, found.intercept) == pytest.approx((np.log(2), 0), abs=2e-3)


def test_no_logits_change_nothing() -> None:
    found = fit_sigmoid(np.array([]), np.array([], dtype=bool))
    assert (found.slope, found.intercept) == (1.0, 0.0)
