"""A category, one of its ancestors, or nothing: worked by hand on a tree of six.

0 food                2 dairy under food     4 drinks
1 bread under food    3 milk under dairy     5 tea under drinks
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.taxonomy import Node, Taxonomy
from release.student import Answered, Level, Policy, Tree, decide
from release.student.decision import MOST

IDS = ("food", "bread", "dairy", "milk", "drinks", "tea")
NEVER = Level(threshold=2.0)


def taxonomy_of(*pairs: tuple[str, str | None]) -> Taxonomy:
    return Taxonomy(Node(category_id=i, parent_id=parent, name=i) for i, parent in pairs)


# In an order of the file that is no preorder.
TREE = Tree.of(
    taxonomy_of(
        ("food", None), ("drinks", None), ("tea", "drinks"), ("milk", "dairy"), ("bread", "food"), ("dairy", "food")
    )
)


def policy_of(own: float = 0.5, ancestor: float = 0.5) -> Policy:
    return Policy(own=(Level(threshold=own),) * 3, ancestor=(Level(threshold=ancestor),) * 3)


def decided(*probabilities: float, policy: Policy | None = None) -> Answered:
    return decide(np.array(probabilities, dtype=np.float32), TREE, policy or policy_of())


def test_a_tree_stands_in_preorder_with_siblings_in_order_of_the_file() -> None:
    assert TREE.ids == IDS
    assert TREE.parent.tolist() == [-1, 0, 0, 2, -1, 4]
    assert TREE.depth.tolist() == [0, 1, 1, 2, 0, 1]
    assert TREE.end.tolist() == [4, 2, 4, 4, 6, 6]
    assert TREE.path(3) == [3, 2, 0] and TREE.path(4) == [4]


def test_a_tree_of_one_root_and_of_none() -> None:
    root = Tree.of(taxonomy_of(("all", None)))
    assert (root.ids, root.parent.tolist(), root.depth.tolist(), root.end.tolist()) == (("all",), [-1], [0], [1])
    one = Policy(own=(Level(threshold=0.5),), ancestor=(Level(threshold=0.5),))
    assert decide(np.array([0.5], dtype=np.float32), root, one).rows == (0,)
    assert decide(np.array([0.4], dtype=np.float32), root, one).rows == ()
    nothing = Tree.of(Taxonomy([]))
    assert nothing.ids == () and nothing.end.tolist() == []


def test_a_deep_tree_needs_no_recursion() -> None:
    deep = Tree.of(taxonomy_of(("0", None), *((str(i), str(i - 1)) for i in range(1, 1500))))
    assert deep.depth[-1] == 1499 and (deep.end == 1500).all()
    assert deep.path(1499) == list(range(1499, -1, -1))


PARENTS = st.lists(st.integers(0, 99), min_size=1, max_size=25)


def random_tree(parents: list[int]) -> Taxonomy:
    # Category i hangs below one of those before it, or is a root.
    return taxonomy_of(*((f"c{i}", f"c{p % (i + 1) - 1}" if p % (i + 1) else None) for i, p in enumerate(parents)))


@given(PARENTS)
def test_what_lies_below_stands_right_behind(parents: list[int]) -> None:
    taxonomy = random_tree(parents)
    tree = Tree.of(taxonomy)
    assert sorted(tree.ids) == sorted(taxonomy)
    for row, category_id in enumerate(tree.ids):
        below = {i for i, other in enumerate(tree.ids) if category_id in taxonomy.lineage(other)}
        assert below == set(range(row, tree.end[row]))
        assert [tree.ids[i] for i in tree.path(row)] == list(reversed(taxonomy.lineage(category_id)))


def test_the_likeliest_category_is_answered_with_its_own_chance() -> None:
    answer = decided(0, 0, 0, 0.6, 0, 0.1)
    assert answer == Answered(rows=(3,), chances=(pytest.approx(0.6),), backed_off=False)


def test_a_parent_is_answered_where_only_all_below_it_is_sure_enough() -> None:
    # Milk 0.4 is too little; dairy and milk together 0.55.
    answer = decided(0.1, 0.05, 0.15, 0.4, 0.1, 0.1)
    assert answer == Answered(rows=(2,), chances=(pytest.approx(0.55),), backed_off=True)


def test_the_walk_goes_on_to_the_root() -> None:
    # Dairy and milk 0.45, food as a whole 0.6.
    answer = decided(0.05, 0.1, 0.05, 0.4, 0.1, 0.1)
    assert answer == Answered(rows=(0,), chances=(pytest.approx(0.6),), backed_off=True)


def test_nothing_is_answered_where_no_ancestor_is_sure_enough() -> None:
    assert decided(0, 0, 0, 0.3, 0, 0.2) == Answered(rows=(), chances=(), backed_off=False)
    assert decided(0, 0, 0, 0, 0, 0) == Answered(rows=(), chances=(), backed_off=False)
    assert decided(*[math.nan] * 6) == Answered(rows=(), chances=(), backed_off=False)


def test_a_root_backs_off_to_nobody() -> None:
    assert decided(0.4, 0, 0, 0.3, 0, 0).rows == ()


def test_each_depth_has_its_own_threshold() -> None:
    by_depth = Policy(
        own=(NEVER, Level(threshold=0.45), Level(threshold=0.9)), ancestor=(Level(threshold=0.6), NEVER, NEVER)
    )
    assert decided(0, 0, 0, 0.85, 0, 0, policy=by_depth).rows == (0,)
    assert decided(0, 0, 0, 0.95, 0, 0, policy=by_depth).rows == (3,)
    assert decided(0, 0.46, 0, 0, 0, 0, policy=by_depth).rows == (1,)
    assert decided(0, 0, 0, 0, 0.99, 0, policy=by_depth).rows == ()


def test_a_threshold_is_reached_by_a_chance_equal_to_it() -> None:
    assert decided(0, 0, 0, 0.5, 0, 0).rows == (3,)


def test_a_threshold_above_1_is_never_reached() -> None:
    never = policy_of(own=1.01, ancestor=1.01)
    assert decided(0, 0, 0, 1, 0, 0, policy=never).rows == ()
    steep = Policy(own=(Level(slope=1e6, intercept=1e6, threshold=1.01),) * 3, ancestor=(NEVER,) * 3)
    assert decided(0, 0, 0, 1, 0, 0, policy=steep).rows == ()


def test_further_categories_are_as_sure_by_themselves() -> None:
    lax = policy_of(own=0.25)
    answer = decided(0, 0.3, 0, 0.4, 0, 0.26, policy=lax)
    assert answer.rows == (3, 1, 5)
    assert answer.chances == (pytest.approx(0.4), pytest.approx(0.3), pytest.approx(0.26))
    assert decided(0, 0.3, 0, 0.4, 0, 0.2, policy=lax).rows == (3, 1)


def test_nothing_stands_beside_a_category_that_leaves_no_room() -> None:
    lax = policy_of(own=0.1)
    assert decided(0, 0.15, 0, 0.79, 0, 0, policy=lax).rows == (3, 1)
    assert decided(0, 0.15, 0, 0.81, 0, 0, policy=lax).rows == (3,)


def test_no_ancestor_stands_beside_its_descendant() -> None:
    lax = policy_of(own=0.2)
    assert decided(0.3, 0, 0, 0.4, 0.25, 0, policy=lax).rows == (3, 4)
    assert decided(0.4, 0, 0, 0.3, 0.25, 0, policy=lax).rows == (0, 4)


def test_equals_go_to_the_first() -> None:
    assert decided(0, 0.5, 0, 0.5, 0, 0, policy=policy_of(own=0.4)).rows == (1, 3)
    everything = policy_of(own=0.1)
    # The first comes first; all below it is out, and so is all below the next.
    assert decided(*[1 / 6] * 6, policy=everything).rows == (0, 4)


@given(
    st.floats(0, 1),
    st.floats(0.001, 1.5),
    st.floats(0.05, 20),
    st.floats(-20, 20),
)
def test_no_chance_below_the_least_reaches_the_threshold(
    chance: float, threshold: float, slope: float, intercept: float
) -> None:
    level = Level(slope=slope, intercept=intercept, threshold=threshold)
    if level.calibrated(chance) >= threshold:
        assert chance >= level.least


def test_an_answer_of_equals_holds_no_more_than_any_other() -> None:
    roots = Tree.of(taxonomy_of(*((f"c{i:02d}", None) for i in range(40))))
    lax = Policy(own=(Level(threshold=0.01),), ancestor=(NEVER,))
    for size in (2, 3, 4, 40):
        probabilities = np.zeros(40, dtype=np.float32)
        probabilities[-size:] = 1 / size
        assert decide(probabilities, roots, lax).rows == tuple(range(40 - size, 40))[:MOST]


@given(PARENTS, st.data())
def test_answers_are_few_apart_and_in_order(parents: list[int], data: st.DataObject) -> None:
    tree = Tree.of(random_tree(parents))
    weights = data.draw(st.lists(st.integers(0, 9), min_size=len(tree.ids), max_size=len(tree.ids)))
    probabilities = np.array(weights, dtype=np.float32) / max(1, sum(weights))
    depths = len(tree.ids)
    lax = Policy(own=(Level(threshold=0.1),) * depths, ancestor=(Level(threshold=0.3),) * depths)
    answer = decide(probabilities, tree, lax)
    assert len(answer.rows) == len(answer.chances) <= MOST
    assert list(answer.chances) == sorted(answer.chances, reverse=True)
    for row in answer.rows:
        assert not set(tree.path(row)[1:]) & set(answer.rows)
    if answer.rows and not answer.backed_off:
        assert answer.rows[0] == probabilities.argmax()


def test_chances_are_calibrated() -> None:
    # logit(0.8) = ln 4; twice that is ln 16, and ln 16 - ln 4 = ln 4 again.
    assert Level(slope=2.0).calibrated(0.8) == pytest.approx(16 / 17)
    assert Level(slope=2.0, intercept=-math.log(4)).calibrated(0.8) == pytest.approx(0.8)
    assert Level().calibrated(0.3) == pytest.approx(0.3)


@pytest.mark.parametrize("slope", [1.0, 60.0, 1e300])
def test_no_curve_is_too_steep(slope: float) -> None:
    level = Level(slope=slope)
    assert level.calibrated(0.0) == pytest.approx(0.0, abs=1e-5)
    assert level.calibrated(1.0) == pytest.approx(1.0, abs=1e-5)
    assert level.calibrated(0.5) == 0.5
    assert level.calibrated(1.7) == level.calibrated(1.0)
