"""Where drawings put numbers, worked by hand: 200 wide, 7 free at either end, so 186 for the axis."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from evals.calibration import Reliability, ReliabilityBin
from evals.estimates import Estimate
from evals.evaluation.plots import Axis, around_zero, axis_of, diagram, interval_bar, tone_of


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, queries=30)


def by_class(svg: str) -> dict[str, ET.Element]:
    return {one.get("class", one.tag): one for one in ET.fromstring(svg)}


def test_an_axis_places_numbers_and_keeps_those_beyond_at_its_ends() -> None:
    axis = Axis(low=-0.1, high=0.1)
    assert [axis.place(x) for x in (-0.1, 0.0, 0.05, 0.1)] == pytest.approx([7, 100, 146.5, 193])
    assert [axis.place(x) for x in (-9, float("inf"))] == pytest.approx([7, 193])


def test_an_axis_around_zero_holds_all_intervals_and_ends_at_a_round_number() -> None:
    assert around_zero([]).high == pytest.approx(0.02)
    assert around_zero([estimate(0.01, -0.04, 0.06)]).high == pytest.approx(0.1)
    assert around_zero([estimate(0.01, -0.04, 0.03)], more=[-0.2]).high == pytest.approx(0.2)
    assert around_zero([estimate(0.0, float("-inf"), 0.25)]).low == pytest.approx(-0.3)


def test_an_interval_is_drawn_against_its_bound() -> None:
    drawn = by_class(interval_bar(estimate(0.5, 0.25, 0.75), Axis(low=0.0, high=1.0), "bad", bound=0.5))
    # 7 + 186 x 0.25 = 53.5; 7 + 186 x 0.75 = 146.5; broken is what lies left of the bound at 100.
    assert (drawn["span bad"].get("x1"), drawn["span bad"].get("x2")) == ("53.5", "146.5")
    assert drawn["dot bad"].get("cx") == "100"
    assert (drawn["forbidden"].get("x"), drawn["forbidden"].get("width")) == ("0", "100")
    right = by_class(interval_bar(estimate(0.5, 0.2, 0.8), Axis(low=0.0, high=1.0), bound=0.5, side="at_most"))
    assert (right["forbidden"].get("x"), right["forbidden"].get("width")) == ("100", "100")


def test_a_drawing_is_told_to_those_who_do_not_see_it() -> None:
    svg = ET.fromstring(interval_bar(estimate(-0.15, -0.19, -0.11), Axis(low=-1, high=1), bound=-0.03))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "−0.150 [−0.190, −0.110]; the bound is −0.03"


def test_the_head_of_a_column_has_the_numbers_of_the_axis() -> None:
    assert [one.text for one in ET.fromstring(axis_of(Axis(low=-0.05, high=0.05)))] == ["−0.05", "0", "0.05"]


def test_tones() -> None:
    assert [tone_of(estimate(0, low, high)) for low, high in ((0.01, 0.2), (-0.2, -0.01), (-0.1, 0.1), (0, 0.1))] == [
        "good",
        "bad",
        "flat",
        "flat",
    ]


def test_a_diagram_has_a_dot_for_each_bin() -> None:
    bins = (
        ReliabilityBin(confidence=0.5, right=0.25, low=0.1, high=0.5, forecasts=4),
        ReliabilityBin(confidence=1.0, right=1.0, low=0.8, high=1.0, forecasts=16),
    )
    svg = ET.fromstring(diagram(Reliability(bins=bins, error=0.05, floor=0.02), 'a "name" <b>'))
    dots = [one for one in svg if one.get("class") == "dot bin"]
    # From 48 to 248 and from 222 to 8: 148 in the middle, 222 less a quarter of 214; radii 3 + 4 x root.
    assert [(one.get("cx"), one.get("cy"), one.get("r")) for one in dots] == [("148", "168.5", "5"), ("248", "8", "7")]
    assert svg.get("aria-label") == 'Reliability of a "name" <b>: calibration error 0.050'
