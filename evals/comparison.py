"""What a comparison of two prompts on the same queries holds, and how it is written and read back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from domain.files import replace_atomically
from evals.compared_query import ComparedQuery
from evals.cost import Cost
from evals.estimates import Estimate
from evals.paired import Needed, PairTest
from evals.slices import Slicing

__all__ = [
    "Comparison",
    "Finding",
    "Paired",
    "Quality",
    "Searches",
    "SideSummary",
    "SliceRow",
    "comparison_json",
    "read_comparison",
    "write_comparison",
]

Finding = Literal["b_better", "a_better", "no_difference_shown"]


@dataclass(frozen=True, kw_only=True)
class Paired:
    """A measure on both sides, and B less A drawn by the same resamples."""

    a: Estimate
    b: Estimate
    gain: Estimate


@dataclass(frozen=True, kw_only=True)
class SliceRow:
    """Both sides on one slice of the queries: ``by`` "tier", ``slice`` "head", say.

    ``judged`` queries have labelled categories; B won, lost and tied those. ``measures`` lacks a measure for which no
    query has labels; ``agreement`` is over all queries of the slice, labelled or not.
    """

    by: Slicing
    slice: str
    queries: int
    searches: int
    judged: int
    won: int
    lost: int
    tied: int
    measures: dict[str, Paired]
    agreement: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class SideSummary:
    """One side: its failures by class, which score as abstentions, how many answers are wholly right, and its cost."""

    name: str
    failed: dict[str, int]
    right: int
    cost: Cost


@dataclass(frozen=True, kw_only=True)
class Searches:
    """Shares of the searches of the judged queries that stand behind the queries that B won and lost."""

    won: Estimate
    lost: Estimate
    net: Estimate


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Which side is better by F1 at the leaf level, and what else points that way or the other.

    ``finding`` names a side when the 95% interval of ``gain`` leaves out 0 and ``differing`` queries are enough for any
    difference to show (`evals.paired.LEAST_DISCORDANT`). ``sign`` tests won against lost, ``wholly_right`` is McNemar's
    test of answers with F1 = 1. ``searches`` is None where no judged query was searched.
    """

    finding: Finding
    judged: int
    gain: Estimate
    differing: int
    needed: Needed | None
    won: int
    lost: int
    tied: int
    sign: PairTest
    wholly_right: PairTest
    searches: Searches | None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Side B against side A. ``made`` says how: command, model, whatever the caller knows.

    ``quality`` is None where no query has labelled categories. The first of ``rows`` is about all queries; ``compared``
    is in the order asked.
    """

    made: dict[str, str]
    queries: int
    searches: int
    a: SideSummary
    b: SideSummary
    quality: Quality | None
    rows: tuple[SliceRow, ...]
    compared: tuple[ComparedQuery, ...]
    draws: int
    seed: int


_adapter: TypeAdapter[Comparison] = TypeAdapter(Comparison)


def comparison_json(comparison: Comparison, *, indent: int | None = None) -> str:
    """Return a comparison as JSON in ASCII, so that any text of a shopper can be written."""
    return json.dumps(_adapter.dump_python(comparison), ensure_ascii=True, indent=indent)


def write_comparison(path: Path, comparison: Comparison) -> None:
    """Write a comparison as JSON, whole or not at all; prompts and completions are not in it."""
    with replace_atomically(path) as file:
        file.write(comparison_json(comparison, indent=2).encode("ascii") + b"\n")


def read_comparison(path: Path) -> Comparison:
    """Read what `write_comparison` wrote."""
    return _adapter.validate_python(json.loads(path.read_bytes()))
