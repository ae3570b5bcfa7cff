"""Slips are told by kind, counted as they are in the log, and made again with a seed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.noise import Noise, Slip, learn_noise, slip_between

SLIPS = get_args(Slip)
TEXTS = st.text("abz ñ1本", min_size=1, max_size=25).map(lambda text: " ".join(text.split())).filter(bool)


@pytest.mark.parametrize(
    ("meant", "typed", "slip"),
    [
        ("ginger", "giner", "drop"),
        ("ginger", "inger", "drop"),
        ("ginger", "ginge", "drop"),
        ("a", "", "drop"),
        ("apple", "aple", "drop"),
        ("ginger", "ginnger", "double"),
        ("apple", "appple", "double"),
        ("ab", "aab", "double"),
        ("ab", "abb", "double"),
        ("ginger", "gigner", "swap"),
        ("ginger", "ignger", "swap"),
        ("ab", "ba", "swap"),
        ("ginger", "gimger", "replace"),
        ("ginger", "finger", "replace"),
        ("ginger", "gingex", "replace"),
        ("ginger", "gingver", "insert"),
        ("ginger", "xginger", "insert"),
        ("", "a", "insert"),
        ("ginger ale", "gingerale", "glue"),
        ("gingerale", "ginger ale", "split"),
        ("a b c", "abc", None),
        ("ginger ale", "gin gerale", None),
        ("ab cd", "abxcd", None),
        ("abxcd", "ab cd", None),
        ("ginger", "ginger", None),
        ("ginger", "gi", None),
        ("ginger", "gonger ale", None),
        ("ginger", "gimgef", None),
        ("abcd", "cbad", None),
        ("eggs", "egg", None),
        ("egg white", "eggs white", None),
        ("glass", "glas", "drop"),
        ("1% milk", "2% milk", None),
        ("iphone 14", "iphone 4", None),
        ("7up", "7 up", "split"),
        ("2% mlik", "2% milk", "swap"),
        ("", "", None),
    ],
)
def test_a_slip_is_told_by_kind(meant: str, typed: str, slip: Slip | None) -> None:
    assert slip_between(meant, typed) == slip


@settings(deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_a_slip_that_was_made_is_told(text: str, rng: random.Random) -> None:
    for slip in SLIPS:
        only = Noise(slips={slip: 1.0}, replaced={}, mistyped=1.0, shortened=0.0, shuffled=0.0)
        typed = only(text, rng)
        # Doubling beside the same letter, or swapping two that are alike, looks like another slip or none.
        told = {"insert": {"insert", "double"}, "drop": {"drop", None}}.get(slip, {slip})
        assert typed == text or slip_between(text, typed) in told
        assert typed == " ".join(typed.split())


def test_what_was_typed_next_is_what_was_meant() -> None:
    log = [
        ("ginegr ale", "ginger ale", 5),
        ("gimger ale", "ginger ale", 3),
        ("gunger ale", "ginger ale", 1),
        ("gimger", "ginger", 2),
        ("gingerale", "ginger ale", 7),
        ("ginger ale", "bourbon", 100),
        ("ginger ale", "ginger ale", 50),
    ]
    noise = learn_noise(log)
    # 27 are assumed, and 5 + 3 + 1 + 2 + 7 = 18 are seen: 45 in all.
    expected = {"drop": 6, "double": 3, "swap": 6 + 5, "replace": 4 + 6, "insert": 3, "glue": 4 + 7, "split": 1}
    assert noise.slips == {slip: pytest.approx(count / 45) for slip, count in expected.items()}
    assert noise.replaced == {"i": {"u": 1}, "n": {"m": 5}}


def test_a_log_without_slips_leaves_what_is_assumed() -> None:
    noise = learn_noise([])
    assert set(noise.slips) == set(SLIPS)
    assert noise.slips["drop"] == pytest.approx(6 / 27) and sum(noise.slips.values()) == pytest.approx(1)
    assert noise.replaced == {}


def test_the_order_of_the_log_changes_nothing_that_is_drawn() -> None:
    log = [(f"mi{letter}k", "milk", 3) for letter in "kopqwx"]
    forwards, backwards = learn_noise(log), learn_noise(log[::-1])
    drawn = [[noise("milk and milk", random.Random(i)) for i in range(300)] for noise in (forwards, backwards)]
    assert drawn[0] == drawn[1]


@given(TEXTS, st.integers(0, 2**32))
def test_what_is_typed_is_normal_never_empty_and_the_same_for_a_seed(text: str, seed: int) -> None:
    always = Noise(slips=learn_noise([]).slips, replaced={"a": {"b": 1}}, mistyped=1.0, shortened=0.5, shuffled=0.5)
    for noise in (always, learn_noise([])):
        typed = noise(text, random.Random(seed))
        assert typed and typed == " ".join(typed.split())
        assert typed == noise(text, random.Random(seed))


def test_a_dropped_word_of_one_letter_leaves_one_space() -> None:
    drop = Noise(slips={"drop": 1.0}, replaced={}, mistyped=1.0, shortened=0.0, shuffled=0.0)
    typed = {drop("ab c de", random.Random(i)) for i in range(200)}
    assert typed == {"a c de", "ab de", "ab c e", "ab c de"}


def typed_often(noise: Noise, text: str, times: int = 2000) -> Counter[str]:
    rng = random.Random(11)
    return Counter(noise(text, rng) for _ in range(times))


def test_shares_are_kept() -> None:
    silent = {"slips": {"replace": 1.0}, "replaced": {}}
    assert typed_often(Noise(**silent, mistyped=0, shortened=0, shuffled=0), "oat milk") == {"oat milk": 2000}
    # 0.3 of 2,000 are 600 with a standard deviation of 20; one place of six is the space, where nothing changes.
    slipped = typed_often(Noise(**silent, mistyped=0.3, shortened=0, shuffled=0), "oat milk")
    assert 2000 - slipped["oat milk"] == pytest.approx(500, abs=80)
    # Two words never lose one; half of the shuffles of two leave them.
    shuffled = typed_often(Noise(**silent, mistyped=0, shortened=0, shuffled=0.5), "oat milk")
    assert set(shuffled) == {"oat milk", "milk oat"}
    assert shuffled["milk oat"] == pytest.approx(500, abs=80)


def test_one_word_of_three_is_lost_and_the_last_changes_its_number() -> None:
    shorter = Noise(slips={"drop": 1.0}, replaced={}, mistyped=0, shortened=1.0, shuffled=0)
    assert set(typed_often(shorter, "red oat bars")) == {"oat bar", "red bar", "red oat"}
    assert set(typed_often(shorter, "oat drink")) == {"oat drinks"}
    assert set(typed_often(shorter, "glass")) == {"glasss"}
    assert set(typed_often(shorter, "7up")) == {"7up"}


def test_a_letter_is_hit_for_its_neighbour_or_for_what_the_log_has() -> None:
    plain = Noise(slips={"replace": 1.0}, replaced={}, mistyped=1.0, shortened=0, shuffled=0)
    assert set(typed_often(plain, "abba")) == {"avba", "anba", "abva", "abna"}
    learnt = Noise(slips={"replace": 1.0}, replaced={"b": {"p": 1}}, mistyped=1.0, shortened=0, shuffled=0)
    counts = typed_often(learnt, "abba")
    assert set(counts) == {"avba", "anba", "apba", "abva", "abna", "abpa"}
    assert counts["apba"] + counts["abpa"] == pytest.approx(1000, abs=90)


def test_short_texts_are_left_alone() -> None:
    always = Noise(slips=learn_noise([]).slips, replaced={}, mistyped=1.0, shortened=0, shuffled=0)
    assert {always("gin", random.Random(i)) for i in range(50)} == {"gin"}
    assert always("", random.Random(1)) == ""


def test_figures_stay_as_they_are() -> None:
    noise = replace(learn_noise([("1% milk", "2% milk", 50)]), mistyped=1.0, shortened=0.0, shuffled=0.0)
    rng = random.Random(5)
    typed = {noise("iphone 14 case 128gb", rng) for _ in range(2000)}
    assert len(typed) > 50
    assert {"".join(filter(str.isdigit, text)) for text in typed} == {"14128"}
