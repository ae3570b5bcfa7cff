"""Queries that are nearly the same stand together, and others apart."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.clusters import Clusters
from domain.lexical import Stems

STEMS = Stems("en-US")


def together(one: str, other: str, *others: str) -> bool:
    clusters = Clusters([one, other, *others], STEMS)
    return clusters.of(one) == clusters.of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ginger ale", "ale ginger"),
        ("protein bar", "protein bars"),
        ("milk milk", "milk"),
        ("gingerale", "ginger ale"),
        ("g i n", "gin"),
        ("ginger ale", "giner ale"),
        ("ginger ale", "ginnger ale"),
        ("ginger ale", "ginger alr"),
        ("ginger ale", "gigner ale"),
        ("ginger ale", "ingerale"),
        ("ginger ale", "gingera le"),
        ("bananas", "banansa"),
        ("butter", "buter"),
    ],
)
def test_what_is_nearly_the_same_stands_together(one: str, other: str) -> None:
    assert together(one, other) and together(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "car"),
        ("bread", "break"),
        ("oat", "oats milk"),
        ("ginger ale", "ginger beer"),
        ("chicken", "kitchen"),
        # Two edits: both letters changed, or one gone in front and another added behind.
        ("ginger ale", "gonger alr"),
        ("abcdef", "bcdefg"),
        ("12 pack", "2 packs"),
        # A letter that moved past two others.
        ("salmon", "almson"),
        # Signs alone have no stem, which is nothing to have in common.
        ("🍋", "🥤"),
        ("++", "🍋"),
    ],
)
def test_what_is_not_stands_apart(one: str, other: str) -> None:
    assert not together(one, other)


def test_chains_are_one_cluster_named_after_the_first_of_the_alphabet() -> None:
    # One letter more each time, then the words change places.
    chain = ["green teas", "green teasx", "green teasxy", "teasxy green"]
    clusters = Clusters([*chain, "black coffee"], STEMS)
    assert {clusters.of(query) for query in chain} == {"green teas"}
    assert clusters.of("black coffee") == "black coffee"
    assert not together("green teas", "green teasxy")
    assert clusters.touching(["teasxy green", "green teasx"]) == {"green teas"}
    assert clusters.touching([]) == set()


def test_a_share_is_of_the_cluster_and_spread_over_clusters() -> None:
    queries = [f"thing number {i:04d}" for i in range(0, 4000)]
    apart = Clusters(queries, lambda text: [text])
    # Neighbouring numbers are one letter apart, so that all of them are linked.
    assert len({apart.share(query) for query in queries}) == 1
    words = [chr(97 + i // 26 % 26) * 9 + chr(97 + i % 26) * 9 for i in range(676)]
    clusters = Clusters(words, lambda text: [text])
    shares = [clusters.share(word) for word in words]
    assert all(0 <= share < 1 for share in shares) and len(set(shares)) == 676
    # Of 676 even draws a tenth is 68 with a standard deviation of 8.
    assert 36 < sum(share < 0.1 for share in shares) < 100
    assert clusters.share(words[0]) == Clusters(words[:1], STEMS).share(words[0])


WORDS = st.text("abc ", min_size=1, max_size=9).map(lambda text: " ".join(text.split())).filter(bool)


@given(st.lists(WORDS, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_queries_says_nothing(queries: list[str], rng: random.Random) -> None:
    expected = Clusters(queries, STEMS)
    shuffled = queries * 2
    rng.shuffle(shuffled)
    found = Clusters(iter(shuffled), STEMS)
    assert {query: found.of(query) for query in queries} == {query: expected.of(query) for query in queries}


def one_slip(a: str, b: str) -> bool:
    """Compare letter by letter: none or one changed, missing, or swapped with its neighbour."""
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) == 1:
        return any(b[:i] + b[i + 1 :] == a for i in range(len(b)))
    wrong = [i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y]
    if len(a) != len(b) or len(wrong) > 2:
        return False
    if len(wrong) == 2:
        i, j = wrong
        return j == i + 1 and a[i] == b[j] and a[j] == b[i]
    return True


@given(st.lists(WORDS, max_size=12))
def test_clusters_are_what_comparing_all_pairs_gives(queries: list[str]) -> None:
    linked = {query: {query} for query in queries}
    for a in linked:
        for b in list(linked):
            one, other = a.replace(" ", ""), b.replace(" ", "")
            long = max(len(one), len(other)) >= 6
            if one == other or {*STEMS(a)} == {*STEMS(b)} or (long and one_slip(one, other)):
                joined = linked[a] | linked[b]
                for member in joined:
                    linked[member] = joined
    clusters = Clusters(queries, STEMS)
    assert {query: clusters.of(query) for query in linked} == {query: min(linked[query]) for query in linked}


def test_twenty_thousand_queries_are_no_matter() -> None:
    rng = random.Random(5)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(3000)]
    queries = [" ".join(rng.choices(words, k=rng.randint(1, 4))) for _ in range(20_000)]
    clusters = Clusters(queries, STEMS)
    assert len({clusters.of(query) for query in queries}) > 10_000


def test_a_long_chain_needs_no_recursion() -> None:
    chain = ["a" * n for n in range(6, 500)]
    clusters = Clusters(chain, STEMS)
    assert all(clusters.of(one) == clusters.of(other) for one, other in pairwise(chain))
    assert Clusters([], STEMS).touching([]) == set()


def test_a_query_that_was_not_given_has_no_cluster() -> None:
    with pytest.raises(KeyError):
        Clusters(["milk"], STEMS).of("bread")
