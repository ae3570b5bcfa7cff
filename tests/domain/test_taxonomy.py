from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ShopError
from domain.taxonomy import Node, Taxonomy


def tree(*rows: tuple[str, str | None]) -> Taxonomy:
    return Taxonomy(Node(category_id=child, parent_id=parent, name=child.upper()) for child, parent in rows)


def test_lineage_and_path_run_from_the_root():
    found = tree(("c", "b"), ("b", "a"), ("a", None), ("other", None))
    assert found.lineage("c") == ("a", "b", "c")
    assert found.path("c") == ("A", "B", "C")
    assert found.lineage("other") == ("other",)


def test_ancestors_are_strictly_above():
    found = tree(("a", None), ("b", "a"), ("c", "b"), ("d", "a"))
    assert found.is_ancestor("a", "c")
    assert not found.is_ancestor("c", "a")
    assert not found.is_ancestor("b", "b")
    assert not found.is_ancestor("d", "c")


def test_children_and_leaves_keep_the_order_given():
    found = tree(("a", None), ("z", "a"), ("b", "a"), ("r", None))
    assert found.children == {None: ("a", "r"), "a": ("z", "b")}
    assert found.leaves == ("z", "b", "r")
    assert list(found) == ["a", "z", "b", "r"]
    assert (len(found), "z" in found, "nowhere" in found, found["z"].name) == (4, True, False, "Z")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("a", None), ("a", None)], "there twice"),
        ([("a", "b")], "unknown parent 'b'"),
        ([("a", "a")], "its own ancestor"),
        ([("a", "c"), ("b", "a"), ("c", "b")], "its own ancestor"),
    ],
)
def test_a_broken_tree_is_an_error(rows, message):
    with pytest.raises(ShopError, match=message):
        tree(*rows)


def test_a_deep_tree_needs_no_recursion():
    deep = tree(("n0", None), *((f"n{i}", f"n{i - 1}") for i in range(1, 3000)))
    assert len(deep.lineage("n2999")) == 3000


@given(st.lists(st.integers(min_value=-1, max_value=30), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_json_round_trip_in_any_order(parents, order):
    # The parent of node i is some node before it, or none.
    rows = [(str(i), str(parent) if 0 <= parent < i else None) for i, parent in enumerate(parents)]
    order.shuffle(rows)
    found = tree(*rows)
    again = Taxonomy.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert all(again.lineage(node) == found.lineage(node) for node in found)
    assert all(found.is_ancestor(above, node) for node in found for above in found.lineage(node)[:-1])
