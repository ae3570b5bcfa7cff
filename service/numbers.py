"""Whole numbers that a client sends."""

from __future__ import annotations

from typing import Any

from service.problems import Problem

__all__ = ["whole_number"]


def whole_number(value: Any, field: str, *, least: int, most: int) -> int:
    """Return a whole number within its bounds, or raise the problem with it; 3.0, "3" and true are none."""
    if type(value) is not int or not least <= value <= most:
        raise Problem("invalid-field", f"It must be a whole number from {least:,} to {most:,}.", field=field)
    return value
