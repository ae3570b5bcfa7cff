"""Numbers and names as cells of a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from evals.estimates import Estimate

__all__ = ["cell", "difference", "interval", "number", "table"]


def cell(text: str) -> str:
    """Return a text that stays in its cell."""
    return " ".join(text.replace("|", "\\|").split())


def number(estimate: Estimate | None) -> str:
    """Return a value to three places, or a dash."""
    return "–" if estimate is None else f"{estimate.value:.3f}"


def interval(estimate: Estimate | None) -> str:
    """Return a value with its interval, or a dash."""
    return "–" if estimate is None else f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def difference(estimate: Estimate | None) -> str:
    """Return a signed value with its interval, bold where the interval leaves out 0."""
    if estimate is None:
        return "–"
    # Adding 0 turns a rounded -0.0 into 0.
    value, low, high = (f"{round(number, 3) + 0.0:+.3f}" for number in (estimate.value, estimate.low, estimate.high))
    text = f"{value} [{low}, {high}]"
    return f"**{text}**" if estimate.low > 0 or estimate.high < 0 else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table."""
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]
