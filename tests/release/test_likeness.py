"""Words are the same in another number, order or spacing, and with one wrong letter; other words are others."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import normalise
from release.likeness import lacking, same_words, words_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("apples", "apple", True),
        ("strawberries", "strawberry", True),
        ("tomatoes", "tomato", True),
        ("juice box", "juice boxes", True),
        ("pies", "pie", True),
        ("cookies", "cookie", True),
        ("popcorn microwave", "microwave popcorn", True),
        ("icecream", "ice cream", True),
        ("band aids", "bandaids", True),
        ("jug of milk", "milk jug", True),
        ("chiken breast", "chicken breast", True),
        ("avacado", "avocado", True),
        ("friut snacks", "fruit snacks", False),
        ("protien bars", "protein bars", True),
        ("aples", "apples", True),
        ("craisins", "raisins", False),
        ("lemons", "melons", False),
        ("pears", "peas", False),
        ("glass", "glas", False),
        ("aaa batteries", "aa batteries", False),
        ("size 5 diapers", "size 6 diapers", False),
        ("tn-2110 toner", "tn-2120 toner", False),
        ("1% milk", "1 milk", False),
        ("whole milk", "milk", False),
        ("of the", "of the", False),
        ("", "", False),
    ],
)
def test_words_that_are_the_same(one: str, other: str, same: bool) -> None:
    assert normalise(one) == one
    assert same_words(words_of(one), words_of(other)) == same
    assert same_words(words_of(other), words_of(one)) == same


def test_what_is_lacking_is_named_as_it_was_written() -> None:
    asked = words_of("crunchy peanut buter")
    assert asked == ("crunchy", "peanut", "buter")
    assert lacking(asked, words_of("peanuts")) == ["crunchy", "buter"]
    assert lacking(asked, words_of("peanut butter")) == ["crunchy"]
    assert lacking([], asked) == []


@given(st.text(max_size=80).map(normalise), st.text(max_size=80).map(normalise))
def test_whatever_the_texts_neither_lacks_its_own_words(one: str, other: str) -> None:
    words = words_of(one)
    assert lacking(words, words) == []
    assert same_words(words, words) == bool(words)
    assert set(lacking(words, words_of(other))) <= set(words)


def test_the_longest_query_is_compared_in_no_time() -> None:
    one = [f"aaaaa{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(32)]
    other = [f"aaaaaa{word[-2:]}b" for word in one]
    started = time.perf_counter()
    lacking(one, other)
    assert time.perf_counter() - started < 0.1
