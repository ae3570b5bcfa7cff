"""Pairs of categories that a shop knows to go together, or not to: its file of complements."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from domain.quarantine import Reason
from domain.tables import Row, read_rows
from domain.taxonomy import Taxonomy

__all__ = ["KnownPairs", "PairFlaw", "PairsFile", "RejectedPair", "read_known_pairs"]

_COLUMNS = ("category_id", "other_id", "lift")
_SHOWN: Final = 10

PairFlaw = Reason | Literal["twice the same category", "bad lift"]
"""Why a row is left out."""


@dataclass(frozen=True, kw_only=True)
class RejectedPair:
    """A row that is left out; ``line`` is 1-based, in Parquet the number of the row."""

    line: int
    reason: PairFlaw


@dataclass(frozen=True, kw_only=True)
class PairsFile:
    """What became of the rows of a file: ``rows == accepted + sum(rejected.values())``.

    ``first_rejected`` are those of ``rejected`` that come first, ten at most.
    """

    file: str
    accepted: int
    rejected: Mapping[PairFlaw, int]
    first_rejected: tuple[RejectedPair, ...]

    @property
    def rows(self) -> int:
        """Rows read."""
        return self.accepted + sum(self.rejected.values())


@dataclass(frozen=True, kw_only=True)
class KnownPairs:
    """Lifts by pair of categories, the lesser id first, and what became of the files they were read from.

    A pair without a lift is there with infinity: the shop says that the two go together, and not how much.
    """

    lifts: Mapping[tuple[str, str], float] = field(default_factory=dict)
    files: tuple[PairsFile, ...] = ()

    @property
    def rejected(self) -> int:
        """Rows of the files that could not be used."""
        return sum(sum(file.rejected.values()) for file in self.files)

    def lift(self, one: str, other: str, taxonomy: Taxonomy) -> float | None:
        """Return the lift of two categories, or of the lowest pair above them that is known; None where none is."""
        for above in reversed(taxonomy.lineage(one)):
            for beyond in reversed(taxonomy.lineage(other)):
                found = self.lifts.get(_pair(above, beyond))
                if found is not None:
                    return found
        return None


def read_known_pairs(
    path: Path, categories: Container[str], *, columns: Mapping[str, str] | None = None, file: str | None = None
) -> KnownPairs:
    """Read a shop's file of complements in any format that `read_rows` reads; the last row of a pair counts.

    Args:
        path: The file.
        categories: Those of the shop; a row with any other is left out, as is one whose lift is no number from 0 up.
        columns: Our column name -> the name in the file, where it differs.
        file: What reports call the file; its name unless given.

    Raises:
        ShopError: the file cannot be read, or lacks a column.
    """
    names = [(columns or {}).get(column, column) for column in _COLUMNS]
    lifts: dict[tuple[str, str], float] = {}
    accepted = 0
    rejected: Counter[PairFlaw] = Counter()
    first: list[RejectedPair] = []
    for row in read_rows(path, names[:2], file=path.name):
        one, other = (_id(row, name) for name in names[:2])
        lift = _lift(row.values.get(names[2]))
        flaw = row.problem or _flaw(one, other, categories)
        if flaw or lift is None:
            flaw = flaw or "bad lift"
            rejected[flaw] += 1
            if len(first) < _SHOWN:
                first.append(RejectedPair(line=row.line, reason=flaw))
        else:
            lifts[_pair(one, other)] = lift
            accepted += 1
    read = PairsFile(
        file=file or path.name,
        accepted=accepted,
        rejected=dict(rejected.most_common()),
        first_rejected=tuple(first),
    )
    return KnownPairs(lifts=lifts, files=(read,))


def _flaw(one: str, other: str, categories: Container[str]) -> PairFlaw | None:
    if not one or not other:
        return Reason.MISSING_CATEGORY
    if one not in categories or other not in categories:
        return Reason.UNKNOWN_CATEGORY
    return "twice the same category" if one == other else None


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
