"""How a run ended: kept in `WORK/runs` by its name, and read again for what its labels cost."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from domain.files import replace_atomically
from domain.label import read_labels
from domain.shop import Shop
from prompts import Failure, Teacher
from prompts.ledger import read_charges, read_ledger
from prompts.runner import Tally
from prompts.spending import Spending, sum_up

__all__ = ["Summary", "spending_of", "write_summary"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run that has ended: labelled, carried over and failed queries add up to all.

    `kept` are failed queries that keep the label of an earlier run; `failures` is one of each class, to show.
    """

    run: str
    queries: int
    labelled: int
    carried: int
    failed: dict[str, int]
    kept: int
    dropped: dict[str, int]
    tally: Tally
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every query has a label of this run."""
        return not self.failed


def write_summary(shop: Shop, teacher: Teacher, summary: Summary, labels: Path) -> None:
    """Write a summary beside those of other runs, in place of an earlier start's, when its labels are written."""
    paid = set(read_ledger(shop.ledger).filter(pl.col("run") == summary.run)["key"])
    made = read_labels(labels) if paid and labels.is_file() else ()
    document = {
        "run": summary.run,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": teacher.model,
        "prompt": teacher.prompt_id,
        "context": teacher.has_context,
        "queries": summary.queries,
        "labelled": summary.labelled,
        # Of every start of the run: what the second carries over, the first has paid for.
        "labels": sum(not paid.isdisjoint(label.provenance.key.split("+")) for label in made),
        "carried": summary.carried,
        "failed": summary.failed,
        "kept": summary.kept,
        "dropped": summary.dropped,
        "tally": vars(summary.tally),
    }
    with replace_atomically(shop.runs / f"{summary.run}.json") as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")


def spending_of(shop: Shop) -> Spending:
    """Return what the shop's ledger holds, with the accepted labels of each run that ended."""
    labels = {}
    for path in shop.runs.glob("*.json"):
        document = json.loads(path.read_bytes())
        labels[path.stem] = int(document.get("labels", document["labelled"]))
    return sum_up(read_charges(shop.ledger), labels)
