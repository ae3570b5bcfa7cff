"""Discovery content in a release: kept whole, checked to the last id, and absent where nobody gave any."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.discovery import Content, Suggestion
from domain.discovery.content import content_adapter
from domain.errors import ReleaseError
from domain.label import Label
from domain.taxonomy import Node, Taxonomy
from domain.understanding import Discovery
from release import CatalogueProduct, build_release, open_release, verify_release
from release.answers import parse
from release.head import HeadStore, key_of, write_head
from release.manifest import digest_files
from release.product_places import ProductPlaces, write_places
from release.student import Tree

PLACES = {
    "p7": "c118", "p12": "c118", "p90": "c301", "p91": "c301", "p14": "c119", "p15": "c119", "p16": "c119",
    "p20": "c212", "p21": "c212", "p30": "c31", "p31": "c31", "p32": "c32", "p40": "c71",
}  # fmt: skip


def idea(label: str, category: str, *products: str) -> Discovery:
    return Discovery(label=label, query=label.lower(), category_id=category, product_ids=products)


SODA = Content(
    query="vernors soda",
    scarce=True,
    substitutes=(idea("Colas", "c119", "p14", "p15", "p16"),),
    complements=(
        idea("Whisky", "c301", "p90", "p91"),
        idea("Bars", "c31", "p30", "p31"),
        idea("Chips", "c32", "p32"),
        idea("Berries", "c71", "p40"),
    ),
    suggestions=tuple(Suggestion(query=f"next {i}", kind="next" if i % 2 else "exploratory") for i in range(7)),
)
PROTEIN = Content(query="protein", complements=(idea("Milk", "c21", "p20", "p21", "p30", "p31", "p32"),))

Build = Callable[..., Path]


@pytest.fixture
def build(grocery: Any, tmp_path: Path) -> Build:
    def _build(**changes: Any) -> Path:
        products = [
            CatalogueProduct(product_id=i, category_id=category, title=f"Product {i}", price=1.5, currency="USD")
            for i, category in PLACES.items()
        ]
        given = {
            "shop": "grocery",
            "taxonomy": grocery.taxonomy,
            "products": products,
            "labels": grocery.labels,
            "contents": (SODA, PROTEIN),
            "fingerprints": {},
            "index": None,
            "releases": tmp_path / "with contents",
            "created": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        }
        return build_release(**(given | changes))

    return _build


def test_contents_come_back_whole_and_nobody_elses(build: Build) -> None:
    folder = build()
    with open_release(folder) as release:
        assert release.contents is not None and len(release.contents) == 2
        assert release.contents.get("vernors soda") == SODA
        assert release.contents.get("protein") == PROTEIN
        assert release.contents.get("1% milk") is None and release.contents.get("") is None
        assert list(release.contents) == [PROTEIN, SODA]
        assert release.manifest.counts["contents"] == 2
        assert not release.needs_student("1% milk")
    assert verify_release(folder).files.keys() >= {
        "discovery/contents.lmdb", "discovery/cards.lmdb", "discovery/places/hashes.npy", "discovery/places/values.npy",
    }  # fmt: skip


def test_an_answer_has_the_first_of_its_querys_content(build: Build, grocery: Any) -> None:
    with open_release(build()) as release:
        soda, protein, milk = release.understand(["vernors soda", "protein", "1% milk"])
    assert soda.substitutes == SODA.substitutes
    assert soda.complements == SODA.complements[:3]
    assert soda.next_queries == ("next 0", "next 1", "next 2", "next 3", "next 4")
    # Nothing of the label is left beside content: its substitutes were not grounded, or it would have them too.
    assert protein.substitutes == () and protein.next_queries == ()
    assert protein.complements == (idea("Milk", "c21", "p20", "p21", "p30", "p31"),)
    label = next(label for label in grocery.labels if label.query == "1% milk")
    assert milk.substitutes == label.understanding.substitutes and milk.next_queries == label.understanding.next_queries


def test_cards_are_those_of_the_products_that_are_shown(build: Build) -> None:
    with open_release(build()) as release:
        assert release.contents is not None
        [card, other] = release.contents.cards.of(["p90", "p7", "", "nobody", "x" * 600, "p14"])
        assert (card.product_id, card.title, card.price, card.currency) == ("p90", "Product p90", 1.5, "USD")
        assert other.product_id == "p14"  # p7 is in no content


def test_content_of_a_query_that_has_no_label_is_left_out(build: Build, grocery: Any) -> None:
    stray = replace(SODA, query="withheld", substitutes=(idea("X", "no category", "no product"),))
    labels = [label for label in grocery.labels if label.query != "protein"]
    with open_release(build(labels=labels, contents=[stray, PROTEIN, SODA])) as release:
        assert [content.query for content in release.contents or ()] == ["vernors soda"]
        assert release.manifest.counts["contents"] == 1
    with open_release(build(labels=labels, contents=[stray, PROTEIN])) as release:
        assert release.contents is None and "contents" not in release.manifest.counts


def test_without_contents_a_release_is_what_it_was(build: Build, grocery: Any) -> None:
    # A column of a table, whose truth is none, will do for the ids.
    plain = build(products=None, product_ids=np.array(grocery.products), contents=None)
    assert build(contents=None) == plain == build(contents=())
    assert not (plain / "discovery").exists()
    assert build() != plain


def test_their_order_does_not_matter(build: Build, tmp_path: Path) -> None:
    first, again = build(), build(contents=[PROTEIN, SODA], releases=tmp_path / "again")
    assert first.name == again.name
    for name in ("contents.lmdb", "cards.lmdb", "places/hashes.npy"):
        assert (first / "discovery" / name).read_bytes() == (again / "discovery" / name).read_bytes()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (replace(SODA, substitutes=(idea("X", "c999", "p7"),)), "content for 'vernors soda': category 'c999'"),
        (replace(SODA, complements=(idea("X", "c71", "p7", "p0"),)), "content for 'vernors soda': product 'p0'"),
        (replace(SODA, complements=(idea("Empty", "c71"),)), "'vernors soda': idea 'Empty' has no product"),
        (replace(SODA, complements=(idea("Twice", "c71", "p7", "p7"),)), "idea 'Twice'"),
        (replace(SODA, suggestions=(Suggestion(query="Loud!", kind="next"),)), "suggestion 'Loud!'"),
        (replace(SODA, suggestions=(Suggestion(query="", kind="next"),)), "suggestion ''"),
        (replace(SODA, suggestions=(Suggestion(query="vernors soda", kind="next"),)), "the query itself"),
        (replace(SODA, suggestions=(Suggestion(query="a", kind="next"),) * 2), "there twice"),
        (replace(SODA, query="Vernors Soda"), "'Vernors Soda' is for no query in normal form"),
        (replace(SODA, query=""), "'' is for no query"),
        (PROTEIN, "content for 'protein' is there twice"),
    ],
)
def test_what_must_not_be_served_stops_the_build(build: Build, tmp_path: Path, content: Content, named: str) -> None:
    with pytest.raises(ReleaseError, match=named) as error:
        build(contents=[PROTEIN, content])
    assert error.value.hint
    assert [path.name for path in (tmp_path / "with contents").iterdir()] == [".lock"]


def test_a_catalogue_that_does_not_stand_stops_the_build(build: Build, grocery: Any) -> None:
    product = CatalogueProduct(product_id="p7", category_id="c118", title="Vernors")
    for changes, named in (
        ({"products": [product, product]}, "product 'p7' is there twice"),
        ({"products": [replace(product, category_id="c999")]}, "product 'p7': category 'c999'"),
        ({"products": None}, "must be given once"),
        ({"product_ids": grocery.products}, "must be given once"),
        ({"products": None, "product_ids": grocery.products}, "where products stand"),
    ):
        with pytest.raises(ReleaseError, match=named):
            build(**changes)


def test_damaged_contents_are_not_opened(build: Build) -> None:
    folder = build()
    path = folder / "discovery" / "contents.lmdb"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"Whisky", b"Whiskx"))
    with pytest.raises(ReleaseError, match=r"discovery/contents.lmdb does not match its digest"):
        open_release(folder)
    path.unlink()
    with pytest.raises(ReleaseError, match=r"discovery/contents.lmdb is missing"):
        open_release(folder, verify=False)


def _forge(folder: Path, *contents: Content) -> None:
    """Put other contents into a release, with digests to match: what a faulty build could have made."""
    path = folder / "discovery" / "contents.lmdb"
    path.unlink()
    entries = sorted((key_of(content.query), content_adapter.dump_json(content)) for content in contents)
    write_head(path, entries, total=len(entries), largest=9999, size=9999)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    found = digest_files(folder)["discovery/contents.lmdb"]
    manifest["files"]["discovery/contents.lmdb"] = {"sha256": found.sha256, "bytes": found.bytes}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_verifying_looks_at_every_content(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("release.manifest.content_hash", lambda manifest: manifest.content)
    folder = build()
    _forge(folder, SODA, replace(PROTEIN, complements=(idea("X", "c119", "p999"),)))
    with pytest.raises(ReleaseError, match="content for 'protein' names 'p999'"):
        verify_release(folder)
    _forge(folder, SODA, replace(PROTEIN, substitutes=(idea("X", "c999", "p20"),)))
    with pytest.raises(ReleaseError, match="content for 'protein' names 'c999'"):
        verify_release(folder)
    _forge(folder, SODA)
    with pytest.raises(ReleaseError, match="number of contents"):
        open_release(folder)


def test_every_product_of_the_catalogue_has_its_place(tmp_path: Path, grocery: Any) -> None:
    tree = Tree.of(grocery.taxonomy)
    four = {f"{category} {i}": category for category in grocery.taxonomy for i in range(4)}
    write_places(tmp_path / "places", four, tree)
    places = ProductPlaces(tmp_path / "places", tree)
    for category in grocery.taxonomy:
        page = {f"{category} {i}" for i in range(4)}
        fill = places.fill(page | {"unknown", "", "\ud800"})
        assert fill is not None and tree.ids[fill.row] == category
        assert places.fill({*list(page)[:3], "unknown"}) is None  # three are too few to say
    with pytest.raises(ReleaseError, match="another taxonomy"):
        ProductPlaces(tmp_path / "places", Tree.of(Taxonomy([Node(category_id="c1", parent_id=None, name="One")])))
    np.save(tmp_path / "places" / "values.npy", np.zeros(3, dtype=np.int32))
    with pytest.raises(ReleaseError, match="do not belong together"):
        ProductPlaces(tmp_path / "places", tree)


def test_a_catalogue_of_nothing_fills_no_page(tmp_path: Path, grocery: Any) -> None:
    tree = Tree.of(grocery.taxonomy)
    write_places(tmp_path / "places", {}, tree)
    assert ProductPlaces(tmp_path / "places", tree).fill({"a", "b", "c", "d"}) is None


def test_head_and_contents_agree(build: Build) -> None:
    folder = build()
    value = HeadStore(folder / "head.lmdb").get("vernors soda")
    assert value is not None and parse("", value).substitutes == SODA.substitutes


def test_content_of_a_label_with_categories_withheld_stays(build: Build, grocery: Any) -> None:
    def bare(label: Label) -> Label:
        return replace(label, understanding=replace(label.understanding, categories=()))

    with open_release(build(labels=[bare(label) for label in grocery.labels])) as release:
        assert release.contents is not None and release.contents.get("protein") == PROTEIN
