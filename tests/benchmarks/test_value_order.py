"""Orders in which labels of the tail are asked for, and the file that keeps what students said."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.students.pool import Pool  # noqa: E402
from benchmarks.students.ranking import Ranking  # noqa: E402
from benchmarks.students.trial import STRANGERS, Trial, Trials  # noqa: E402
from benchmarks.value_order import _sizes  # noqa: E402
from distill.split import Lessons  # noqa: E402
from distill.student import Settings  # noqa: E402
from domain.errors import UserError  # noqa: E402
from domain.taxonomy import Taxonomy  # noqa: E402
from prompts.increment import unseen_context  # noqa: E402

UNSURE = {"a": 0.1, "b": 0.2, "c": 0.9, "d": 0.8}


def pool() -> Pool:
    searches = {"a": 90, "b": 40, "c": 10, "d": 5}
    angles = {"old": 0.0, "a": 90.0, "b": 60.0, "c": 30.0, "d": 28.0}
    return Pool(
        contexts={query: unseen_context(query, number) for query, number in searches.items()},
        disagreement={"a": 0.5, "b": 1.0, "c": 0.25, "d": 1.0},
        vectors={q: np.array([np.cos(np.radians(a)), np.sin(np.radians(a))]) for q, a in angles.items()},
        start=["old"],
    )


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("value", ["b", "a", "d", "c"]),  # 4.5, 8, 2.25, 4
        ("searches", ["a", "b", "c", "d"]),
        ("uncertainty", ["c", "d", "b", "a"]),
        ("unsearched", ["d", "c", "b", "a"]),  # 0.05, 0.2, 0.225, 0.8
        # 1 - cos to "old": a 1, b 0.5, c 0.134, d 0.117; times unsure 0.1, 0.1, 0.121, 0.094: c. Then to c: a 0.5,
        # b 0.134, d 0.0006, times unsure 0.05, 0.027, 0.0005: a. Then b, 0.134 from a as well.
        ("spread", ["c", "a", "b", "d"]),
    ],
)
def test_an_order_takes_the_first_of_what_is_left(order: str, expected: list[str]) -> None:
    assert pool().next(order, [], UNSURE, 4) == expected
    assert pool().next(order, expected[:1], UNSURE, 1) == expected[1:2]


def test_an_order_at_random_goes_on_where_it_was_and_takes_all() -> None:
    whole = pool().next("random 0", [], UNSURE, 4)
    assert sorted(whole) == ["a", "b", "c", "d"]
    assert whole[:2] + pool().next("random 0", whole[:2], UNSURE, 2) == whole
    assert len({tuple(pool().next(f"random {i}", [], UNSURE, 4)) for i in range(5)}) > 1


def test_a_curve_ends_with_all_there_is() -> None:
    assert _sizes(252, 63, None) == [0, 63, 126, 189, 252]
    assert _sizes(250, 100, None) == [0, 100, 200, 250]
    assert _sizes(2000, 500, 1000) == [0, 500, 1000]
    with pytest.raises(UserError):
        _sizes(50, 100, None)


def test_what_a_student_said_is_recalled_where_it_was_asked_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def train(self: Trials, key: str, lessons: Lessons, settings: Settings) -> Trial:
        trained.append(settings.seed)
        ranking = Ranking(ids=("a", ""), chances=(0.75, 0.25))
        return Trial(key=key, seconds=1.5, rankings={STRANGERS: (ranking,)}, let_through=(False,))

    monkeypatch.setattr(Trials, "_train", train)
    nothing = Lessons(taxonomy=Taxonomy(()), locale="en", sold=[], brands=[], contexts=[], labels=[], gold=[])
    file = tmp_path / "kept.jsonl"

    def ask(name: str, seed: int, query: str = "facebook") -> Trial:
        return Trials({STRANGERS: [query]}, tmp_path, file=file).of(name, nothing, Settings(seed=seed), nullcontext)

    first = ask("whole", 0)
    assert ask("whole", 0) == first
    assert trained == [0]
    ask("whole", 1)
    ask("less", 0)
    ask("whole", 0, "asdf")
    assert trained == [0, 1, 0, 0]
