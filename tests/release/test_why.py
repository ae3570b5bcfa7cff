"""Reasons beside the answers of a release: written with it, read one by one, and never part of an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.errors import ReleaseError
from domain.taxonomy import Node, Taxonomy
from release import build_release, open_release, verify_release
from release.manifest import WHY, read_manifest
from release.why import ActedOn, Chosen, Demand, Evidence, Followed, Origin, Why, check_whys, read_why

ORIGIN = Origin(
    model="hand",
    prompt="understand@1#aa+discover@1#bb",
    key="k1+k2",
    labelled=date(2026, 11, 20),
    dropped={"rewrite_not_matchable": 1},
    same_context=False,
)
EVIDENCE = Evidence(
    searches=2400,
    clients=1900,
    acted_share=0.36,
    zero_share=0.0,
    categories=(
        Demand(id="c31", share=0.8, shown=0.75, clicks=90, carts=30, purchases=1),
        Demand(id="c41", share=0.2),
    ),
    products=(ActedOn(id="p30", title="Protein Bar", share=0.4),),
    chosen=(Chosen(name="brand", value="Lay's <b>", share=0.5, lift=12.5),),
    next_queries=(Followed(query="protein powder", count=12),),
    retyped=(Followed(query="protein bars", count=3),),
)
PROTEIN = Why(query="protein", tier="head", origin=ORIGIN, evidence=EVIDENCE)
MILK = Why(query="1% milk", tier="head", origin=replace(ORIGIN, labelled=None))

Built = Callable[..., Path]


@pytest.fixture
def built(grocery, tmp_path) -> Built:
    def _built(*whys: Why, releases: Path = tmp_path / "releases") -> Path:
        return build_release(
            shop="grocery",
            taxonomy=grocery.taxonomy,
            product_ids=grocery.products,
            labels=grocery.labels,
            fingerprints={"shop": "f0", "catalogue": "f1"},
            index=None,
            releases=releases,
            created=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
            whys=whys,
        )

    return _built


def test_what_was_given_is_read_with_the_paths_of_its_categories(built, grocery):
    folder = built(PROTEIN, MILK)
    protein = read_why(folder, grocery.taxonomy, "protein")
    assert [one.path for one in protein.evidence.categories] == [("Snacks", "Protein Bars"), ("Meat", "Chicken")]
    bare = tuple(replace(one, path=()) for one in protein.evidence.categories)
    assert replace(protein, evidence=replace(protein.evidence, categories=bare)) == PROTEIN
    assert read_why(folder, grocery.taxonomy, "1% milk") == MILK
    assert verify_release(folder).counts["labelled"] == 10


@pytest.mark.parametrize("query", ["vernors soda", "nobody asked this", "", "x" * 5000, "1% Milk"])
def test_a_query_without_a_reason_has_none(built, grocery, query):
    assert read_why(built(PROTEIN, MILK), grocery.taxonomy, query) is None


def test_a_release_with_reasons_has_the_id_of_the_same_answers_without(build, built, grocery, tmp_path):
    plain = build()
    assert WHY not in read_manifest(plain).files and not (plain / WHY).exists()
    assert read_why(plain, grocery.taxonomy, "protein") is None
    explained = built(PROTEIN, releases=tmp_path / "other")
    assert explained.name == plain.name and WHY in read_manifest(explained).files


def test_reasons_are_the_same_in_any_order(built, tmp_path):
    one, other = built(PROTEIN, MILK), built(MILK, PROTEIN, releases=tmp_path / "other")
    assert one.name == other.name and (one / WHY).read_bytes() == (other / WHY).read_bytes()


def test_the_reason_of_a_query_without_an_answer_is_left_out(built, grocery):
    folder = built(replace(PROTEIN, query="protein shake"), MILK)
    assert read_why(folder, grocery.taxonomy, "protein shake") is None


def test_a_category_that_the_tree_has_not_is_left_out(built):
    tree = Taxonomy([Node(category_id="c41", parent_id=None, name="Chicken")])
    why = read_why(built(PROTEIN), tree, "protein")
    assert [(one.id, one.path) for one in why.evidence.categories] == [("c41", ("Chicken",))]


@pytest.mark.parametrize(
    ("whys", "named"),
    [
        ((PROTEIN, PROTEIN), "'protein' is there twice"),
        ((replace(PROTEIN, query="Protein"),), "'Protein' is for no query in normal form"),
        ((replace(PROTEIN, query=""),), "'' is for no query in normal form"),
        (
            (replace(PROTEIN, evidence=replace(EVIDENCE, retyped=EVIDENCE.retyped * 7)),),
            "'protein' has a list of over 6",
        ),
    ],
)
def test_reasons_that_cannot_be_kept_stop_the_build(built, tmp_path, whys, named):
    with pytest.raises(ReleaseError, match=named):
        built(*whys)
    assert [path.name for path in (tmp_path / "releases").iterdir()] == [".lock"]


def test_a_damaged_file_is_found_by_who_verifies_and_delays_nobody_who_answers(built, grocery):
    folder = built(PROTEIN)
    check_whys(folder, read_manifest(folder))
    data = (folder / WHY).read_bytes()
    (folder / WHY).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with open_release(folder) as release:  # every byte that answers are made of is right
        with pytest.raises(ReleaseError, match=r"why\.lmdb does not match its digest"):
            check_whys(release.folder, release.manifest)
    with pytest.raises(ReleaseError, match=r"why\.lmdb does not match its digest"):
        verify_release(folder)
    (folder / WHY).write_bytes(b"no store")
    with pytest.raises(ReleaseError, match=r"why\.lmdb has not the size"):
        open_release(folder)
    with pytest.raises(ReleaseError, match=r"why\.lmdb"):
        read_why(folder, grocery.taxonomy, "protein")
