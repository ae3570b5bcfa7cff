"""Brand and spelling, brand and query, specificity and type of product."""

from __future__ import annotations

import pytest

from prompts.answer import AnswerAnnotation
from prompts.coherence import brand_against_spelling, is_bare_brand, spelling_against_brand


def brand(text: str, value: str) -> AnswerAnnotation:
    return AnswerAnnotation(text=text, type="brand", value=value)


@pytest.mark.parametrize(
    ("text", "value", "spelling", "against"),
    [
        ("vernos", "Vernors", "vernors soda", False),
        ("vernos", "Werner", "vernors soda", True),
        ("vernors", "Schweppes", "vernors soda", False),
        ("cheez its", "Cheez-It", "cheez-it crackers", False),
        ("cheezit", "Cheez-It", "cheez it crackers", False),
        # "art" stands inside "party", which is not to name it.
        ("artt", "Art", "party cup", True),
        ("artt", "", "art cup", True),
    ],
)
def test_a_brand_must_be_what_the_mended_query_names(text: str, value: str, spelling: str, against: bool) -> None:
    assert brand_against_spelling(brand(text, value), spelling) == against


@pytest.mark.parametrize(
    ("value", "spelling", "known", "against"),
    [
        ("Bubly", "bubbly water", True, True),
        ("", "bubbly water", True, True),
        ("Bubly", "bubbly water", False, False),
        ("Bubbly", "bubbly water", True, False),
        ("Bubly", "bubly waters", True, False),
        ("Bub-ly", "bub ly water", True, False),
    ],
)
def test_a_brand_spelt_right_is_not_rewritten(value: str, spelling: str, known: bool, against: bool) -> None:
    found = spelling_against_brand(spelling, [brand("bubly", value)], "bubly watr", lambda name: known)
    assert found == against


def test_a_brand_that_the_query_does_not_hold_protects_nothing() -> None:
    assert not spelling_against_brand("soda", [brand("vernors", "Vernors")], "sodda", lambda name: True)


def test_a_bare_brand_is_all_of_the_query() -> None:
    assert is_bare_brand("la croix", [brand("la croix", "LaCroix")])
    assert is_bare_brand("kind field", [brand("kind", "Kind"), brand("field", "Field")])
    assert not is_bare_brand("la croix water", [brand("la croix", "LaCroix")])
    assert not is_bare_brand("la croix", [])
    assert not is_bare_brand("", [])
