from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from domain.understanding import Category, Understanding
from evals import Case
from evals.calibration import CalibrationError, Forecasts, reliability
from evals.estimates import bootstrap


def forecasts(*confidences: Sequence[tuple[str, float | None]]) -> Forecasts:
    """One query for each list of ids with their confidence; "r" is expected and "k" acceptable."""
    cases = [
        Case(query=str(i), normalized=str(i), categories=("r",), acceptable=("k",)) for i in range(len(confidences))
    ]
    return Forecasts.of(cases, [answered(str(i), given) for i, given in enumerate(confidences)])


def answered(query: str, given: Sequence[tuple[str, float | None]]) -> Understanding:
    categories = tuple(Category(id=i, path=(), confidence=sure) for i, sure in given)
    return Understanding(
        query=query, normalized=query, source="head", reason="model", release="", categories=categories
    )


def value(error: CalibrationError) -> float:
    return float(error.under(np.ones((1, error.forecasts.queries)))[0])


FOUR = (
    [("r", 0.9), ("x", 0.4)],
    [("r", 0.9)],
    [("x", 0.9), ("k", 0.4)],
    [("x", 0.9)],
)
"""At 0.9 two of four are right, at 0.4 one of two."""


def test_two_bins_by_hand() -> None:
    # |0.9 - 0.5| over 4 forecasts and |0.4 - 0.5| over 2: (4 * 0.4 + 2 * 0.1) / 6 = 0.3.
    found = forecasts(*FOUR)
    assert value(CalibrationError(forecasts=found)) == pytest.approx(0.3)
    # Squares: 0.01, 0.16, 0.01, 0.81, 0.36, 0.81 = 2.16 over 6.
    assert found.brier.under(np.ones((1, 4)))[0] == pytest.approx(0.36)


def test_a_diagram_by_hand() -> None:
    diagram = reliability(forecasts(*FOUR))
    assert diagram is not None
    assert [(b.confidence, b.right, b.forecasts) for b in diagram.bins] == [
        (pytest.approx(0.4), 0.5, 2),
        (pytest.approx(0.9), 0.5, 4),
    ]
    # Wilson for 2 of 4: z^2 = 3.8415; the middle is 0.5, the arm
    # 1.96 / (1 + 3.8415 / 4) * sqrt(0.25 / 4 + 3.8415 / 64) = 0.99987 * 0.35003 = 0.35.
    assert (diagram.bins[1].low, diagram.bins[1].high) == (pytest.approx(0.15, abs=1e-3), pytest.approx(0.85, abs=1e-3))
    assert diagram.error == pytest.approx(0.3)
    # sqrt(2 / pi) * (sqrt(2 * 0.24) + sqrt(4 * 0.09)) / 6 = 0.79788 * (0.69282 + 0.6) / 6.
    assert diagram.floor == pytest.approx(0.17192, abs=1e-5)


def test_what_makes_no_forecast() -> None:
    cases = [Case(query=q, normalized=q, categories=None if q == "a" else ()) for q in "abc"]
    found = Forecasts.of(
        cases, [answered("a", [("r", 0.5)]), answered("b", [("x", 0.7)]), answered("c", [("x", None)])]
    )
    # a is not labelled, c gives no confidence; b should have abstained, so that what it gives is wrong.
    assert (found.places.tolist(), found.confidence.tolist(), found.right.tolist()) == ([1], [0.7], [0.0])
    assert CalibrationError(forecasts=found).judged == 1
    none = Forecasts.of(cases[:1], [answered("a", [("r", 0.5)])])
    assert math.isnan(value(CalibrationError(forecasts=none)))
    assert reliability(none) is None


def test_the_first_of_two_confidences_of_an_id_counts() -> None:
    assert forecasts([("r", 0.9), ("r", 0.1)]).confidence.tolist() == [0.9]


def test_bins_hold_as_many_forecasts_and_never_part_equal_ones() -> None:
    spread = forecasts(*[[("r", i / 100)] for i in range(1, 101)])
    assert np.bincount(spread.bins()).tolist() == [10] * 10
    # 70 of 100 at 0.95: one bin of them, and 30 forecasts below in three of ten.
    lumped = forecasts(*[[("r", 0.95)]] * 70, *[[("x", i / 100)] for i in range(30)])
    assert np.bincount(lumped.bins()).tolist() == [10, 10, 10, 70]
    assert forecasts([("r", 1.0)], [("r", 0.0)]).bins().tolist() == [1, 0]


def test_a_slice_has_bins_of_its_own() -> None:
    found = CalibrationError(forecasts=forecasts(*FOUR)).only(np.array([3, 0]))
    # 0.9 wrong and right: 0.4 twice; 0.4 wrong: 0.4 once.
    assert value(found) == pytest.approx(0.4)
    assert found.judged == 2
    assert found.forecasts.places.tolist() == [1, 1, 0]


def test_the_interval_holds_the_value_and_the_truth() -> None:
    # 400 queries whose confidence is 0.2 too high throughout.
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 0.9, 400)
    right = rng.random(400) < sure - 0.2
    error = CalibrationError(
        forecasts=Forecasts(places=np.arange(400), confidence=sure, right=right.astype(float), queries=400)
    )
    found = bootstrap({"e": error}, queries=400, draws=1000, seed=0)["e"].estimate()
    assert found is not None
    assert found.low < 0.2 < found.high
    assert found.low < found.value < found.high


def test_an_error_of_chance_alone_is_told_by_the_floor() -> None:
    # Outcomes drawn with the stated chance: over 200 such systems ECE is the floor in the mean.
    rng = np.random.default_rng(1)
    errors, floors = [], []
    for _ in range(200):
        sure = rng.uniform(0.3, 1.0, 300)
        right = (rng.random(300) < sure).astype(float)
        diagram = reliability(Forecasts(places=np.arange(300), confidence=sure, right=right, queries=300))
        assert diagram is not None
        errors.append(diagram.error)
        floors.append(diagram.floor)
    assert np.mean(errors) == pytest.approx(np.mean(floors), rel=0.05)
