"""Grams have one number each, whatever stands around them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.student.grams import GRAM_BITS, MAX_CHARACTERS, pair_id, word_grams

BITS = 18
BASE, MIXER, WORD_64 = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93, 2**64 - 1
ANY_WORD = st.text(st.characters(codec=None, categories=None) | st.sampled_from("ab\ud800🥤"), min_size=1, max_size=40)


def number(gram: str, kind: int, bits: int = BITS) -> int:
    """Hash one gram by Horner's rule, from its last character, in Python's integers."""
    value = 0
    for char in reversed(gram):
        value = (value * BASE + ord(char) + 1) & WORD_64
    value ^= kind * BASE & WORD_64
    value = value * MIXER & WORD_64
    value ^= value >> 32
    return (value * MIXER & WORD_64) >> (64 - bits)


def slow(word: str) -> Counter[int]:
    """Number the grams of a word one by one: 1 for the word, else the length of a run."""
    padded = f" {word[:MAX_CHARACTERS]} "
    runs = [number(padded[i : i + run], run) for run in (3, 4, 5) for i in range(len(padded) - run + 1)]
    return Counter([number(word[:MAX_CHARACTERS], 1), *runs])


def one(word: str, bits: int = BITS) -> Counter[int]:
    return Counter((word_grams(word).ids >> GRAM_BITS - bits).tolist())


def pair(first: str, second: str, bits: int = BITS) -> int:
    return pair_id(word_grams(first), word_grams(second), bits=bits)


def test_a_word_has_itself_and_its_runs() -> None:
    # " abc " has 5 characters: 3 runs of three, 2 of four, 1 of five, and the word.
    assert one("abc").total() == 3 + 2 + 1 + 1
    assert one("a").total() == 1 + 1  # " a " is one run of three


@given(ANY_WORD)
def test_the_slow_way_gives_the_same_numbers(word: str) -> None:
    assert one(word) == slow(word)
    ids = word_grams(word).ids
    assert ids.dtype.name == "int32" and ids.base is None
    assert ids[0] == number(word[:MAX_CHARACTERS], 1, GRAM_BITS), "itself comes first"


@given(ANY_WORD, ANY_WORD)
def test_a_pair_is_hashed_as_its_words_with_a_space_between(first: str, second: str) -> None:
    assert pair(first, second) == number(f"{first} {second}", 2)


def test_a_word_is_not_the_run_of_its_letters() -> None:
    assert one("abc")[number("abc", 1)] == 1 and one("abc")[number("abc", 3)] == 1
    assert number("abc", 1) != number("abc", 3)


def test_order_of_characters_and_of_words_counts() -> None:
    assert pair("oat", "milk") != pair("milk", "oat")
    assert number("abc", 3) != number("cba", 3)


def test_lone_surrogates_are_read_as_any_character() -> None:
    assert one("\ud800") == slow("\ud800") != one("\udfff")


def test_only_256_characters_are_read() -> None:
    whole = "ab" * 128
    assert one(whole + "c" * 5000) == one(whole) != one(whole[:-1])
    assert pair(whole + "c", "milk") == pair(whole, "milk")


@pytest.mark.parametrize("bits", [1, 10, 30])
def test_numbers_stay_below_the_table_and_fill_it(bits: int) -> None:
    read = [word_grams(f"number{i}") for i in range(3000)]
    ids = {number >> GRAM_BITS - bits for word in read for number in word.ids.tolist()}
    assert min(ids) >= 0 and max(ids) < 2**bits
    assert bits == 30 or len(ids) == 2**bits
    pairs = {pair_id(a, b, bits=bits) for a, b in zip(read, read[1:], strict=False)}
    assert min(pairs) >= 0 and max(pairs) < 2**bits


def test_different_words_seldom_meet() -> None:
    # 10,000 words in 2**30 numbers: 0.05 pairs are expected to meet, so that three would be a bad hash.
    first = {number(f"{i:05d}", 1, 30) for i in range(10_000)}
    assert len(first) >= 9_998
    assert first <= {number for i in range(10_000) for number in word_grams(f"{i:05d}").ids.tolist()}
