"""Drawings as SVG that stands in the page: intervals on an axis, and the diagram of a calibration."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from evals.calibration import Reliability
from evals.estimates import Estimate
from evals.evaluation.markup import Html, element
from evals.evaluation.words import number, quoted_interval
from evals.gate.gates import Side

__all__ = ["Axis", "Tone", "around_zero", "axis_of", "diagram", "interval_bar", "tone_of"]

Tone = Literal["good", "bad", "open", "own", "flat"]

_WIDTH = 200.0
_EDGE = 7.0
_HEIGHT = 26.0
_SIDE = 260.0  # of the diagram


@dataclass(frozen=True, kw_only=True)
class Axis:
    """The numbers that lie at both ends of a drawing."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Return where a number lies, from the left; what is beyond the axis lies at its end."""
        inside = min(max(value, self.low), self.high)
        return _EDGE + (inside - self.low) / (self.high - self.low) * (_WIDTH - 2 * _EDGE)


def around_zero(estimates: Iterable[Estimate], *, least: float = 0.02, more: Iterable[float] = ()) -> Axis:
    """Return an axis with 0 in its middle that holds all intervals."""
    ends = [abs(end) for one in estimates for end in (one.low, one.high) if math.isfinite(end)]
    reach = _round_up(max((least, *ends, *map(abs, more))))
    return Axis(low=-reach, high=reach)


def tone_of(gain: Estimate) -> Tone:
    """Return on which side of 0 a difference lies with its whole interval."""
    return "good" if gain.low > 0 else "bad" if gain.high < 0 else "flat"


def interval_bar(
    estimate: Estimate, axis: Axis, tone: Tone = "flat", *, bound: float | None = None, side: Side = "at_least"
) -> Html:
    """Draw a value with its interval.

    Args:
        estimate: What to draw.
        axis: Of all drawings beside this one.
        tone: How it is coloured.
        bound: Where it has to lie beyond; what lies on the wrong side is shaded.
        side: The right side of the bound.
    """
    middle = _HEIGHT / 2
    parts = []
    if bound is not None:
        at = axis.place(bound)
        start, end = (0.0, at) if side == "at_least" else (at, _WIDTH)
        parts += [
            element("rect", x=start, y=0.0, width=max(end - start, 0.0), height=_HEIGHT, class_="forbidden"),
            _line(at, at, 0.0, _HEIGHT, "bound"),
        ]
    parts.append(_line(0.0, _WIDTH, middle, middle, "axis"))
    if axis.low < 0 < axis.high:
        parts.append(_line(axis.place(0.0), axis.place(0.0), 3.0, _HEIGHT - 3, "zero"))
    parts += [
        _line(axis.place(estimate.low), axis.place(estimate.high), middle, middle, f"span {tone}"),
        element("circle", cx=axis.place(estimate.value), cy=middle, r=4.5, class_=f"dot {tone}"),
    ]
    told = quoted_interval(estimate) + ("" if bound is None else f"; the bound is {_tick(bound)}")
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        width=_WIDTH,
        height=_HEIGHT,
        role="img",
        aria_label=told,
        class_="bar",
    )


def axis_of(axis: Axis) -> Html:
    """Draw the numbers of an axis, for the head of a column of drawings."""
    middle = (axis.low + axis.high) / 2
    ticks = (
        element("text", _tick(value), x=axis.place(value), y=11.0, text_anchor=anchor)
        for value, anchor in ((axis.low, "start"), (middle, "middle"), (axis.high, "end"))
    )
    return element(
        "svg", *ticks, viewBox=f"0 0 {_WIDTH:g} 14", width=_WIDTH, height=14.0, aria_hidden="true", class_="ticks"
    )


def diagram(found: Reliability, name: str) -> Html:
    """Draw a reliability diagram: the share that is right, with Wilson's interval, over the confidence of a bin."""
    most = max(one.forecasts for one in found.bins)
    parts = [
        element("rect", x=_x(0), y=_y(1), width=_x(1) - _x(0), height=_y(0) - _y(1), class_="frame"),
        _line(_x(0), _x(1), _y(0), _y(1), "ideal"),
    ]
    for value in (0.0, 0.5, 1.0):
        parts += [
            element("text", f"{value:g}", x=_x(value), y=_y(0) + 16, text_anchor="middle"),
            element("text", f"{value:g}", x=_x(0) - 7, y=_y(value) + 4, text_anchor="end"),
        ]
    middle = _y(0.5)
    parts += [
        element("text", "confidence", x=_x(0.5), y=_SIDE - 6, text_anchor="middle"),
        element("text", "share right", x=11.0, y=middle, text_anchor="middle", transform=f"rotate(-90 11 {middle:g})"),
    ]
    for one in found.bins:
        radius = 3 + 4 * math.sqrt(one.forecasts / most)
        said = f"{one.forecasts:,} categories: confidence {number(one.confidence)}, {number(one.right)} right"
        parts += [
            _line(_x(one.confidence), _x(one.confidence), _y(one.low), _y(one.high), "span flat"),
            element(
                "circle", element("title", said), cx=_x(one.confidence), cy=_y(one.right), r=radius, class_="dot bin"
            ),
        ]
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_SIDE:g} {_SIDE:g}",
        role="img",
        aria_label=f"Reliability of {name}: calibration error {number(found.error)}",
        class_="diagram",
    )


def _x(share: float) -> float:
    return 48 + share * (_SIDE - 60)


def _y(share: float) -> float:
    return 8 + (1 - share) * (_SIDE - 46)


def _line(x1: float, x2: float, y1: float, y2: float, class_: str) -> Html:
    return element("line", x1=x1, x2=x2, y1=y1, y2=y2, class_=class_)


def _round_up(value: float) -> float:
    """Return the next number of 1, 2 or 5 times a power of ten, so that the ends of an axis can be read."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((step * power for step in (1.0, 2.0, 3.0, 5.0) if step * power >= value - 1e-12), 10.0 * power)


def _tick(value: float) -> str:
    return "0" if value == 0 else f"{value:g}".replace("-", "\N{MINUS SIGN}")
