"""What a shopper cannot do without is found in the words, and known again in other words."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.constraints import constraints_of, keeps
from domain.text import normalise
from domain.understanding import AnnotationType


class Said(NamedTuple):
    text: str
    type: AnnotationType
    value: str


def tag(text: str, kind: AnnotationType, value: str) -> Said:
    return Said(text, kind, value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gluten free bread", [("allergen", "gluten free", {"gluten free"})]),
        ("glutenfree bread", [("allergen", "glutenfree", {"gluten free"})]),
        ("school snacks nut free", [("allergen", "nut free", {"nut free"})]),
        ("non dairy creamer", [("allergen", "non dairy", {"dairy free"})]),
        ("bread without nuts", [("allergen", "without nuts", {"nut free"})]),
        ("peanut butter", []),
        ("milk free shipping", [("allergen", "milk free", {"dairy free"})]),
        ("organic eggs", [("dietary", "organic", {"organic"})]),
        ("plant-based yogurt", [("dietary", "plant-based", {"vegan"})]),
        ("2% milk", [("dietary", "2% milk", {"reduced fat"})]),
        ("orange juice no pulp", [("exclusion", "no pulp", {"pulp free"})]),
        ("hands-free headset", [("exclusion", "hands-free", {"hands free"})]),
        ("1 gallon milk", [("size", "1 gallon", {"1 gallon"})]),
        ("gal milk", [("size", "gal", {"1 gallon"})]),
        ("half gallon milk", [("size", "half gallon", {"0.5 gallon"})]),
        ("1.50l water", [("size", "1.50l", {"1.5 liter"})]),
        ("1,5 l water", [("size", "1,5 l", {"1.5 liter"})]),
        ('50" tv', [("size", '50"', {"50 inch"})]),
        ("8.5 x 11 paper", [("size", "8.5 x 11", {"8.5x11"})]),
        ("pack of 12 eggs", [("size", "pack of 12", {"12 count"})]),
        ("aa batteries 24ct", [("size", "aa", {"aa size"}), ("size", "24ct", {"24 count"})]),
        ("3 in 1 shampoo", []),
        ("2-in-1 laptop", []),
        ("tv 50 in", [("size", "50 in", {"50 inch"})]),
        ("shelf 50in", [("size", "50in", {"50 inch"})]),
        ("iphone 7 in red", [("model", "7", {"#7"})]),
        ("dozen eggs", [("size", "dozen", {"1 dozen"})]),
        ("mp3 player", []),
        ("brother tn-2110 toner", [("model", "tn-2110", {"#tn2110"})]),
        ("iphone 7 case", [("compatibility", "iphone", {"=iphone"}), ("model", "7", {"#7"})]),
        ("case for ipad", [("compatibility", "ipad", {"=ipad"})]),
        ("ipad", []),
        ("", []),
    ],
)
def test_constraints_of_words(text: str, found: list[tuple[str, str, set[str]]]) -> None:
    assert normalise(text) == text
    assert [(c.kind, c.text, set(c.meanings)) for c in constraints_of(text)] == found


@pytest.mark.parametrize(
    ("query", "text", "kept"),
    [
        ("gluten free bread", "bread gluten-free", True),
        ("gluten free bread", "nut free bread", False),
        ("gluten free bread", "bread", False),
        ("wheat free bread", "gluten free bread", True),
        ("gluten free bread", "wheat free bread", False),
        ("vegetarian sausage", "vegan sausage", True),
        ("vegan sausage", "vegetarian sausage", False),
        ("diet cola", "sugar free cola", True),
        ("2% milk", "reduced fat milk", True),
        ("2% milk", "2 percent milk", True),
        ("unsalted butter", "salted butter", False),
        ("1 gallon milk", "gallon of milk", True),
        ("1 gallon milk", "half gallon milk", False),
        ("1 gallon milk", "128 oz milk", False),
        ("50 inch tv", '50" television', True),
        ("50 inch tv", "43 inch tv", False),
        ("aa battery", "double a battery", True),
        ("aa battery", "aaa battery", False),
        ("brother tn-2110 toner", "tn2110 cartridge", True),
        ("brother tn-2110 toner", "tn-2120 cartridge", False),
        ("iphone 7", "iphone 17", False),
        ("iphone 7", "iphone7", True),
        ("ps4 games", "playstation 4 games", True),
        ("ps4 games", "playstation 5 games", False),
        ("iphone case", "phone case", False),
        ("iphone case", "iphones cover", True),
    ],
)
def test_a_constraint_is_kept_by_whatever_says_the_same(query: str, text: str, kept: bool) -> None:
    assert all(keeps(text, c) for c in constraints_of(query)) == kept


def test_an_annotation_says_a_constraint_in_another_way() -> None:
    [zero] = constraints_of("coke zero", [tag("zero", "dietary", "zero sugar")])
    assert (zero.kind, keeps("diet coke", zero), keeps("coke", zero)) == ("dietary", True, False)
    [large] = constraints_of("large eggs", [tag("large", "size", "Large")])
    assert (keeps("large brown eggs", large), keeps("brown eggs", large)) == (True, False)
    [tablet] = constraints_of("fire hd8", [tag("fire hd8", "attribute", "Fire HD 8")])
    assert (keeps("fire hd 8", tablet), keeps("fire 7", tablet)) == (True, False)


def test_a_brand_with_a_number_in_it_is_no_model() -> None:
    assert [c.kind for c in constraints_of("tech21 case")] == ["model"]
    assert constraints_of("tech21 case", [tag("tech21", "brand", "Tech21")]) == ()
    assert [c.text for c in constraints_of("xbox 360", [tag("xbox 360", "brand", "Xbox 360")])] == ["360"]


def test_an_annotation_that_is_not_in_the_text_adds_nothing() -> None:
    assert constraints_of("eggs", [tag("large", "size", "large"), tag("", "size", "x"), tag("!", "dietary", "")]) == ()


@given(st.text(alphabet='ab gnofre0123456789.,x"-%', max_size=60).map(normalise))
def test_whatever_the_text_its_constraints_lie_in_it_and_it_keeps_them(text: str) -> None:
    found = constraints_of(text)
    assert all(c.text == text[c.start : c.end] != "" for c in found)
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    assert all(keeps(text, c) for c in found)
