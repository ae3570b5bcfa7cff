"""What a judge says of one answer: a verdict, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from domain.errors import CompletionProblem
from domain.files import replace_atomically

__all__ = ["Item", "JudgeTask", "Unscored", "UnscoredKind", "Verdict", "read_verdicts", "write_verdicts"]

JudgeTask = Literal["relevance", "category", "rewrite", "substitute", "complement"]
"""What is judged: a product for a query, or one part of the understanding of a query."""

UnscoredKind = CompletionProblem | Literal["unparseable"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing to judge.

    ``query`` is in normal form. ``subject`` is a product id (relevance), a category id (category), ``type:rewrite``
    (rewrite) or ``category_id:label`` (substitute, complement).
    """

    task: JudgeTask
    query: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A judge's verdict on one item.

    Attributes:
        item: What was judged.
        grade: Relevance from 0 to 3; of every other task 1 where all facets hold, else 0.
        facets: Each binary facet of the rubric with what the judge said of it.
        reason: The judge's words, written before the facets.
        judge: Model and rubric, as ``model, rubric id``.
        repeat: The nonce of an independent repeat, or empty.
        key: Hash of the request that was answered.
    """

    item: Item
    grade: int
    facets: dict[str, bool]
    reason: str
    judge: str
    repeat: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Unscored:
    """An item without a verdict: it is counted and left out, never taken for 0."""

    item: Item
    kind: UnscoredKind
    detail: str
    judge: str
    repeat: str


_adapter: TypeAdapter[Verdict | Unscored] = TypeAdapter(Verdict | Unscored)


def write_verdicts(path: Path, verdicts: Iterable[Verdict | Unscored]) -> int:
    """Write verdicts as JSON Lines, all or nothing; return how many."""
    count = 0
    with replace_atomically(path) as file:
        for verdict in verdicts:
            file.write(_adapter.dump_json(verdict) + b"\n")
            count += 1
    return count


def read_verdicts(path: Path) -> Iterator[Verdict | Unscored]:
    """Yield what `write_verdicts` wrote."""
    with path.open("rb") as file:
        for line in file:
            yield _adapter.validate_json(line)
