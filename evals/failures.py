"""Every query with what was expected and what each system answered, worst first, for a person to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from domain.files import replace_atomically
from domain.taxonomy import Taxonomy
from domain.understanding import Understanding
from evals.categories import count, predicted_ids
from evals.compare import Answers
from evals.gold import GoldSet
from evals.slices import TIERS

__all__ = ["Answered", "QueryLine", "by_query", "write_queries"]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """One system's answer to one query; ``f1`` at the leaf level is None where categories are not labelled."""

    f1: float | None
    categories: tuple[str, ...]
    confidence: tuple[float | None, ...]
    source: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class QueryLine:
    """One query. Categories read "id: root > ... > leaf"; ``expected`` empty means abstain, None not labelled."""

    query: str
    tier: str
    kind: str | None
    expected: tuple[str, ...] | None
    acceptable: tuple[str, ...]
    answers: dict[str, Answered]


def by_query(
    answers: Answers, gold: GoldSet, taxonomy: Taxonomy, *, tiers: Mapping[str, str], worst_of: str
) -> list[QueryLine]:
    """Return a line per case: the lowest F1 of the system `worst_of` first, in a tie the tier with more traffic."""
    lines = [
        QueryLine(
            query=case.query,
            tier=tiers.get(case.normalized, "unseen"),
            kind=case.kind,
            expected=None if case.categories is None else tuple(_named(i, taxonomy) for i in case.categories),
            acceptable=tuple(_named(i, taxonomy) for i in case.acceptable),
            answers={name: _answered(given[at], gold, at, taxonomy) for name, given in answers.items()},
        )
        for at, case in enumerate(gold.cases)
    ]
    places: dict[str, int] = {tier: place for place, tier in enumerate(TIERS)}

    def rank(line: QueryLine) -> tuple[bool, float, int, str]:
        f1 = line.answers[worst_of].f1
        return f1 is None, f1 or 0.0, places.get(line.tier, len(places)), line.query

    return sorted(lines, key=rank)


_adapter: TypeAdapter[QueryLine] = TypeAdapter(QueryLine)


def write_queries(path: Path, lines: list[QueryLine]) -> None:
    """Write the lines as JSON Lines, whole or not at all."""
    with replace_atomically(path) as file:
        for line in lines:
            file.write(_adapter.dump_json(line) + b"\n")


def _answered(answer: Understanding, gold: GoldSet, at: int, taxonomy: Taxonomy) -> Answered:
    counts = count(gold.cases[at], predicted_ids(answer), taxonomy, "leaf")
    return Answered(
        f1=None if counts is None else round(counts.f1, 4),
        categories=tuple(_named(category.id, taxonomy) for category in answer.categories),
        confidence=tuple(category.confidence for category in answer.categories),
        source=answer.source,
        reason=answer.reason,
    )


def _named(category_id: str, taxonomy: Taxonomy) -> str:
    path = " > ".join(taxonomy.path(category_id)) if category_id in taxonomy else "(not in the taxonomy)"
    return f"{category_id}: {path}"
