from __future__ import annotations

import numpy as np
import pytest

from evals import estimates
from evals.estimates import Harmonic, Ratio, bootstrap


def test_interval_of_a_coin_is_the_normal_one() -> None:
    # 200 of 400: the standard error is sqrt(0.25 / 400) = 0.025, so the interval is 0.5 -+ 0.049.
    tossed = Ratio.mean(np.tile([0.0, 1.0], 200))
    estimate = bootstrap({"coin": tossed}, queries=400, draws=4000, seed=1)["coin"].estimate()
    assert estimate is not None
    assert (estimate.value, estimate.queries) == (0.5, 400)
    assert estimate.low == pytest.approx(0.451, abs=0.004)
    assert estimate.high == pytest.approx(0.549, abs=0.004)


def test_ratio_of_sums_is_not_the_mean_of_ratios() -> None:
    ratio = Ratio(top=np.array([1.0, 0.0]), bottom=np.array([1.0, 3.0]))
    assert ratio.under(np.array([[1.0, 1.0], [2.0, 0.0]])).tolist() == [0.25, 1.0]


def test_nothing_to_judge_is_nan_then_none() -> None:
    nothing = Ratio.mean(np.array([np.nan, np.nan]))
    assert np.isnan(nothing.under(np.ones((1, 2)))).all()
    assert bootstrap({"x": nothing}, queries=2, draws=10, seed=0)["x"].estimate() is None


def test_unjudged_queries_are_left_out_of_a_mean() -> None:
    mean = Ratio.mean(np.array([1.0, np.nan, 0.0, np.nan]))
    assert mean.under(np.ones((1, 4))).tolist() == [0.5]
    assert mean.judged == 2


def test_f1_is_zero_without_precision_and_nan_without_both() -> None:
    asked = Ratio(top=np.array([0.0]), bottom=np.array([2.0]))
    none = Ratio(top=np.array([0.0]), bottom=np.array([0.0]))
    once = np.ones((1, 1))
    assert Harmonic(precision=none, recall=asked).under(once).tolist() == [0.0]
    assert np.isnan(Harmonic(precision=none, recall=none).under(once)).all()


def test_pairs_are_drawn_together() -> None:
    values = np.random.default_rng(5).random(300)
    samples = bootstrap({"a": Ratio.mean(values), "b": Ratio.mean(values + 0.25)}, queries=300, draws=500, seed=2)
    alone, gain = samples["b"].estimate(), samples["b"].over(samples["a"]).estimate()
    assert alone is not None and gain is not None
    assert alone.high - alone.low > 0.04
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.25, 0.25, 0.25))


def test_blocks_do_not_change_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    ratio = {"x": Ratio.mean(np.arange(50.0))}
    whole = bootstrap(ratio, queries=50, draws=101, seed=3)["x"].draws
    monkeypatch.setattr(estimates, "_BLOCK", 500)
    assert bootstrap(ratio, queries=50, draws=101, seed=3)["x"].draws.tolist() == whole.tolist()
    assert len(whole) == 101
