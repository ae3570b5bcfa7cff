from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import UserError
from domain.taxonomy import Node, Taxonomy
from evals import Case, read_gold
from evals.branches import branch_names
from evals.slices import attributes_of, crossed, in_order, select

TIERS = {"a": "head", "b": "tail", "c": "tail"}


def case(query: str, categories: tuple[str, ...] | None = None, **labels: str) -> Case:
    return Case(query=query, normalized=query, categories=categories, labels=labels)


@pytest.fixture
def attributes(tree: Taxonomy) -> dict[str, list[str | None]]:
    cases = [
        case("a", ("cola",), season="summer"),
        replace(case("b", ("bread", "cola"), season="a, b"), specificity="broad"),
        case("c", ()),
        case("d"),
    ]
    return attributes_of(cases, tiers=TIERS, taxonomy=tree)


def test_attributes_of_every_query(attributes: dict[str, list[str | None]]) -> None:
    # Of the tree's three levels the last is too deep to be a branch; bread, a leaf, is one of the second.
    assert attributes == {
        "tier": ["head", "tail", "tail", "unseen"],
        "specificity": [None, "broad", None, None],
        "branch": ["Drinks > Soda", "Food > Bread", None, None],
        "kind": [None, None, None, None],
        "season": ["summer", "a, b", None, None],
    }


def test_slices_of_one_attribute_come_in_its_order(attributes: dict[str, list[str | None]]) -> None:
    assert [(s.by, s.name, s.members.tolist()) for s in in_order(attributes, "tier")] == [
        ("tier", "head", [0]),
        ("tier", "tail", [1, 2]),
        ("tier", "unseen", [3]),
    ]
    assert [s.name for s in in_order(attributes, "season")] == ["a, b", "summer"]


@pytest.mark.parametrize(
    ("spec", "by", "name", "members"),
    [
        ("all", "all", "all", [0, 1, 2, 3]),
        ("tier:tail", "tier", "tail", [1, 2]),
        ("tier:tail,specificity:broad", "tier,specificity", "tail, broad", [1]),
        ("tier: tail, specificity: broad", "tier,specificity", "tail, broad", [1]),
        ("season:a, b", "season", "a, b", [1]),
        ("season:a, b,tier:tail", "season,tier", "a, b, tail", [1]),
        ("season:summer,tier:tail", "season,tier", "summer, tail", []),
        ("tier:torso", "tier", "torso", []),
        ("specificity:navigational", "specificity", "navigational", []),
    ],
)
def test_a_spec_names_a_slice(
    attributes: dict[str, list[str | None]], spec: str, by: str, name: str, members: list[int]
) -> None:
    found = select(spec, attributes)
    assert (found.by, found.name, found.members.tolist()) == (by, name, members)


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("colour:red", "no attribute 'colour'", "tier, specificity, branch, kind, season"),
        ("tier", "no attribute 'tier'", "ATTRIBUTE:VALUE"),
        ("", "no attribute ''", "ATTRIBUTE:VALUE"),
        (":", "no attribute ''", "ATTRIBUTE:VALUE"),
        ("all,tier:tail", "no attribute 'all,tier'", "ATTRIBUTE:VALUE"),
        ("tier:tails", "no query has such a tier", "head; torso; tail; unseen"),
        ("season:a", "no query has such a season", "a, b; summer"),
        ("kind:x", "no query has such a kind", "no query has a kind"),
        ("tier:tail," + "x" * 10_000, "no attribute", "tier"),
    ],
)
def test_a_spec_that_names_nothing_is_told_what_there_is(
    attributes: dict[str, list[str | None]], spec: str, message: str, hint: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        select(spec, attributes)
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 300


def test_a_hint_does_not_list_hundreds_of_values() -> None:
    with pytest.raises(UserError) as caught:
        select("kind:x", {"kind": [f"k{i:03}" for i in range(100)]})
    assert caught.value.hint.endswith("k019 and 80 more")


def test_a_cross_leaves_out_what_is_small_and_counts_it() -> None:
    # head x broad 3 queries, head x specific 1, tail x broad 2, tail x specific none, which is no slice.
    found = crossed(
        {"tier": ["head"] * 4 + ["tail"] * 3, "specificity": ["broad"] * 3 + ["specific"] + ["broad"] * 2 + [None]},
        ("tier", "specificity"),
        least=2,
    )
    assert [(s.by, s.name, s.members.tolist()) for s in found] == [
        ("tier,specificity", "head, broad", [0, 1, 2]),
        ("tier,specificity", "tail, broad", [4, 5]),
    ]
    assert found.small == 1


def test_branches_are_as_deep_as_stays_readable() -> None:
    # One root, 3 children, 11 leaves under each: 1, 3, 33 parts at the three levels; 33 are too many.
    nodes = [Node(category_id="r", parent_id=None, name="Shop")]
    for i in range(3):
        nodes.append(Node(category_id=f"c{i}", parent_id="r", name=f"Aisle {i}"))
        nodes += [Node(category_id=f"c{i}-{j}", parent_id=f"c{i}", name="Shelf") for j in range(11)]
    names = branch_names(Taxonomy(nodes))
    assert set(names.values()) == {"Shop", "Shop > Aisle 0", "Shop > Aisle 1", "Shop > Aisle 2"}
    assert (names["c1-4"], names["c1"], names["r"]) == ("Shop > Aisle 1", "Shop > Aisle 1", "Shop")


def test_branches_of_one_name_are_told_apart_by_id() -> None:
    rows = [("a", None, "Tea"), ("b", None, "Tea"), ("c", None, "Milk")]
    tree = Taxonomy(Node(category_id=i, parent_id=p, name=n) for i, p, n in rows)
    assert branch_names(tree) == {"a": "a", "b": "b", "c": "Milk"}


def test_a_tree_of_many_roots_or_none_has_branches_all_the_same() -> None:
    roots = Taxonomy(Node(category_id=str(i), parent_id=None, name=f"n{i}") for i in range(100))
    assert len(set(branch_names(roots).values())) == 100
    assert branch_names(Taxonomy([])) == {}


def test_labels_of_a_gold_file_become_attributes(tmp_path: Path, tree: Taxonomy) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(
        '{"query": "a", "categories": ["cola"], "labels": {"season": "summer ", "intent": "gift"}}\n'
        '{"query": "b", "categories": ["cola"], "labels": {"season": "winter"}}\n'
    )
    gold = read_gold(path, tree)
    assert gold.problems == ()
    attributes = attributes_of(gold.cases, tiers={}, taxonomy=tree)
    assert attributes["season"] == ["summer", "winter"]
    assert attributes["intent"] == ["gift", None]
    assert select("season:winter", attributes).members.tolist() == [1]


@pytest.mark.parametrize(
    "labels",
    [
        '"summer"',
        '{"season": 3}',
        '{"season": "  "}',
        '{"season": "a\\nb"}',
        '{"season": "\\ud800"}',
        '{"": "x"}',
        '{"tier": "head"}',
        '{" branch": "x"}',
        '{"a:b": "x"}',
        '{"a,b": "x"}',
        f'{{"season": "{"x" * 101}"}}',
    ],
)
def test_labels_that_cannot_be_used_cost_only_themselves(tmp_path: Path, tree: Taxonomy, labels: str) -> None:
    path = tmp_path / "gold.jsonl"
    path.write_text(f'{{"query": "a", "categories": ["cola"], "labels": {labels}}}\n')
    gold = read_gold(path, tree)
    assert gold.cases[0].labels == {}
    assert [(p.kind, p.kept) for p in gold.problems] == [("bad_field", True)]
