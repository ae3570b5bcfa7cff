"""Grams have one number each, whatever stands around them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.student.grams import MAX_CHARACTERS, Grams, gram_ids

BITS = 18
BASE, MIXER, WORD_64 = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 2**64 - 1
ANY_TEXT = st.text(st.characters(codec=None, categories=None) | st.sampled_from("ab \ud800🥤"), max_size=40)


def number(gram: str, kind: int, bits: int = BITS) -> int:
    """Hash one gram by Horner's rule, from its last character, in Python's integers."""
    value = 0
    for char in reversed(gram):
        value = (value * BASE + ord(char) + 1) & WORD_64
    value ^= kind * BASE & WORD_64
    value = value * MIXER & WORD_64
    value ^= value >> 32
    return (value * MIXER & WORD_64) >> (64 - bits)


def slow(text: str, bits: int = BITS) -> Counter[int]:
    """Number the grams of a text one by one: 1 for a word, 2 for a pair, else the length of a run."""
    text = text[:MAX_CHARACTERS]
    if not text:
        return Counter()
    padded, words = f" {text} ", text.split(" ")
    found = [number(word, 1, bits) for word in words]
    found += [number(f"{one} {other}", 2, bits) for one, other in zip(words, words[1:], strict=False)]
    for run in (3, 4, 5):
        found += [number(padded[i : i + run], run, bits) for i in range(len(padded) - run + 1)]
    return Counter(found)


def grams_of(grams: Grams, i: int) -> Counter[int]:
    return Counter(grams.ids[grams.starts[i] : grams.starts[i + 1]].tolist())


def one(text: str, bits: int = BITS) -> Counter[int]:
    return grams_of(gram_ids([text], bits=bits), 0)


def test_two_words_have_fifteen_grams() -> None:
    # " ab cd " has 7 characters: 5 runs of three, 4 of four, 3 of five; two words and one pair.
    assert one("ab cd").total() == 5 + 4 + 3 + 2 + 1
    assert one("a").total() == 1 + 1  # " a " is one run of three, and the word


@given(st.lists(ANY_TEXT, max_size=6))
def test_the_slow_way_gives_the_same_numbers(texts: list[str]) -> None:
    batch = gram_ids(texts, bits=BITS)
    assert len(batch.starts) == len(texts) + 1 and batch.starts[-1] == len(batch.ids)
    assert batch.ids.dtype == np.int32
    for i, text in enumerate(texts):
        assert grams_of(batch, i) == slow(text) == one(text)


def test_more_texts_than_one_pass_takes_have_the_same_numbers() -> None:
    texts = [f"query {i} " + "x" * (i % 300) for i in range(600)] + [""] * 3
    batch = gram_ids(texts, bits=BITS)
    assert [grams_of(batch, i) for i in range(len(texts))] == [one(text) for text in texts]


def test_a_gram_has_one_number_wherever_it_stands() -> None:
    for before in ("", "x ", "a long way to the right of the start " * 4):
        after = one(f"{before}oat milk")
        assert number("oat milk", 2) in after
        assert number("milk", 1) in after and number(" oat ", 5) in after


def test_a_word_is_not_the_run_of_its_letters() -> None:
    assert one("abc")[number("abc", 1)] == 1 and one("abc")[number("abc", 3)] == 1
    assert number("abc", 1) != number("abc", 3)


def test_order_of_characters_and_of_words_counts() -> None:
    assert one("oat milk") != one("milk oat")
    assert number("abc", 3) != number("cba", 3)


def test_nothing_has_no_grams() -> None:
    assert gram_ids([], bits=BITS).starts.tolist() == [0] and gram_ids([], bits=BITS).ids.shape == (0,)
    assert gram_ids([""], bits=BITS).starts.tolist() == [0, 0]
    assert gram_ids(["", ""], bits=BITS).starts.tolist() == [0, 0, 0]


def test_lone_surrogates_are_read_as_any_character() -> None:
    assert one("\ud800") == slow("\ud800") != one("\udfff")


def test_only_256_characters_are_read() -> None:
    whole = "ab" * 128
    assert one(whole + "c" * 5000) == one(whole) != one(whole[:-1])
    both = gram_ids([whole + "c", whole], bits=BITS)
    assert grams_of(both, 0) == grams_of(both, 1)


@pytest.mark.parametrize("bits", [1, 10, 30])
def test_numbers_stay_below_the_table_and_fill_it(bits: int) -> None:
    ids = gram_ids([f"word{i} other{i}" for i in range(500)], bits=bits).ids
    assert ids.min() >= 0 and ids.max() < 2**bits
    # More than 2,000 grams are different, so that they hit nine of ten of 1,024 rows.
    assert len(np.unique(ids)) > 0.9 * min(2**bits, 2000)
    assert one("ab cd", bits) == slow("ab cd", bits)


def test_few_grams_share_a_number() -> None:
    # 10,000 words in 2**30 numbers: 0.05 pairs are expected to meet, so that three would be a bad hash.
    words = gram_ids([f"{i:05d}" for i in range(10_000)], bits=30)
    first = {number(f"{i:05d}", 1, 30) for i in range(10_000)}
    assert len(first) >= 9_998
    assert first <= set(words.ids.tolist())


def test_rows_are_filled_up_on_the_right() -> None:
    grams = gram_ids(["a", "", "ab"], bits=BITS)
    rows = grams.padded(-7)
    # "a" has 2 grams; " ab " has 2 runs of three, 1 of four, and a word.
    assert rows.shape == (3, 4) and (rows == -7).sum(axis=1).tolist() == [2, 4, 0]
    assert Counter(rows[0, :2].tolist()) == slow("a") and Counter(rows[2].tolist()) == slow("ab")
    assert gram_ids(["a"], bits=BITS).padded(-7).shape == (1, 2)
    assert gram_ids([], bits=BITS).padded(-7).shape == (0, 0)
