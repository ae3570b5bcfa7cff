"""All that was found out about one release, and how it is written and read back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter

from domain.files import replace_atomically
from evals.comparison import Comparison
from evals.consistency import Moved, Robustness, RuleCount
from evals.gate import Decision
from evals.judge import JudgeAgreement, JudgedFigure
from evals.replay import Replay
from evals.report import Report

__all__ = ["Evaluation", "Spent", "evaluation_json", "read_evaluation", "write_evaluation"]


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the labels and verdicts of a shop have cost so far; ``usd`` leaves out ``unpriced`` completions.

    A figure is None where it is not known, which is not 0.
    """

    completions: int
    tokens_in: int | None
    tokens_out: int | None
    usd: float | None
    unpriced: int
    usd_a_label: float | None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One release, measured. A part is None, or empty, where the shop has nothing to measure it by.

    Attributes:
        shop: Name of the shop.
        candidate: The release.
        base: The release that is served now and was compared with, or None where none is.
        evaluated: When, with its zone.
        lineage: Where the candidate's answers come from, in words to be printed: prompts, models, fingerprints.
        decision: What the gate says.
        report: The candidate and all that it competes with, against gold.
        comparison: The candidate (B) against the base (A), query by query.
        evidence: What the log says of queries that a reader will look at, a line each, by normalised query.
        contradictions: Answers of the candidate whose parts contradict each other, by rule.
        robustness: How far its answers stay as they are when a query is typed in another way.
        moved: What it answers otherwise than the base.
        replay: What it does to judged result lists.
        agreements: How far each judge agrees with people.
        figures: Judged figures of the candidate.
        spent: What it cost.
    """

    shop: str
    candidate: str
    base: str | None
    evaluated: datetime
    lineage: dict[str, str]
    decision: Decision
    report: Report | None = None
    comparison: Comparison | None = None
    evidence: dict[str, tuple[str, ...]]
    contradictions: tuple[RuleCount, ...] = ()
    robustness: Robustness | None = None
    moved: Moved | None = None
    replay: Replay | None = None
    agreements: tuple[JudgeAgreement, ...] = ()
    figures: tuple[JudgedFigure, ...] = ()
    spent: Spent | None = None


_adapter: TypeAdapter[Evaluation] = TypeAdapter(Evaluation)


def evaluation_json(evaluation: Evaluation) -> bytes:
    """Return an evaluation as JSON, a document of one line."""
    return _adapter.dump_json(evaluation) + b"\n"


def write_evaluation(path: Path, evaluation: Evaluation) -> str:
    """Write an evaluation as JSON, whole or not at all; return the SHA-256 of the file, which is signed."""
    data = evaluation_json(evaluation)
    with replace_atomically(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def read_evaluation(path: Path) -> Evaluation:
    """Read what `write_evaluation` wrote."""
    return _adapter.validate_json(path.read_bytes())
