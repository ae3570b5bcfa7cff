"""How strangers' texts, numbers and slices are shown."""

from __future__ import annotations

import pytest

from domain.understanding import Category
from evals.estimates import Estimate
from evals.evaluation.words import (
    categories_line,
    explained,
    measure_words,
    number,
    percent,
    plain,
    quoted_interval,
    slice_words,
)
from evals.measures import MEASURES


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("  oat \n\t milk ", "oat milk"),
        ("a\x00b\x1b[31m\u202e\ud800", "a\ufffdb\ufffd[31m\ufffd\ufffd"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),  # without its joiner the word is another
        ("x" * 161, "x" * 159 + "…"),
        ("y" * 160, "y" * 160),
        (" " * 10_000 + "late", "…"),
    ],
)
def test_a_strangers_text_stays_in_its_line(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_huge_text_is_cut_before_it_is_looked_at() -> None:
    assert len(plain("a b " * 1_000_000)) == 160


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("all", "all queries"),
        ("tier:head", "head queries"),
        ("kind:gift", "queries of kind gift"),
        ("tier:tail,specificity:broad", "tail queries, specificity broad"),
        ("branch:Fruit, Nuts,tier:head", "queries of branch Fruit, Nuts, tier head"),
        ("kind:a:b", "queries of kind a:b"),
        ("nothing", "queries of nothing"),
    ],
)
def test_a_slice_is_told_in_words(spec: str, words: str) -> None:
    assert slice_words(spec).rstrip() == words


def test_numbers() -> None:
    assert [number(x) for x in (0.0, -0.0001, 1.0, -0.0126)] == ["0.000", "0.000", "1.000", "−0.013"]
    assert [number(x, signed=True) for x in (0.0, -0.0001, 0.25)] == ["+0.000", "+0.000", "+0.250"]
    assert [percent(x) for x in (None, 0.0, 0.5, 0.1234, 1.0)] == ["–", "0%", "50%", "12.3%", "100%"]
    # Only what is nothing or all is said to be.
    assert [percent(x) for x in (0.0004, 0.0005, 0.9994, 0.9996)] == ["under 0.1%", "0.1%", "99.9%", "over 99.9%"]
    assert quoted_interval(Estimate(value=-0.2, low=-0.3, high=0.1, queries=9), signed=True) == (
        "−0.200 [−0.300, +0.100]"
    )


def test_no_measure_is_explained_by_the_name_that_the_code_gives_it() -> None:
    assert measure_words("rewrite_recall") == "rewrite recall" and measure_words("leaf_f1") == "F1"
    assert explained("leaf_f1") == "harmonic mean of precision and recall"
    assert explained("nobody") == ""
    assert not [name for name in MEASURES if "_" in explained(name) + measure_words(name)]


def test_categories_are_told_by_their_last_names() -> None:
    def category(name: str) -> Category:
        return Category(id=f"id{name}", path=("Drinks", name) if name else (), confidence=None)

    assert categories_line(()) == "no category"
    assert categories_line([category("Cola"), category("")]) == "Cola, id"
    assert categories_line([category(name) for name in "abcde"]) == "a, b, c and 2 more"
