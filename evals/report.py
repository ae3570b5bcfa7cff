"""What a report of several systems on one gold set holds, and how it is written and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from domain.files import replace_atomically
from evals.calibration import Reliability
from evals.estimates import Estimate
from evals.slices import Slicing

__all__ = ["GoldSummary", "Report", "Row", "read_report", "write_report"]


@dataclass(frozen=True, kw_only=True)
class GoldSummary:
    """Which labels a report was measured on. ``doubts`` counts lines by what was wrong with them."""

    name: str
    sha256: str
    cases: int
    left_out: int
    further: int
    doubts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system on one slice of the cases: ``by`` "tier", ``slice`` "head", say.

    ``measures`` lacks a measure for which no case has labels. ``gains`` are differences to the first system, drawn in
    pairs, and empty for that system itself. ``degraded`` counts answers that failed; they score as abstentions.
    """

    system: str
    by: Slicing
    slice: str
    queries: int
    degraded: int
    measures: dict[str, Estimate]
    gains: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All systems on all slices. ``made`` says how: command, release, prompt ids, whatever the caller knows.

    ``small`` counts the slices that are left out because they have too few queries, by what their queries share.
    ``calibration`` has the reliability diagram of each system that gives confidences, over all queries.
    """

    made: dict[str, str]
    gold: GoldSummary
    systems: tuple[str, ...]
    draws: int
    seed: int
    rows: tuple[Row, ...]
    small: dict[str, int] = field(default_factory=dict)
    calibration: dict[str, Reliability] = field(default_factory=dict)


_adapter: TypeAdapter[Report] = TypeAdapter(Report)


def write_report(path: Path, report: Report) -> None:
    """Write a report as JSON, whole or not at all."""
    with replace_atomically(path) as file:
        file.write(_adapter.dump_json(report, indent=2) + b"\n")


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote."""
    return _adapter.validate_json(path.read_bytes())
