"""A rewrite stands only if the shop can serve it, it keeps what must be kept, and it is what its type says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from domain.context import DomainContext, NextQuery, Reformulation
from domain.retrieval import IndexedProduct, RetrievalIndex, build_index
from domain.taxonomy import Node, Taxonomy
from domain.understanding import AnnotationType, RewriteType
from prompts.answer import AnswerAnnotation
from prompts.bounds import Bounds
from prompts.departments import Departments
from prompts.rejection import DropReason
from prompts.rewrite_safety import RewriteJudge

TREE = Taxonomy(
    Node(category_id=i, parent_id=p, name=n)
    for i, p, n in [
        ("food", None, "Food"),
        ("bread", "food", "Bread"),
        ("milk", "food", "Milk"),
        ("plain", "milk", "Dairy Milk"),
        ("oat", "milk", "Oat Milk"),
        ("spirits", "food", "Spirits"),
        ("toner", None, "Toner"),
        ("paper", None, "Tissue Paper"),
    ]
)
PRODUCTS = {
    "bread": ("Gluten free bread", "Gluten free white bread", "White bread", "White rolls", "Rye bread", "Wheat loaf"),
    "plain": ("Whole milk 1 gallon", "Whole milk half gallon", "2% milk 1 gallon", "Skim milk"),
    "oat": ("Oat drink",),
    "toner": ("Brother TN-2110 toner cartridge", "HP toner cartridge", "Brother toner TN-2120"),
    "paper": ("Charmin toilet paper",),
}
ANY = Bounds(spelling=-1.0, synonym=-1.0, broader=-1.0, substitute=-1.0)
Object = Callable[..., DropReason | None]


@pytest.fixture(scope="module")
def index(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> RetrievalIndex:
    folder = tmp_path_factory.mktemp("shelves") / "index"
    titles = [(category_id, title) for category_id, titles in PRODUCTS.items() for title in titles]
    products = [
        IndexedProduct(product_id=f"p{i}", title=title, brand=None, category_id=category_id)
        for i, (category_id, title) in enumerate(titles)
    ]
    build_index(folder, taxonomy=TREE, products=products, encoder=encoder_folder, locale="en-US")
    return RetrievalIndex(folder, threads=1)


@pytest.fixture(scope="module")
def objection(index: RetrievalIndex) -> Object:
    def run(
        query: str,
        text: str,
        kind: RewriteType,
        *tags: tuple[str, AnnotationType],
        context: DomainContext | None = None,
        bounds: Bounds = ANY,
        categories: Sequence[str] = (),
    ) -> DropReason | None:
        one, other = index.encoder.encode([query, text])
        judge = RewriteJudge(
            query=query,
            annotations=[AnswerAnnotation(text=words, type=type_, value=words) for words, type_ in tags],
            vector=one,
            departments=Departments(context, TREE, index),
            categories=categories,
            bounds=bounds,
        )
        return judge.objection(text, kind, other)

    return run


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("bread", None),
        # Both words are the shop's, and no product has both.
        ("rye rolls", "rewrite_not_matchable"),
        # A category without products is no shelf.
        ("spirits", "rewrite_not_matchable"),
        ("brioche", "rewrite_not_matchable"),
        # "Oat Milk" is said by the category alone, "drink" by the title alone.
        ("oat milk drink", None),
        ("the bread and rolls", None),
        ("with the", "rewrite_not_matchable"),
        ("bread for the food", None),
    ],
)
def test_a_product_must_hold_every_word(objection: Object, text: str, reason: str | None) -> None:
    assert objection("loaf", text, "substitute") == reason


def test_a_spelling_that_finds_nothing_has_a_reason_of_its_own(objection: Object) -> None:
    assert objection("briosh", "brioche", "spelling") == "spelling_not_matchable"


@pytest.mark.parametrize(
    ("query", "text", "kind", "reason"),
    [
        ("gluten free bread", "white bread", "substitute", "rewrite_drops_constraint"),
        ("gluten free bread", "white bread", "synonym", "rewrite_drops_constraint"),
        ("gluten free bread", "bread", "broader", None),
        ("gluten free rye", "gluten free bread", "substitute", None),
        ("brother tn-2110 toner", "brother tn-2120 toner", "substitute", "rewrite_drops_constraint"),
        ("brother tn-2110 toner", "brother toner cartridge", "broader", None),
        ("1 gallon milk", "half gallon milk", "substitute", "rewrite_drops_constraint"),
        ("gallon milk", "milk 1 gallon", "synonym", None),
        ("2% milk", "skim milk", "substitute", None),
    ],
)
def test_a_hard_constraint_is_given_up_by_a_broader_alone(
    objection: Object, query: str, text: str, kind: RewriteType, reason: str | None
) -> None:
    assert objection(query, text, kind) == reason


def test_an_allergen_is_the_last_thing_to_be_given_up(objection: Object) -> None:
    query = "gluten free white bread"
    plain = ("gluten free", "dietary"), ("bread", "product_type")
    assert objection(query, "white bread", "broader", *plain, ("white", "color")) == "rewrite_drops_constraint"
    assert objection(query, "gluten free bread", "broader", *plain, ("white", "color")) is None
    assert objection("gluten free bread", "bread", "broader", *plain) is None


@pytest.mark.parametrize(
    ("query", "text", "reason"),
    [
        # Of seven products on the milk shelves two are whole milk: 2/5 of all five.
        ("milk", "whole milk", "rewrite_narrows"),
        # Every product in the category is "tissue" by the category's name.
        ("toilet paper", "toilet tissue paper", None),
        ("charmin", "charmin toilet paper", None),
        # Another word, with a size that nobody asked for.
        ("dairy", "whole milk 1 gallon", "rewrite_narrows"),
    ],
)
def test_a_synonym_does_not_narrow(objection: Object, query: str, text: str, reason: str | None) -> None:
    assert objection(query, text, "synonym") == reason


def test_demand_can_show_that_a_narrower_name_is_what_shoppers_mean(
    objection: Object, make_context: Callable[..., Any]
) -> None:
    # "oat milk" finds one product of five. 0.6 of the demand for "milk" is for oat drinks, and it finds all of those.
    oats = make_context("milk", {"oat": 0.6, "plain": 0.4})
    assert objection("milk", "oat milk", "synonym", context=oats) is None
    # A half of 0.8 is demand for milk of which it finds none.
    plain = make_context("milk", {"oat": 0.3, "plain": 0.7})
    assert objection("milk", "oat milk", "synonym", context=plain) == "rewrite_narrows"


def test_a_synonym_gives_up_no_brand_but_may_give_up_a_word_of_the_name(objection: Object) -> None:
    # "brother toner" finds two products, "toner" three: 2/3 is a half or more. "hp toner" finds one of three.
    assert objection("brother toner", "toner", "synonym", ("brother", "brand")) is None
    assert objection("hp toner", "toner", "synonym", ("hp", "brand")) == "rewrite_broadens"
    assert objection("hp toner", "toner", "synonym", ("hp toner", "product_type")) is None
    assert objection("hp toner", "toner", "broader", ("hp", "brand")) is None


def test_a_broader_adds_nothing(objection: Object) -> None:
    assert objection("bread", "white bread", "broader") == "rewrite_narrows"
    assert objection("loaf", "gluten free bread", "broader") == "rewrite_narrows"
    assert objection("rye bread", "white bread", "broader") is None
    assert objection("loaf", "gluten free bread", "broader", ("loaf", "brand")) is None


@pytest.mark.parametrize(
    ("query", "text", "reason"),
    [
        ("glutenfree bred", "gluten free bread", None),
        ("gluten fre bread", "gluten free bread", None),
        ("sugr free bread", "white bread", "spelling_is_another_query"),
        ("ry bread", "rye bread", None),
        ("toilet papr", "toilet tissue paper", "spelling_is_another_query"),
        ("brother tn-2110 tonr", "brother tn-2110 toner", None),
        ("brother tn-2110 tonr", "brother tn-2120 toner", "rewrite_drops_constraint"),
        ("1 gallon mlk", "2% gallon milk", "spelling_is_another_query"),
    ],
)
def test_a_spelling_mends_letters_and_no_number(objection: Object, query: str, text: str, reason: str | None) -> None:
    assert objection(query, text, "spelling") == reason


def test_a_rewrite_is_near_the_query_or_backed_by_demand(objection: Object, make_context: Callable[..., Any]) -> None:
    near = Bounds(spelling=0.5, synonym=0.5, broader=0.5, substitute=0.5)
    assert objection("bread", "toner cartridge", "substitute", bounds=near) == "rewrite_too_far"
    assert objection("bread", "toner cartridge", "substitute", bounds=ANY) is None
    wanted = make_context("bread", {"bread": 0.9, "toner": 0.1})
    assert objection("bread", "toner cartridge", "substitute", bounds=near, context=wanted) is None
    hardly = make_context("bread", {"bread": 0.95, "toner": 0.05})
    assert objection("bread", "toner cartridge", "substitute", bounds=near, context=hardly) == "rewrite_too_far"


def test_a_bare_brand_is_near_what_is_sold_of_it(objection: Object) -> None:
    near = Bounds(spelling=1.0, synonym=1.0, broader=1.0, substitute=1.0)
    hp = ("hp", "brand")
    assert objection("hp", "brother toner", "substitute", bounds=near) == "rewrite_too_far"
    assert objection("hp", "brother toner", "substitute", hp, bounds=near) is None
    assert objection("hp", "charmin toilet paper", "substitute", hp, bounds=near) == "rewrite_too_far"
    # Of a name that the shop does not have only the answer tells what it is, and without a category nothing does.
    zorblax = ("zorblax", "brand")
    assert objection("zorblax", "white bread", "substitute", zorblax, bounds=near) is None
    assert objection("zorblax", "white bread", "substitute", zorblax, bounds=near, categories=["bread"]) is None
    assert objection("zorblax", "oat drink", "substitute", zorblax, bounds=near, categories=["bread"]) is not None


@pytest.mark.parametrize("kind", ["synonym", "substitute", "broader"])
def test_a_rewrite_finds_something_where_the_querys_products_are(
    objection: Object, make_context: Callable[..., Any], kind: RewriteType
) -> None:
    def judged(text: str, **more: Any) -> DropReason | None:
        context = make_context("dairy", {"plain": 0.95}, **more)
        return objection("dairy", text, kind, context=context, categories=["plain"])

    assert judged("charmin") == "rewrite_elsewhere"
    # Bread is food as milk is.
    assert judged("rolls") is None
    # What shoppers type in its place, or search next more often than by chance, is theirs; so is where it leads.
    assert judged("charmin", reformulations=(Reformulation(query="charmin", count=1),)) is None
    assert judged("charmin", next_queries=(NextQuery(query="toilet", count=9, npmi=0.3),)) is None
    assert judged("charmin", next_queries=(NextQuery(query="charmin", count=9, npmi=0.29),)) == "rewrite_elsewhere"
    assert judged("charmin", next_queries=(NextQuery(query="charmin please", count=9, npmi=0.9),)) is not None


def test_without_demand_and_category_nothing_is_elsewhere(objection: Object) -> None:
    assert objection("dairy", "charmin", "substitute") is None
    assert objection("dairy", "charmin", "substitute", categories=["plain"]) == "rewrite_elsewhere"
    assert objection("dairy", "charmin", "substitute", categories=["paper"]) is None
    # A word of the query, or likeness to it, is enough.
    assert objection("brother rolls", "brother toner", "substitute", categories=["bread"]) is None
    assert objection("paper tissue", "charmin", "substitute", categories=["plain"]) == "rewrite_elsewhere"


def test_a_rewrite_too_long_for_a_query_is_not_served(objection: Object) -> None:
    assert objection("loaf", "bread " * 43, "substitute") == "rewrite_not_matchable"


def test_what_a_text_finds_is_counted_by_category(index: RetrievalIndex) -> None:
    assert index.finds("white", TREE) == {"bread": 3}
    assert index.finds("food", TREE) == {"bread": 6, "plain": 4, "oat": 1}
    assert index.finds("brother toner", TREE) == {"toner": 2}
    assert index.finds("", TREE) == index.finds("of the", TREE) == {}


def test_a_shop_without_products_finds_nothing_and_is_near_by_name(encoder_folder: Path, tmp_path: Path) -> None:
    build_index(tmp_path / "index", taxonomy=TREE, products=[], encoder=encoder_folder, locale="en-US")
    index = RetrievalIndex(tmp_path / "index", threads=1)
    assert index.finds("bread", TREE) == {}
    [vector] = index.encoder.encode(["Bread"])
    similarity = index.category_similarity(vector, ["bread", "toner"])
    assert similarity["bread"] == pytest.approx(1.0)
    assert similarity["toner"] < 0.6
