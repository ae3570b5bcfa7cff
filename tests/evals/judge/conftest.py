"""Makers of verdicts and ratings, terse enough that a test shows its grades."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

import pytest

from domain.verdict import Item, JudgeTask, Unscored, Verdict
from evals.judge import Rating

Grades = Mapping[Item, int]


def item(query: str, subject: str = "x", task: JudgeTask = "relevance") -> Item:
    return Item(task=task, query=query, subject=subject)


def own_queries(grades: Sequence[int], task: JudgeTask = "relevance") -> dict[Item, int]:
    """Return one item a query: q00, q01 and so on."""
    return {item(f"q{i:02d}", task=task): grade for i, grade in enumerate(grades)}


def verdicts_of(grades: Mapping[Item, int | None], judge: str = "judge", repeat: str = "") -> list[Verdict | Unscored]:
    """Return verdicts; a grade of None is unscored."""
    return [
        Unscored(item=i, kind="refused", detail="", judge=judge, repeat=repeat)
        if grade is None
        else Verdict(item=i, grade=grade, facets={}, reason="", judge=judge, repeat=repeat, key="")
        for i, grade in grades.items()
    ]


def ratings_by(**raters: Grades) -> list[Rating]:
    return [Rating(item=i, grade=g, rater=name) for name, grades in raters.items() for i, g in grades.items()]


@pytest.fixture(name="item", scope="session")
def item_maker() -> Callable[..., Item]:
    return item


@pytest.fixture(name="own_queries", scope="session")
def own_queries_maker() -> Callable[..., dict[Item, int]]:
    return own_queries


@pytest.fixture(name="verdicts", scope="session")
def verdicts_maker() -> Callable[..., list[Verdict | Unscored]]:
    return verdicts_of


@pytest.fixture(name="ratings", scope="session")
def ratings_maker() -> Callable[..., list[Rating]]:
    return ratings_by


@pytest.fixture
def judge_extra() -> None:
    missing = [name for name in ("krippendorff", "ppi_py", "crowdkit") if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs the judge extra; not installed: {', '.join(missing)}")
