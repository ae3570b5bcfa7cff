"""What a ranking's diversity costs, as SVG: a point with its intervals for each trade-off, a panel for each kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from benchmarks.discovered.trade_off import FIRST, Traded
from domain.discovery.diverse import TRADE_OFF
from evals.estimates import Estimate

__all__ = ["drawing"]

_SIDE: Final = 240
_LEFT: Final = 66
_TOP: Final = 34
_GAP: Final = 74
_BELOW: Final = 48
_FEW: Final = 10
_APART: Final = 12.0
"""Distance from which on points have labels of their own."""
_ACROSS: Final[tuple[Measure, ...]] = ("diversity", "coverage")

Measure = Literal["diversity", "coverage"]


def drawing(measured: Sequence[Traded]) -> str:
    """Return panels side by side, diversity and coverage of each kind against precision.

    It brings its own paper, so that any page can show it. The trade-off that rankings take is filled; of kinds with
    fewer than ten queries nothing is drawn.
    """
    roles = dict.fromkeys(one.role for one in measured if one.queries >= _FEW)
    panels = [(role, measure) for role in roles for measure in _ACROSS]
    drawn = [
        _panel(
            f"{role}s, {measure}", measure, [one for one in measured if one.role == role], _LEFT + i * (_SIDE + _GAP)
        )
        for i, (role, measure) in enumerate(panels)
    ]
    width, height = _LEFT + max(1, len(panels)) * (_SIDE + _GAP) - _GAP + 20, _TOP + _SIDE + _BELOW
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
     role="img" aria-label="Precision against diversity and coverage">
<style>
  text {{ font: 12px system-ui, sans-serif; fill: #24292f }}
  .paper {{ fill: #ffffff }} .frame {{ fill: none; stroke: #8c959f }} .grid {{ stroke: #d8dee4 }}
  .bar {{ stroke: #0969da; stroke-opacity: 0.35 }} .path {{ fill: none; stroke: #0969da }}
  .dot {{ fill: #ffffff; stroke: #0969da; stroke-width: 2 }} .taken {{ fill: #0969da }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6edf3 }}
    .paper {{ fill: #0d1117 }} .frame {{ stroke: #6e7681 }} .grid {{ stroke: #21262d }}
    .bar {{ stroke: #58a6ff }} .path {{ stroke: #58a6ff }}
    .dot {{ fill: #0d1117; stroke: #58a6ff }} .taken {{ fill: #58a6ff }}
  }}
</style>
<rect class="paper" width="{width}" height="{height}"/>
{"".join(drawn)}</svg>
"""


def _panel(title: str, measure: Measure, measured: Sequence[Traded], left: int) -> str:
    across = [_of(one, measure) for one in measured]
    axes = _Axis(across), _Axis([one.precision for one in measured])

    def x(value: float) -> float:
        return round(left + axes[0].place(value) * _SIDE, 1)

    def y(value: float) -> float:
        return round(_TOP + (1 - axes[1].place(value)) * _SIDE, 1)

    middle, foot = left + _SIDE / 2, _TOP + _SIDE
    parts = [
        f'<text x="{middle}" y="20" text-anchor="middle">{title}: {measured[0].queries} queries</text>',
        *(f'<line class="grid" x1="{x(at)}" y1="{_TOP}" x2="{x(at)}" y2="{foot}"/>' for at in axes[0].ticks),
        *(f'<line class="grid" x1="{left}" y1="{y(at)}" x2="{left + _SIDE}" y2="{y(at)}"/>' for at in axes[1].ticks),
        f'<rect class="frame" x="{left}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>',
        *(f'<text x="{x(at)}" y="{foot + 17}" text-anchor="middle">{at:g}</text>' for at in axes[0].ticks),
        *(f'<text x="{left - 7}" y="{y(at) + 4}" text-anchor="end">{at:g}</text>' for at in axes[1].ticks),
        f'<text x="{middle}" y="{foot + 36}" text-anchor="middle">{measure} of the first {FIRST}</text>',
        f'<text transform="translate({left - 46} {_TOP + _SIDE / 2}) rotate(-90)" text-anchor="middle">share right'
        "</text>",
    ]
    for one, value in zip(measured, across, strict=True):
        at, up = x(value.value), y(one.precision.value)
        parts.append(
            f'<line class="bar" x1="{x(value.low)}" y1="{up}" x2="{x(value.high)}" y2="{up}"/>'
            f'<line class="bar" x1="{at}" y1="{y(one.precision.low)}" x2="{at}" y2="{y(one.precision.high)}"/>'
        )
    points = " ".join(f"{x(value.value)},{y(one.precision.value)}" for one, value in zip(measured, across, strict=True))
    parts.append(f'<polyline class="path" points="{points}"/>')
    labels: list[tuple[float, float, list[str]]] = []
    # The one that is taken comes last, on top of those at the same place.
    for one, value in sorted(zip(measured, across, strict=True), key=lambda pair: pair[0].trade_off == TRADE_OFF):
        at, up, taken = x(value.value), y(one.precision.value), " taken" if one.trade_off == TRADE_OFF else ""
        parts.append(f'<circle class="dot{taken}" cx="{at}" cy="{up}" r="4.5"/>')
        near = next((names for left, top, names in labels if abs(left - at) < _APART and abs(top - up) < _APART), None)
        if near is None:
            labels.append((at, up, near := []))
        near.append(f"{one.trade_off:g}")
    parts += [f'<text x="{at + 7}" y="{up - 7}">{", ".join(sorted(names))}</text>' for at, up, names in labels]
    return "\n".join(parts) + "\n"


def _of(one: Traded, measure: Measure) -> Estimate:
    return one.diversity if measure == "diversity" else one.coverage


class _Axis:
    """From a tenth to a tenth, wide enough for all intervals."""

    def __init__(self, estimates: Sequence[Estimate]) -> None:
        low = min(9, math.floor(10 * min(one.low for one in estimates) + 1e-9))
        high = max(low + 1, math.ceil(10 * max(one.high for one in estimates) - 1e-9))
        self._low, self._high = low / 10, high / 10
        self.ticks = [tenth / 10 for tenth in range(low, high + 1)]

    def place(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        return (value - self._low) / (self._high - self._low)
