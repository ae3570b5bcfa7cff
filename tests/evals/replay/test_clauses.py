"""From an understanding to clauses."""

from __future__ import annotations

import pytest

from evals.replay.clauses import WAYS, Clauses, Favoured, Words, clauses_of


@pytest.fixture
def full(answer):
    return answer(
        "head set",
        [("net", 0.5), ("games", None), ("bags", 0.0)],
        [
            ("headst", "spelling", 0.4),
            ("headset", "spelling", 0.9),
            ("headphones", "substitute", 0.5),
            ("earphones", "synonym", 1.0),
            ("audio", "broader", 0.0),
        ],
    )


PLAIN = (Words(text="head set", weight=1.0),)
# The spelling of most confidence takes the place; 0.2 x 0.5 and 0.6 x 1; what has no confidence is left out.
EXPANDED = (
    Words(text="headset", weight=1.0),
    Words(text="headphones", weight=0.1),
    Words(text="earphones", weight=0.6),
)


def test_nothing_is_used_unless_asked_for(full):
    assert clauses_of(full, None) == Clauses(words=PLAIN)


def test_categories_weigh_factor_times_confidence_and_one_without_confidence_nothing(full):
    assert clauses_of(full, "boost", factor=10) == Clauses(
        words=PLAIN, favoured=(Favoured(category_id="net", weight=5.0),)
    )
    assert clauses_of(full, "filter") == Clauses(words=PLAIN, within=("net",))


def test_rewrites_weigh_by_type_and_confidence_and_a_spelling_replaces(full):
    assert clauses_of(full, "expand") == Clauses(words=EXPANDED)


def test_ways_combine(full):
    assert clauses_of(full, "boost+expand", factor=2) == Clauses(
        words=EXPANDED, favoured=(Favoured(category_id="net", weight=1.0),)
    )
    assert clauses_of(full, "filter+expand") == Clauses(words=EXPANDED, within=("net",))


@pytest.mark.parametrize("way", WAYS)
def test_an_abstention_changes_nothing(answer, way):
    assert clauses_of(answer("shoes"), way, factor=100) == Clauses(words=(Words(text="shoes", weight=1.0),))
