"""A value is a short plain name in words of the query or of the shop, or the query's own words stand for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.context import FacetEvidence
from domain.understanding import AnnotationType
from prompts.annotation_value import ReadValue, ValueJudge
from prompts.departments import Departments

Read = Callable[..., ReadValue]


@pytest.fixture(scope="module")
def read(corner: Any) -> Read:
    def run(text: str, kind: AnnotationType, value: str, query: str = "", **more: Any) -> ReadValue:
        departments = Departments(more.pop("context", None), corner.taxonomy, corner.index)
        judge = ValueJudge(
            query=query or text,
            spelling=more.pop("spelling", None),
            categories=more.pop("categories", ()),
            departments=departments,
        )
        assert not more
        return judge.read(text, kind, value)

    return run


@pytest.mark.parametrize("kind", ["product_type", "brand", "attribute", "size", "price"])
@pytest.mark.parametrize(
    ("value", "served"),
    [
        ("Milk", "Milk"),
        (" MILK\n", "MILK"),
        ("mi\ufe0flk", "milk"),
        ("\u202eMilk\u202c\u200b\x00", "Milk"),
        ("", "milk"),
        (" \u3164 ", "milk"),
        ("\x00!", "milk"),
    ],
)
def test_what_cannot_be_seen_goes(read: Read, kind: AnnotationType, value: str, served: str) -> None:
    assert read("milk", kind, value) == ReadValue(value=served)


@pytest.mark.parametrize(
    "value",
    [
        "<img src=//dairy.example/x.png>",
        "milk <b>",
        "![milk](x)",
        "https://milk",
        "www milk",
        "milk.example",
        "MILK.COM",
        "javascript:milk",
        "a@milk",
        '{"type": "milk"}',
        "milk `milk`",
        "milk " * 13,
        "milk" * 25_000,
    ],
)
def test_markup_addresses_and_long_texts_are_not_served(read: Read, value: str) -> None:
    assert read("milk", "attribute", value) == ReadValue(value="milk", objection="annotation_value_unfit")


@pytest.mark.parametrize("value", ['50"', "h&m", "1.5 l", "1% milk", "7-up", "st. ives", "16:9", "c++", "e.l.f."])
def test_signs_that_mean_something_are_no_markup(read: Read, value: str) -> None:
    assert read(value, "attribute", value.upper()) == ReadValue(value=value.upper())


@pytest.mark.parametrize(
    ("text", "query", "value", "served"),
    [
        # The shop writes it so: letters, not words, are different.
        ("fizz", "", "Fizz", True),
        ("fiz", "", "Fizz", True),
        ("ben and jerrys", "", "Ben & Jerry's", True),
        ("made good", "", "MadeGood", True),
        # A brand of the shop, alone or before words of the query.
        ("ginger ale", "", "Vernors", True),
        ("ginger ale", "", "Vernors Ginger Ale", True),
        # A brand that it does not have, and two that no one product is of.
        ("ginger ale", "", "SnackCorp", False),
        ("ginger ale", "", "SnackCorp Ginger Ale", False),
        ("ginger ale", "", "Vernors Rex", False),
        ("cola", "cola by rivalshop", "RivalShop", True),
    ],
)
def test_a_brand_is_of_the_query_or_of_the_shop(read: Read, text: str, query: str, value: str, served: bool) -> None:
    unknown = ReadValue(value=text, objection="annotation_value_unknown")
    assert read(text, "brand", value, query) == (ReadValue(value=value) if served else unknown)


def test_a_brand_unlike_the_words_is_one_that_shoppers_chose(read: Read, make_context: Callable[..., Any]) -> None:
    def chose(name: str, brand: str) -> ReadValue:
        facet = FacetEvidence(name=name, value=brand, share=0.9, lift=2.0, events=9)
        return read("pop", "brand", "Fizz", context=make_context("pop", annotations=(facet,)))

    assert chose("brand", "FIZZ") == ReadValue(value="Fizz")
    assert chose("brand", "Vernors") == ReadValue(value="pop", objection="annotation_value_unknown")
    assert chose("colour", "red") == ReadValue(value="Fizz")


def test_words_of_the_mended_query_may_stand_in_a_value(read: Read) -> None:
    mended = {"query": "zorblx chips", "spelling": "super zorblax chips"}
    assert read("zorblx chips", "attribute", "Super Zorblax", **mended).objection is None
    assert read("zorblx chips", "attribute", "Super Zorblax", "zorblx chips").objection == "annotation_value_unknown"


@pytest.mark.parametrize(
    ("text", "value", "served"),
    [
        ("4tb", "4 TB", True),
        ("1l", "1 liter", True),
        ("13", "13 inch", True),
        ("81/2 x 11", '8 1/2" x 11"', True),
        ("half gallon", "1.9 l", False),
        ("13", "15 inch", False),
        ("4tb", "4 zorblax", False),
        ("double a", "AA", True),
    ],
)
def test_a_size_has_the_numbers_of_the_query_and_units(read: Read, text: str, value: str, served: bool) -> None:
    found = read(text, "size", value)
    assert found == (ReadValue(value=value) if served else ReadValue(value=text, objection="annotation_value_unknown"))


def test_a_type_of_product_is_of_the_querys_departments(read: Read, make_context: Callable[..., Any]) -> None:
    elsewhere = ReadValue(value="cola", objection="annotation_value_elsewhere")
    drinks = make_context("cola", {"soda": 0.9})
    assert read("cola", "product_type", "dog food", context=drinks) == elsewhere
    assert read("cola", "product_type", "dog food", categories=["soda"]) == elsewhere
    assert read("cola", "product_type", "dog food", categories=["dogfood"]) == ReadValue(value="dog food")
    assert read("cola", "product_type", "orange soda", context=drinks) == ReadValue(value="orange soda")
    # The shop knows both words and no product of them, so that nothing is elsewhere.
    assert read("cola", "product_type", "dog soda", context=drinks) == ReadValue(value="dog soda")
    assert read("cola", "product_type", "refreshment", context=drinks).objection == "annotation_value_unknown"


def test_a_prompt_is_no_value(read: Read) -> None:
    leak = "You work for the search team of an online shop"
    assert read("box", "attribute", leak) == ReadValue(value="box", objection="annotation_value_unknown")
