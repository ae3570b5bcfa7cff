"""The reliability diagram is an SVG with a point for each bin, where that belongs."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from benchmarks.students.plot import drawing
from evals.calibration import Forecasts, reliability

CIRCLE = "{http://www.w3.org/2000/svg}circle"


def forecasts(confidence: list[float], right: list[int]) -> Forecasts:
    return Forecasts(
        places=np.arange(len(confidence)),
        confidence=np.array(confidence, dtype=np.float64),
        right=np.array(right, dtype=np.float64),
        queries=len(confidence),
    )


def points(svg: str) -> list[tuple[float, float]]:
    return [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in ElementTree.fromstring(svg).iter(CIRCLE)]


def test_points_lie_at_mean_chance_and_share_right() -> None:
    # The square is 260 wide and begins at 60, 34; y goes down. One of two is right at 0.2, both are at 0.8.
    svg = drawing({"people": forecasts([0.2, 0.2, 0.8, 0.8], [0, 1, 1, 1])})
    assert points(svg) == [(60 + 0.2 * 260, 34 + 0.5 * 260), (60 + 0.8 * 260, 34)]


def test_every_bin_has_a_point_in_a_square_of_its_own() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(200)
    many = forecasts(confidence.tolist(), (rng.random(200) < confidence).astype(int).tolist())
    found = reliability(many)
    assert found is not None and len(found.bins) == 10
    drawn = points(drawing({"people": many, "the teacher": many}))
    # The second square begins 260 + 70 to the right.
    assert len(drawn) == 20
    assert [(round(x + 330, 1), y) for x, y in drawn[:10]] == drawn[10:]


def test_nothing_is_drawn_of_no_forecasts() -> None:
    svg = drawing({"people": forecasts([], []), "the teacher": forecasts([0.5], [1])})
    # The one that is there keeps its place.
    assert points(svg) == [(60 + 330 + 0.5 * 260, 34)]
