"""Retrieval over a small tree with the real encoder: what is found, in which order, and what is left on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from domain.encoder import ENCODER_FILES
from domain.errors import ShopError, StageMissing
from domain.retrieval import IndexedProduct, NearestCategories, RetrievalIndex, build_index, fuse
from domain.taxonomy import Node, Taxonomy

TREE = [
    ("food", None, "Food"),
    ("milk", "food", "Milk"),
    ("chips", "food", "Potato Chips"),
    ("drinks", None, "Drinks"),
    ("ale", "drinks", "Ginger Ale"),
    ("dogfood", None, "Dog Food"),
]
PRODUCTS = [
    ("chips", "Kettle crisps party bag", "Crunch"),
    ("ale", "Diet ginger ale can", "Vernors"),
    ("milk", "Skim milk half gallon", None),
    ("milk", "Milk kettle promotion", "Vernors"),
    ("milk", "Whole milk", None),
]

Build = Callable[..., RetrievalIndex]


def tree_of(rows: Iterable[tuple[str, str | None, str]]) -> Taxonomy:
    return Taxonomy(Node(category_id=i, parent_id=p, name=n) for i, p, n in rows)


def products_of(rows: Sequence[tuple[str, str, str | None]]) -> list[IndexedProduct]:
    return [
        IndexedProduct(product_id=f"p{i}", title=title, brand=brand, category_id=category)
        for i, (category, title, brand) in enumerate(rows)
    ]


@pytest.fixture(scope="module")
def build(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    def make(
        tree: Iterable[tuple[str, str | None, str]] = TREE,
        products: Sequence[tuple[str, str, str | None]] = PRODUCTS,
        locale: str = "en-US",
    ) -> RetrievalIndex:
        folder = tmp_path_factory.mktemp("index") / "index"
        build_index(
            folder, taxonomy=tree_of(tree), products=products_of(products), encoder=encoder_folder, locale=locale
        )
        return RetrievalIndex(folder)

    return make


@pytest.fixture(scope="module")
def index(build: Build) -> RetrievalIndex:
    return build()


def test_fusion_sums_weights_over_ten_and_the_rank() -> None:
    fused = fuse([(1.0, ["a", "b"]), (2.0, ["b", "c"]), (0.5, [])])
    # b: 1/11 + 2/10; c: 2/11; a: 1/10.
    assert fused == pytest.approx({"b": 0.290909, "c": 0.181818, "a": 0.1}, abs=1e-6)
    assert [*fused] == ["b", "c", "a"]


@pytest.mark.parametrize("order", [["b", "a"], ["a", "b"]])
def test_fusion_leaves_ties_as_they_first_appear(order: list[str]) -> None:
    assert [*fuse((1.0, [item]) for item in order)] == order
    # 1/10 + 1/11 either way round, though the sums may differ in the last bit.
    assert [*fuse([(1.0, order), (1.0, order[::-1])])] == order


def test_fusion_of_nothing_is_nothing() -> None:
    assert fuse([]) == fuse([(1.0, [])]) == {}


def test_words_are_found_where_they_stand(index: RetrievalIndex) -> None:
    rankings = index.search("dogs").rankings
    assert rankings["category_words"] == ["dogfood"]
    assert rankings["product_words"] == []
    assert rankings["names"][0] == rankings["paths"][0] == "dogfood"
    # By meaning alone, where no word is shared.
    assert index.search("puppy").rankings["category_words"] == []
    assert index.search("puppy").rankings["names"][0] == "dogfood"
    # A word of a parent's name is found too, after the category that bears it itself.
    assert index.search("drinks").rankings["category_words"] == ["drinks", "ale"]


def test_brands_and_titles_lead_to_the_categories_of_their_products(index: RetrievalIndex) -> None:
    # One product of each has the word; the shorter text scores higher.
    assert index.search("vernors").rankings["product_words"] == ["milk", "ale"]
    assert index.search("crunch").rankings["product_words"] == ["chips"]
    # All three of milk together outweigh the one other product that has a word of the query.
    assert index.search("milk crisps").rankings["product_words"] == ["milk", "chips"]


def test_the_nearest_come_best_first_and_no_more_than_asked_for(index: RetrievalIndex) -> None:
    for limit in (0, 1, 3, 100):
        found = index.nearest("ginger ale", limit)
        assert len(found) == min(limit, 6)
        assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    # First in all five rankings.
    best = index.nearest("ginger ale", 1)[0]
    assert (best.category_id, best.score) == ("ale", pytest.approx(0.5))


def test_an_empty_query_is_near_nothing(index: RetrievalIndex) -> None:
    assert index.nearest("", 5) == NearestCategories(index).nearest("", 5) == []


def test_a_word_that_nobody_knows_is_left_to_its_meaning(index: RetrievalIndex) -> None:
    rankings = index.search("zorblax qwv").rankings
    assert rankings["category_words"] == rankings["product_words"] == []
    assert index.nearest("zorblax qwv", 3) == index.nearest("zorblax qwv", 3)


def test_what_is_served_is_near_or_nothing(index: RetrievalIndex) -> None:
    served = NearestCategories(index)
    assert served.nearest("zorblax qwv", 5) == []
    assert [c.category_id for c in served.nearest("ginger ale", 5)] == ["ale"]
    assert index.search("ginger ale").similarity == pytest.approx(1.0, abs=1e-4)
    assert served.nearest("ginger ale", 0) == []
    for query in ("milk", "potato crisps", "dog"):
        found = served.nearest(query, 5)
        assert found == [c for c in index.nearest(query, 5) if c.score >= 0.9 * found[0].score]


def test_twice_built_is_the_same_index(build: Build, index: RetrievalIndex) -> None:
    again = build()
    for query in ("milk", "kettle", "something fizzy", "zorblax", "a b c", "vernors ale for the dog"):
        assert again.search(query).rankings == index.search(query).rankings
        assert again.nearest(query, 6) == index.nearest(query, 6)


@pytest.mark.parametrize("turned", [False, True])
def test_ties_go_to_the_category_that_comes_first_in_the_tree(build: Build, turned: bool) -> None:
    # 50 categories of one name, in five departments: nothing but their order tells them apart.
    rows = [(f"c{i}", None, "Other") for i in range(50)]
    order = [row[0] for row in (rows[::-1] if turned else rows)]
    same = build(rows[::-1] if turned else rows, [(i, "Misc", None) for i in order])
    rankings = same.search("other").rankings
    for source in ("names", "paths", "category_words", "titles"):
        assert rankings[source] == order[:40]
    assert [c.category_id for c in same.nearest("other", 5)] == order[:5]


def test_a_shop_without_products_is_searched_by_its_categories(build: Build) -> None:
    bare = build(products=[])
    assert {*bare.search("milk").rankings} == {"names", "paths", "category_words"}
    assert bare.nearest("ginger ale", 1)[0].category_id == "ale"
    assert bare.matches("ginger")
    assert not bare.matches("vernors")


def test_a_shop_of_one_category_has_one_answer(build: Build) -> None:
    one = build([("a", None, "Soda")], [("a", "Cola", None)])
    assert [c.category_id for c in one.nearest("cola", 5)] == ["a"]


def test_names_and_titles_without_words_do_no_harm(build: Build) -> None:
    signs = build([("a", None, "!!!"), ("b", None, "Milk")], [("a", "???", None)])
    assert signs.search("milk").rankings["category_words"] == ["b"]
    assert signs.search("milk").rankings["product_words"] == []
    assert not signs.matches("!!!")


def test_a_shop_without_categories_is_a_users_mistake(tmp_path: Path, encoder_folder: Path) -> None:
    with pytest.raises(ShopError, match="no category"):
        build_index(tmp_path / "i", taxonomy=tree_of([]), products=[], encoder=encoder_folder, locale="en")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("ginger", True),
        ("Vernors ginger ales", True),
        ("crunch dog", True),  # a brand and a category name
        ("whole zorblax milk", False),
        ("zorblax", False),
        ("", False),
        ("!?", False),
        ("ginger!", True),
        ("gingerale", False),
    ],
)
def test_a_text_matches_when_the_shop_knows_each_of_its_words(index: RetrievalIndex, text: str, known: bool) -> None:
    assert index.matches(text) is known


def test_the_locale_picks_the_stemmer(build: Build) -> None:
    tree = [("a", None, "Chaussures")]
    assert build(tree, [], "fr-FR").matches("chaussure")
    assert not build(tree, [], "xx").matches("chaussure")


class Killed(Exception):
    pass


@pytest.mark.parametrize("part", ["category names", "product titles"])
def test_an_index_is_whole_or_absent(tmp_path: Path, encoder_folder: Path, part: str) -> None:
    def at(name: str) -> None:
        if name == part:
            raise Killed

    def write(progress: Callable[[str], None], rows: Sequence[tuple[str, str | None, str]]) -> None:
        build_index(
            tmp_path / "index",
            taxonomy=tree_of(rows),
            products=[],
            encoder=encoder_folder,
            locale="en-US",
            progress=progress,
        )

    with pytest.raises(Killed):
        write(at, TREE)
    assert [*tmp_path.iterdir()] == []
    write(lambda _: None, TREE[:1])
    with pytest.raises(Killed):
        write(at, TREE)
    assert [entry.name for entry in tmp_path.iterdir()] == ["index"]
    assert [c.category_id for c in RetrievalIndex(tmp_path / "index").nearest("milk", 9)] == ["food"]


def test_an_index_is_complete_in_itself(build: Build, encoder_folder: Path, tmp_path: Path) -> None:
    parts: list[str] = []
    taxonomy = tree_of([("é", None, "Crème 日本")])
    build_index(
        tmp_path / "i", taxonomy=taxonomy, products=[], encoder=encoder_folder, locale="fr", progress=parts.append
    )
    assert parts == ["category names", "product titles"]
    assert {*ENCODER_FILES} <= {entry.name for entry in (tmp_path / "i").iterdir()}
    assert json.loads((tmp_path / "i" / "about.json").read_bytes())["categories"] == ["é"]
    (tmp_path / "i").rename(tmp_path / "moved")
    assert RetrievalIndex(tmp_path / "moved", threads=1).nearest("crème", 1)[0].category_id == "é"


def test_no_index_names_the_command_that_builds_one(tmp_path: Path) -> None:
    with pytest.raises(StageMissing, match="no retrieval index") as caught:
        RetrievalIndex(tmp_path)
    assert "querywise index" in caught.value.hint
