"""Sentences and tables, for a terminal and for Markdown."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from evals.cells import cell, table

__all__ = ["Block", "Grid", "as_markdown", "as_text"]

_WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table: its head and its rows, as text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = str | Grid
"""A sentence or a table."""


def as_text(blocks: Sequence[Block]) -> str:
    """Return blocks with sentences wrapped at 100 columns and tables aligned."""
    return (
        "\n\n".join("\n".join(_aligned(b) if isinstance(b, Grid) else wrap(_plain(b), _WIDTH)) for b in blocks) + "\n"
    )


def as_markdown(blocks: Sequence[Block]) -> str:
    """Return blocks as paragraphs and tables of Markdown."""
    return "\n\n".join("\n".join(_marked(b)) if isinstance(b, Grid) else _plain(b) for b in blocks) + "\n"


def _marked(grid: Grid) -> list[str]:
    head, *rows = _cells(grid)
    return table(head, rows)


def _aligned(grid: Grid) -> list[str]:
    cells = _cells(grid)
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(text + " " * (width - _columns(text)) for text, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def _cells(grid: Grid) -> list[list[str]]:
    return [[cell(_plain(text)) for text in row] for row in (grid.head, *grid.rows)]


def _plain(text: str) -> str:
    """Return one line of text without what could steer a terminal; names of judges and raters come from files."""
    shown = "".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return " ".join(shown.split())


def _columns(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
