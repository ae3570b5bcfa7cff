"""Pairs of categories that a shop knows to go together, or not to: its file of complements."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from domain.tables import Row, read_rows
from domain.taxonomy import Taxonomy

__all__ = ["KnownPairs", "read_known_pairs"]

_COLUMNS = ("category_id", "other_id", "lift")


@dataclass(frozen=True, kw_only=True)
class KnownPairs:
    """Lifts by pair of categories, the lesser id first; ``rejected`` rows of the file could not be used.

    A pair without a lift is there with infinity: the shop says that the two go together, and not how much.
    """

    lifts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    rejected: int = 0

    def lift(self, one: str, other: str, taxonomy: Taxonomy) -> float | None:
        """Return the lift of two categories, or of the lowest pair above them that is known; None where none is."""
        for above in reversed(taxonomy.lineage(one)):
            for beyond in reversed(taxonomy.lineage(other)):
                found = self.lifts.get(_pair(above, beyond))
                if found is not None:
                    return found
        return None


def read_known_pairs(path: Path, categories: Container[str], *, columns: Mapping[str, str] | None = None) -> KnownPairs:
    """Read a shop's file of complements in any format that `read_rows` reads; the last row of a pair counts.

    Args:
        path: The file.
        categories: Those of the shop; a row with any other is left out, as is one whose lift is no number from 0 up.
        columns: Our column name -> the name in the file, where it differs.

    Raises:
        ShopError: the file cannot be read, or lacks a column.
    """
    names = [(columns or {}).get(column, column) for column in _COLUMNS]
    lifts: dict[tuple[str, str], float] = {}
    rejected = 0
    for row in read_rows(path, names[:2], file=path.name):
        one, other = (_id(row, name) for name in names[:2])
        lift = _lift(row.values.get(names[2]))
        if row.problem or lift is None or one == other or one not in categories or other not in categories:
            rejected += 1
        else:
            lifts[_pair(one, other)] = lift
    return KnownPairs(lifts=lifts, rejected=rejected)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _id(row: Row, column: str) -> str:
    value = row.values.get(column)
    return "" if value is None or isinstance(value, bool | list | dict) else str(value).strip()


def _lift(value: object) -> float | None:
    if value is None or value == "":
        return math.inf
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        lift = float(value)
    except (ValueError, OverflowError):
        return None
    return lift if 0 <= lift < math.inf else None
