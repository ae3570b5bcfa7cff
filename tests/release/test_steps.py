"""The steps of the student, on one whose chances are known; every threshold is 0.9."""

from __future__ import annotations

import pytest

from domain.taxonomy import Taxonomy
from release import open_release
from release.steps import steps_of
from release.student import Student
from release.tail import Tail

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def tree(grocery) -> Taxonomy:
    return grocery.taxonomy


@pytest.fixture(scope="module")
def taught(teach, tree, tmp_path_factory):
    return teach(tmp_path_factory.mktemp("steps") / "student", tree)


@pytest.fixture(scope="module")
def student(taught, tree) -> Student:
    return Student(taught.folder, tree)


def test_what_is_sure_at_once_has_one_step(student, taught, tree):
    [step] = steps_of(student, tree, "sure")
    assert (step.id, step.path, step.threshold, step.answered) == (taught.leaf, tree.path(taught.leaf), 0.9, True)
    assert step.chance == pytest.approx(1, abs=1e-4)


def test_what_is_not_goes_up_the_tree(student, taught, tree):
    leaf, parent = steps_of(student, tree, "halfway")
    # Two leaves at 20 and 19.9: the likelier has 1 / (1 + exp(-0.1)) = 0.525, and their parent all of it.
    assert (leaf.id, leaf.chance, leaf.answered) == (taught.leaf, 0.525, False)
    assert (parent.id, parent.answered) == (taught.parent, True)
    assert parent.chance == pytest.approx(1, abs=1e-4)


def test_where_nothing_is_sure_the_steps_end_at_the_root_unanswered(student, tree):
    steps = steps_of(student, tree, "lost")
    assert [step.answered for step in steps] == [False] * len(steps)
    assert len(steps[-1].path) == 1
    assert [step.path[: len(steps[-1].path)] for step in steps] == [steps[-1].path] * len(steps)


@pytest.mark.parametrize("query", ["sure", "halfway", "lost", "sure halfway", "sure lost", "\U0001f95b", "x" * 256])
def test_the_last_step_is_what_the_tail_answers(student, tree, query):
    [said] = Tail(student, tree).answer([query])
    last = steps_of(student, tree, query)[-1]
    assert last.answered == bool(said.categories)
    if said.categories:
        assert (said.categories[0].id, said.categories[0].confidence) == (last.id, last.chance)


def test_a_release_without_a_student_has_no_steps(build):
    with open_release(build()) as release:
        assert release.steps("protein") == ()
