"""Reliability diagrams as SVG."""

from __future__ import annotations

from collections.abc import Mapping

from evals.calibration import Forecasts, Reliability, reliability

SIDE = 260
LEFT, TOP, GAP, BELOW = 60, 34, 70, 46


def drawing(forecasts: Mapping[str, Forecasts]) -> str:
    """Return diagrams side by side, by who says what is right; it brings its own paper, so that any page can show it.

    Nothing is drawn of those without a forecast.
    """
    panels = []
    for i, (by, one) in enumerate(forecasts.items()):
        if diagram := reliability(one):
            panels.append(_panel(by, diagram, LEFT + i * (SIDE + GAP)))
    width, height = LEFT + len(forecasts) * (SIDE + GAP) - GAP + 20, TOP + SIDE + BELOW
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
     role="img" aria-label="Chance given and share right">
<style>
  text {{ font: 12px system-ui, sans-serif; fill: #24292f }}
  .paper {{ fill: #ffffff }} .frame {{ fill: none; stroke: #8c959f }} .grid {{ stroke: #d8dee4 }}
  .true {{ stroke: #57606a; stroke-dasharray: 4 4 }}
  .bar {{ stroke: #0969da; stroke-width: 2 }} .dot {{ fill: #0969da }}
  @media (prefers-color-scheme: dark) {{
    text {{ fill: #e6edf3 }}
    .paper {{ fill: #0d1117 }} .frame {{ stroke: #6e7681 }} .grid {{ stroke: #21262d }} .true {{ stroke: #8b949e }}
    .bar {{ stroke: #58a6ff }} .dot {{ fill: #58a6ff }}
  }}
</style>
<rect class="paper" width="{width}" height="{height}"/>
{"".join(panels)}</svg>
"""


def _panel(by: str, diagram: Reliability, left: int) -> str:
    def x(chance: float) -> float:
        return round(left + chance * SIDE, 1)

    def y(share: float) -> float:
        return round(TOP + (1 - share) * SIDE, 1)

    total = sum(one.forecasts for one in diagram.bins)
    middle = left + SIDE / 2
    parts = [
        f'<text x="{middle}" y="20" text-anchor="middle">by {by}: {total} queries, ECE {diagram.error:.3f}</text>',
        *(
            f'<line class="grid" x1="{x(at)}" y1="{y(0)}" x2="{x(at)}" y2="{y(1)}"/>'
            f'<line class="grid" x1="{x(0)}" y1="{y(at)}" x2="{x(1)}" y2="{y(at)}"/>'
            for at in (0.25, 0.5, 0.75)
        ),
        f'<rect class="frame" x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}"/>',
        f'<line class="true" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>',
        *(
            f'<text x="{x(at)}" y="{TOP + SIDE + 17}" text-anchor="middle">{at:g}</text>'
            f'<text x="{left - 7}" y="{y(at) + 4}" text-anchor="end">{at:g}</text>'
            for at in (0, 0.25, 0.5, 0.75, 1)
        ),
        f'<text x="{middle}" y="{TOP + SIDE + 36}" text-anchor="middle">mean chance given</text>',
        f'<text transform="translate({left - 44} {TOP + SIDE / 2}) rotate(-90)" text-anchor="middle">share right'
        "</text>",
    ]
    for one in diagram.bins:
        at = x(one.confidence)
        parts.append(
            f'<line class="bar" x1="{at}" y1="{y(one.low)}" x2="{at}" y2="{y(one.high)}"/>'
            f'<circle class="dot" cx="{at}" cy="{y(one.right)}" r="5"/>'
        )
    return "\n".join(parts) + "\n"
