"""The gate errs as seldom and sees as much as it says, over repeated simulated shops; the full run is the benchmark."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.gate_honesty import (
    Shop,
    absolute,
    claims,
    enough,
    heavy_losses,
    judge,
    paired,
    peeking,
    share,
    small_samples,
)
from evals.estimates import Ratio
from evals.gate.bounds import holm
from evals.gate.quantity import gained

_SURE = 0.001  # what a test may fail by chance: the seeds are fixed, and so is the outcome


def most(p: float, repeats: int) -> float:
    """Return the share of repeats that an event of this probability exceeds with a chance of 0.1% at most."""
    left = 1.0
    for k in range(repeats + 1):
        left -= math.comb(repeats, k) * p**k * (1 - p) ** (repeats - k)
        if left < _SURE:
            return k / repeats
    return 1.0


def least(p: float, repeats: int) -> float:
    return 1 - most(1 - p, repeats)


def test_tolerances_by_hand() -> None:
    # Ten fair tosses: ten heads come with 1/1024 < 0.1%, nine or ten with 11/1024 > 0.1%.
    assert (most(0.5, 10), least(0.5, 10)) == (0.9, pytest.approx(0.1))


@pytest.mark.parametrize("kind", ["only losses", "few change", "many change"])
@pytest.mark.parametrize("n", [30, 100, 300])
def test_worse_by_the_margin_passes_no_more_often_than_alpha(kind: str, n: int) -> None:
    found = small_samples(kind, n, margin=0.03, alpha=0.025, repeats=400, seed=n)
    assert found["gate"] <= most(0.025, 400)


def test_the_usual_tests_would_not_do() -> None:
    # With 30 queries and 3% lost, none is seen with probability 0.97^30 = 0.40, and both take that for proof.
    found = small_samples("only losses", 30, margin=0.03, alpha=0.025, repeats=400, seed=1)
    assert found["studentised"] > 0.3 and found["bootstrap"] > 0.3


def test_as_good_as_current_passes_at_the_power_that_is_claimed() -> None:
    shop = Shop.make(per_slice=120)
    found = list(paired(shop, margin=0.08, changed=0.2, loss=[0.0], repeats=50, seed=4))
    of_slice = claims(found, shop.slices[0])
    claimed = of_slice["power_equal"]
    assert 0.5 < claimed < 0.95
    assert least(claimed, 50) <= of_slice["PASS"] <= most(claimed, 50)
    assert share(found, "FAIL") == 0.0


def test_the_very_same_answers_always_pass() -> None:
    shop = Shop.make(per_slice=190, sizes=(1,))
    found = list(paired(shop, margin=0.02, changed=0.0, loss=[0.0], repeats=3, seed=5))
    assert share(found, "PASS") == 1.0


def test_three_points_worse_on_one_slice_is_seen_as_often_as_claimed_and_never_let_pass() -> None:
    shop = Shop.make(per_slice=220, slices=2)
    found = list(paired(shop, margin=0.005, changed=0.0, loss=[0.03, 0.0], repeats=40, seed=6))
    of_slice = claims(found, shop.slices[0])
    claimed = of_slice["power_3_points"]
    assert 0.2 < claimed < 0.8
    assert least(claimed, 40) <= of_slice["FAIL"] <= most(claimed, 40)
    assert share(found, "FAIL") == of_slice["FAIL"]
    assert share(found, "PASS") <= most(0.025, 40)


def test_precision_on_the_bound_neither_passes_nor_fails_more_often_than_alpha() -> None:
    found = absolute(Shop.make(per_slice=60), truth=0.85, bound=0.85, repeats=50, seed=7)
    assert found["PASS"] <= most(0.025, 50)
    assert found["FAIL"] <= most(0.025, 50)


@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_eight_slices_of_which_none_is_broken_fail_no_more_often_than_alpha(loss: float) -> None:
    rng = np.random.default_rng(8)
    failed = 0
    for _ in range(100):
        ps = []
        for _ in range(8):
            base = rng.random(80) < 0.8
            candidate = np.where(rng.random(80) < 0.3, rng.random(80) < 0.8 - loss / 0.3, base)
            gain = gained(Ratio.mean(candidate.astype(float)), Ratio.mean(base.astype(float)), np.arange(80))
            assert gain is not None
            ps.append(gain.spread.above(-0.05, best=1.0))
        failed += min(holm(ps)) <= 0.025
    assert failed / 100 <= most(0.025, 100)


def test_ten_looks_at_growing_data_err_no_more_often_than_alpha() -> None:
    found = peeking(loss=0.05, margin=0.05, looks=10, step=30, repeats=100, seed=9)
    assert found["PASS"] <= most(0.05, 100)
    assert found["FAIL"] <= most(0.05, 100)
    # Without spending alpha, looking ten times errs about three times as often.
    assert max(found["PASS unspent"], found["FAIL unspent"]) > 0.1


def test_a_loss_on_the_heaviest_queries_alone_passes_no_more_often_than_alpha() -> None:
    found = list(heavy_losses(per_slice=100, margin=0.05, repeats=60, seed=14))
    assert share(found, "PASS") <= most(0.025, 60)


@pytest.mark.parametrize(("up", "down"), [(0.1, 0.1), (0.03, 0.04)])
def test_as_many_queries_as_are_needed_settle_it_four_times_in_five(up: float, down: float) -> None:
    passed = enough(up=up, down=down, margin=0.05, repeats=400, seed=13)["PASS"]
    assert least(0.8, 400) <= passed <= most(0.8, 400)


def test_a_worse_judge_is_refused_and_a_good_one_is_not() -> None:
    assert judge(noise=0.6, bound=0.6, items=240, repeats=40, seed=10)["PASS"] == 0.0
    assert judge(noise=0.4, bound=0.6, items=240, repeats=60, seed=11)["PASS"] <= most(0.025, 60)
    assert judge(noise=0.1, bound=0.6, items=240, repeats=20, seed=12)["PASS"] >= least(0.99, 20)
