from __future__ import annotations

import numpy as np
import pytest

from domain.understanding import Category, Understanding
from evals.calibration import CalibrationError, Forecasts
from evals.case import Case
from evals.estimates import Array, Harmonic, Ratio
from evals.gate import quantity as module
from evals.gate.quantity import Quantity, gained, measured


def values_of(found: Quantity | None) -> list[float]:
    assert found is not None
    return np.repeat(found.spread.values, found.spread.counts.astype(int)).tolist()


def ratio(top: list[float], bottom: list[float]) -> Ratio:
    return Ratio(top=np.array(top), bottom=np.array(bottom))


def all_of(n: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    return np.arange(n, dtype=np.intp)


def test_of_a_mean_the_values_are_those_of_the_queries() -> None:
    mean = Ratio.mean(np.array([1.0, np.nan, 0.5, 0.0]))
    found = measured(mean, all_of(4))
    assert values_of(found) == pytest.approx([0.0, 0.5, 1.0])
    assert found is not None and (found.value, found.judged, found.queries) == (0.5, 3, 3)


def test_of_a_ratio_of_sums_by_hand() -> None:
    # 2 / 4. Without each query in turn 1/3, 2/3 and 1/2: 3 * 0.5 - 2 * 1/3 = 0.8333, 0.1667 and 0.5.
    found = measured(ratio([1, 0, 1], [1, 1, 2]), all_of(3))
    assert values_of(found) == pytest.approx([1 / 6, 1 / 2, 5 / 6])


def test_difference_of_pairs() -> None:
    candidate, base = Ratio.mean(np.array([1.0, 0.0, 1.0])), Ratio.mean(np.array([0.0, 0.0, 1.0]))
    found = gained(candidate, base, all_of(3))
    assert values_of(found) == pytest.approx([0.0, 0.0, 1.0])
    assert found is not None and (found.low, found.high) == (-1.0, 1.0)


def test_same_answers_differ_by_exactly_0() -> None:
    rng = np.random.default_rng(1)
    given = rng.integers(1, 4, 60).astype(float)
    f1 = Harmonic(precision=ratio([1] * 60, given.tolist()), recall=ratio([1] * 60, given[::-1].tolist()))
    found = gained(f1, f1, all_of(60))
    assert values_of(found) == [0.0] * 60
    assert found is not None and found.value == 0.0


def test_spread_of_f1_is_that_of_the_bootstrap() -> None:
    rng = np.random.default_rng(2)
    size = rng.integers(1, 4, 300).astype(np.float64)
    right = np.floor(size * rng.random(300) + 0.6)
    f1 = Harmonic(
        precision=Ratio(top=np.minimum(right, 2), bottom=np.minimum(size, 2)),
        recall=Ratio(top=np.minimum(right, size), bottom=size),
    )
    found = measured(f1, all_of(300))
    weights: Array = rng.multinomial(300, np.full(300, 1 / 300), size=4000).astype(np.float64)
    assert found is not None
    assert found.spread.error == pytest.approx(float(f1.under(weights).std()), rel=0.06)
    assert found.value == pytest.approx(float(f1.under(np.ones((1, 300)))[0]))


def test_the_heaviest_query_sets_the_scale_by_hand() -> None:
    # Weights 1, 1 and 4, of which 2 is the mean: one more of the heaviest is worth 2 average ones. The measure is 5/6.
    found = measured(ratio([1, 0, 4], [1, 1, 4]), all_of(3))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((5 / 6 - 2 * 5 / 6, 5 / 6 + 2 * 1 / 6))
    # Lost by the candidate, which has 5/6, and won by the base, which has 1/6: 4/6 - 2 * 5/6 - 2 * 5/6.
    gain = gained(ratio([1, 0, 4], [1, 1, 4]), ratio([0, 1, 0], [1, 1, 4]), all_of(3))
    assert gain is not None
    assert (gain.low, gain.high) == pytest.approx((4 / 6 - 20 / 6, 4 / 6 + 2 * 1 / 6 + 2 * 1 / 6))
    mean = measured(Ratio.mean(np.array([0.5, np.nan, 1.0])), all_of(3))
    assert mean is not None and (mean.low, mean.high) == pytest.approx((0.0, 1.0))


def test_only_the_members_count() -> None:
    mean = Ratio.mean(np.array([1.0, 1.0, 0.0, 0.0]))
    found = measured(mean, np.array([0, 3]))
    assert found is not None and (found.value, found.queries) == (0.5, 2)


def test_nothing_to_judge_is_none() -> None:
    nothing, something = Ratio.mean(np.full(3, np.nan)), Ratio.mean(np.ones(3))
    assert measured(nothing, all_of(3)) is None
    assert measured(something, all_of(0)) is None
    assert gained(something, nothing, all_of(3)) is None


def test_the_only_query_of_its_kind_does_not_break_the_rest() -> None:
    # Precision has one query to judge; without it there is none.
    found = gained(ratio([1, 0, 0], [1, 0, 0]), ratio([1, 1, 0], [1, 1, 1]), all_of(3))
    assert found is not None and found.judged == 1
    assert not np.isnan(found.spread.values).any()


def test_a_statistic_of_another_kind() -> None:
    cases = [Case(query=f"q{i}", normalized=f"q{i}", categories=("a",)) for i in range(40)]
    answers = [
        Understanding(
            query=case.query,
            normalized=case.query,
            source="tail",
            reason="model",
            release="",
            categories=(Category(id="a" if i % 4 else "b", path=(), confidence=0.75 if i % 2 else 0.5),),
        )
        for i, case in enumerate(cases)
    ]
    error = CalibrationError(forecasts=Forecasts.of(cases, answers))
    found = measured(error, all_of(40))
    # Of those at 0.75 all are right, of those at 0.5 half: (20 * 0.25 + 20 * 0) / 40.
    assert found is not None and found.value == pytest.approx(0.125)


def test_blocks_do_not_change_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    statistic = ratio([1, 0, 1, 1, 0], [1, 1, 2, 3, 1])
    whole = values_of(measured(statistic, all_of(5)))
    monkeypatch.setattr(module, "_BLOCK", 10)
    assert values_of(measured(statistic, all_of(5))) == whole


def test_negated_turns_values_and_scale_round() -> None:
    found = measured(Ratio.mean(np.array([1.0, 0.25, 0.25])), all_of(3))
    assert found is not None
    turned = found.negated()
    assert turned.spread.values.tolist() == pytest.approx([-1.0, -0.25])
    assert turned.spread.counts.tolist() == [1.0, 2.0]
    assert (turned.value, turned.low, turned.high) == (-0.5, -1.0, 0.0)
