"""The table of queries that are for no shop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from benchmarks.students.out_of_domain import Stranger, falsely_answered, read_strangers, unlearnt
from distill.examples import NONE, Example
from domain.taxonomy import Node, Taxonomy
from release.student import Student

TREE = Taxonomy(
    [
        Node(category_id="food", parent_id=None, name="Food"),
        Node(category_id="milk", parent_id="food", name="Milk"),
        Node(category_id="tea", parent_id="food", name="Tea"),
    ]
)


def test_the_list_is_read_as_the_student_will_be_asked() -> None:
    strangers = read_strangers()
    assert len(strangers) == 300
    assert Counter(stranger.kind for stranger in strangers)["symbol"] == 25
    assert strangers[0] == Stranger(query="facebook login", kind="navigation")


def test_queries_are_normalised_and_only_a_line_feed_ends_them(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("  Sure\u2028THING \tquestion\nlost\tsymbol\n", encoding="utf-8")
    assert read_strangers(file) == [
        Stranger(query="sure thing", kind="question"),
        Stranger(query="lost", kind="symbol"),
    ]


def test_what_was_learnt_is_left_out() -> None:
    strangers = [Stranger(query="qwerty", kind="gibberish"), Stranger(query="login", kind="navigation")]
    examples = {"labels": [], "nonsense": [Example(query="qwerty", shares={NONE: 1.0}, source="nonsense")]}
    assert unlearnt(strangers, examples) == strangers[1:]


def test_a_category_or_one_above_it_is_a_false_answer(teach: Callable[..., Any], tmp_path: Path) -> None:
    # This student answers "sure" with a leaf, "halfway" with its parent, and "lost" with nothing.
    student = Student(teach(tmp_path / "student", TREE).folder, TREE)
    strangers = [
        Stranger(query="sure", kind="question"),
        Stranger(query="lost", kind="question"),
        Stranger(query="halfway", kind="number"),
        Stranger(query="lost lost", kind="symbol"),
    ]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in falsely_answered(strangers, student)[2:]]
    assert [row[:3] for row in rows] == [
        ["number", "1", "1"],
        ["question", "2", "1"],
        ["symbol", "1", "0"],
        ["all", "4", "2"],
    ]
    assert [row[3].split()[0] for row in rows] == ["1.000", "0.500", "0.000", "0.500"]
