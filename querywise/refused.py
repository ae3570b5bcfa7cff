"""Lines of a user's files whose query no model is asked about, for the personal data in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from querywise.options import console

__all__ = ["show_refused"]

_SHOWN: Final = 10


def show_refused(places: Sequence[str]) -> None:
    """Say which lines are left out, the first ten by their place; never what they hold."""
    for place in places[:_SHOWN]:
        console.print(f"{place}: left out, personal data in the query")
    if len(places) > _SHOWN:
        console.print(f"  and {len(places) - _SHOWN:,} more", style="dim")
