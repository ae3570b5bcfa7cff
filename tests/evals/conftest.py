"""A tree of two roots, six cases and their answers, small enough to score by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from domain.taxonomy import Node, Taxonomy
from domain.understanding import Annotation, Category, Reason, Rewrite, Specificity, Understanding
from evals import Case, GoldSet

Answer = Callable[..., Understanding]


@pytest.fixture(scope="session")
def tree() -> Taxonomy:
    rows = [
        ("drinks", None, "Drinks"),
        ("soda", "drinks", "Soda"),
        ("cola", "soda", "Cola"),
        ("ginger", "soda", "Ginger Ale"),
        ("water", "drinks", "Water"),
        ("food", None, "Food"),
        ("bread", "food", "Bread"),
    ]
    return Taxonomy(Node(category_id=i, parent_id=parent, name=name) for i, parent, name in rows)


@pytest.fixture(scope="session")
def answer() -> Answer:
    def make(
        query: str,
        ids: Sequence[str] = (),
        *,
        reason: Reason = "model",
        specificity: Specificity | None = None,
        annotations: tuple[Annotation, ...] = (),
        rewrites: tuple[Rewrite, ...] = (),
    ) -> Understanding:
        return Understanding(
            query=query,
            normalized=query,
            source="tail",
            reason=reason,
            release="test",
            categories=tuple(Category(id=i, path=(), confidence=0.5) for i in ids),
            specificity=specificity,
            annotations=annotations,
            rewrites=rewrites,
        )

    return make


@pytest.fixture(scope="session")
def six_cases() -> tuple[Case, ...]:
    def case(
        query: str, categories: tuple[str, ...], acceptable: tuple[str, ...] = (), kind: str | None = None
    ) -> Case:
        return Case(query=query, normalized=query, categories=categories, acceptable=acceptable, kind=kind)

    return (
        case("a", ("cola",), ("ginger",), kind="easy"),
        case("b", ("cola", "water")),
        case("c", ()),
        case("d", ()),
        case("e", ("bread",)),
        case("f", ("cola",), ("ginger",), kind="easy"),
    )


@pytest.fixture(scope="session")
def six_answers(answer: Answer) -> list[Understanding]:
    return [
        answer("a", ["cola", "water"]),
        answer("b", ["ginger"]),
        answer("c"),
        answer("d", ["bread"]),
        answer("e", reason="degraded"),
        answer("f", ["ginger"]),
    ]


@pytest.fixture(scope="session")
def gold(six_cases: tuple[Case, ...]) -> GoldSet:
    return GoldSet(name="gold.jsonl", sha256="ab" * 32, cases=six_cases, further=(), problems=())
