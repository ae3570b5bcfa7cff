from __future__ import annotations

import pytest

from domain.taxonomy import Taxonomy
from evals import Case
from evals.categories import Counts, Level, count, is_top_right


def counts(right: int, given: int, found: int, asked: int) -> Counts:
    return Counts(right=right, given=given, found=found, asked=asked)


def case(categories: tuple[str, ...] | None, acceptable: tuple[str, ...] = ()) -> Case:
    return Case(query="q", normalized="q", categories=categories, acceptable=acceptable)


@pytest.mark.parametrize(
    ("categories", "acceptable", "given", "expected"),
    [
        (("cola",), ("ginger",), ["cola", "water"], counts(1, 2, 1, 1)),
        (("cola",), ("ginger",), ["ginger"], counts(1, 1, 0, 1)),
        (("cola",), ("ginger",), ["cola", "ginger"], counts(2, 2, 1, 1)),
        (("cola", "water"), (), ["ginger"], counts(0, 1, 0, 2)),
        (("cola",), (), [], counts(0, 0, 0, 1)),
        (("cola",), (), ["soda"], counts(0, 1, 0, 1)),
        (("cola",), (), ["no such id"], counts(0, 1, 0, 1)),
        ((), (), [], counts(1, 1, 1, 1)),
        ((), (), ["bread"], counts(0, 1, 0, 1)),
        ((), ("bread",), ["bread"], counts(1, 1, 0, 1)),
    ],
)
def test_leaf_counts(
    tree: Taxonomy, categories: tuple[str, ...], acceptable: tuple[str, ...], given: list[str], expected: Counts
) -> None:
    assert count(case(categories, acceptable), given, tree, "leaf") == expected


@pytest.mark.parametrize(
    ("categories", "acceptable", "given", "expected"),
    [
        pytest.param(("cola",), (), ["ginger"], counts(1, 1, 1, 1), id="a sibling has the same parent"),
        pytest.param(("cola",), (), ["ginger", "cola"], counts(1, 1, 1, 1), id="two siblings are one parent"),
        pytest.param(("cola", "water"), (), ["ginger"], counts(1, 1, 1, 2), id="parents of both are asked"),
        pytest.param(("drinks",), (), ["water"], counts(1, 1, 1, 1), id="a root stands for itself"),
        pytest.param(("cola",), (), ["soda"], counts(1, 1, 1, 1), id="backing off to the parent is right"),
        pytest.param(("cola",), (), ["drinks"], counts(0, 1, 0, 1), id="backing off by two is not"),
        pytest.param(("soda",), ("cola",), ["soda"], counts(1, 1, 1, 1), id="the expected id is raised, not kept"),
        pytest.param(("soda", "cola"), (), ["soda"], counts(1, 1, 1, 2), id="one expected id above another"),
        pytest.param(("cola",), (), ["no such id"], counts(0, 1, 0, 1), id="an unknown id stays wrong"),
        pytest.param((), (), ["bread"], counts(0, 1, 0, 1), id="abstention asked, not given"),
    ],
)
def test_parent_counts(
    tree: Taxonomy, categories: tuple[str, ...], acceptable: tuple[str, ...], given: list[str], expected: Counts
) -> None:
    assert count(case(categories, acceptable), given, tree, "parent") == expected


def test_hierarchical_counts_share_of_the_path(tree: Taxonomy) -> None:
    # Expected: drinks, soda, cola. Given: drinks, soda; then drinks, water; then food, bread.
    assert count(case(("cola",)), ["soda"], tree, "hierarchical") == counts(2, 2, 2, 3)
    assert count(case(("cola",)), ["water"], tree, "hierarchical") == counts(1, 2, 1, 3)
    assert count(case(("cola",)), ["bread"], tree, "hierarchical") == counts(0, 2, 0, 3)


@pytest.mark.parametrize("level", ["leaf", "parent", "hierarchical"])
def test_unlabelled_categories_are_not_judged(tree: Taxonomy, level: Level) -> None:
    assert count(case(None), ["cola"], tree, level) is None
    assert is_top_right(case(None), ["cola"]) is None


def test_f1_of_counts() -> None:
    assert counts(1, 2, 1, 1).f1 == pytest.approx(2 / 3)
    assert counts(1, 1, 0, 1).f1 == 0.0
    assert counts(0, 0, 0, 1).f1 == 0.0


def test_top_is_the_first_id() -> None:
    assert is_top_right(case(("cola",)), ["cola", "water"]) is True
    assert is_top_right(case(("cola",)), ["water", "cola"]) is False
    assert is_top_right(case(("cola",), ("water",)), ["water"]) is True
    assert is_top_right(case(("cola",)), []) is False
    assert is_top_right(case(()), []) is True
    assert is_top_right(case(()), ["cola"]) is False
