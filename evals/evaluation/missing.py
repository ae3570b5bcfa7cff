"""What is said where a part of an evaluation is missing: why, and how to get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Html, coded, note

__all__ = ["MISSING", "Absent", "absent", "missing"]

Absent = Literal["report", "base", "robustness", "replay", "agreements", "figures", "calibration", "spent"]

MISSING: Final[Mapping[Absent, str]] = {
    "report": "No labelled queries: label some with `querywise review`, or put gold.jsonl into the shop folder, and "
    "run `querywise evaluate` again.",
    "base": "No other release to compare with: once one is promoted, the next is compared with it.",
    "robustness": "No query was asked in other words: `querywise evaluate` does so for the most searched ones.",
    "replay": "No judged lists: put judgements.csv into the shop folder and run `querywise evaluate --replay`.",
    "agreements": "No judge was held against people: put judgements.csv into the shop folder, run `querywise "
    "judge`, and `querywise evaluate` again.",
    "figures": "No figure of a judge: run `querywise judge` on what this release answers.",
    "calibration": "No labelled query has an answer with a confidence, so there is nothing to check it against.",
    "spent": "The cost is not known: the ledger of the work folder is empty.",
}
"""Each part, and its line."""


def absent(name: Absent) -> Html:
    """Return the line of a part as small print."""
    return note(coded(MISSING[name]))


def missing(evaluation: Evaluation) -> Iterator[Absent]:
    """Yield the parts that are missing, in the order of the report."""
    if evaluation.comparison is None:
        yield "base"
    if evaluation.report is None:
        yield "report"
    if evaluation.replay is None:
        yield "replay"
    if evaluation.robustness is None:
        yield "robustness"
    if not evaluation.agreements:
        yield "agreements"
    if evaluation.spent is None:
        yield "spent"
