from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.text import normalise
from evals.consistency import FORMS, VARIANTS, VariantKind, variants_of

TYPOS = ("typo_swap", "typo_drop", "typo_double", "typo_neighbour")


def made(query: str, seed: int = 0) -> dict[VariantKind, str]:
    return {variant.kind: variant.text for variant in variants_of(query, seed=seed)}


def over_seeds(query: str, kind: VariantKind) -> set[str]:
    return {text for seed in range(200) if (text := made(query, seed).get(kind))}


def test_typos_of_one_word_by_hand() -> None:
    # The first letter stays; the swap of the two o's shows nothing and is none.
    assert over_seeds("boot", "typo_swap") == {"boto"}
    assert over_seeds("boot", "typo_drop") == {"bot", "boo"}
    assert over_seeds("boot", "typo_double") == {"booot", "boott"}
    # On the keyboard p is beside o, and y beside t.
    assert over_seeds("boot", "typo_neighbour") == {"bpot", "bopt", "booy"}


def test_a_letter_at_the_end_of_its_row_has_its_neighbour_on_the_left() -> None:
    assert over_seeds("bpml", "typo_neighbour") == {"boml", "bpnl", "bpmk"}


def test_typos_are_in_words_of_four_letters_alone() -> None:
    assert not {*made("tv 4k 1080p usb-c"), *made("red")} & {*TYPOS}
    assert all(text.startswith("red ") for kind, text in made("red shoes").items() if kind in TYPOS)


def test_word_order_swaps_neighbours() -> None:
    assert over_seeds("a b c", "word_order") == {"b a c", "a c b"}
    assert "word_order" not in made("milk") and "word_order" not in made("bye bye")


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ("red shoe", "red shoes"),
        ("red shoes", "red shoe"),
        ("battery", "batteries"),
        ("batteries", "battery"),
        ("toys", "toy"),
        ("essay", "essays"),
        ("boxes", "box"),
        ("dishes", "dish"),
        ("dish", "dishes"),
        ("glass", "glasses"),
        ("glasses", "glass"),
        ("asparagus", "asparaguses"),
        ("ties", "tie"),
    ],
)
def test_number(query: str, other: str) -> None:
    assert made(query)["number"] == other


@pytest.mark.parametrize("query", ["usb", "iphone 15", "size 4xl", "café", "電池", "c++"])
def test_number_is_of_english_words(query: str) -> None:
    assert "number" not in made(query)


def test_forms_are_the_same_query() -> None:
    found = made("levi's 501 7-up")
    assert (found["case"], found["punctuation"]) == ("LEVI'S 501 7-UP", "levi's 501 7-up!")
    assert found["spacing"] == "  levi's   501   7-up "
    assert {normalise(found[kind]) for kind in FORMS} == {"levi's 501 7-up"}


def test_a_query_has_the_same_variants_in_any_company_and_others_by_seed() -> None:
    assert variants_of("chocolate milk") == variants_of("chocolate milk")
    assert len({variants_of("chocolate milk", seed=seed) for seed in range(5)}) > 1


def test_nothing_has_no_variant_but_its_forms() -> None:
    assert set(made("")) <= FORMS


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(0, 3))
def test_other_variants_of_any_query_differ_from_it(text: str, seed: int) -> None:
    query = normalise(text)
    found = variants_of(query, seed=seed)
    assert all(variant.kind in VARIANTS and variant.query == query for variant in found)
    assert not any(normalise(variant.text) == query for variant in found if variant.kind not in FORMS)


# A dotless i has another capital in each language, so letters beyond ASCII may differ in capitals.
@settings(deadline=None)
@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_forms_of_any_english_query_are_the_same_query(text: str) -> None:
    query = normalise(text)
    found = [variant for variant in variants_of(query) if variant.kind in FORMS]
    assert [normalise(variant.text) for variant in found] == [query] * 3
