"""What a label is worth: orders worked by hand, and a choice that measures no more than it needs."""

from __future__ import annotations

import random

import pytest

from domain.context import CategoryEvidence, DomainContext
from domain.retrieval import Candidate
from querywise.value import disagreement_of, most_valuable, order_by_value


def context(query: str, searches: int = 1, *demand: str, above: str = "") -> DomainContext:
    """A query whose demand goes to some categories, the most first, and all of it to one above them."""
    categories = [(above, False)] * bool(above) + [(category, True) for category in demand]
    return DomainContext(
        query=query,
        searches=searches,
        clients=1,
        tier="tail",
        share=0.0,
        zero_share=None,
        acted_share=0.0,
        categories=tuple(
            CategoryEvidence(
                category_id=category,
                level=1,
                is_own=own,
                share=0.5,
                score=1.0,
                events=3,
                clicks=3,
                carts=0,
                purchases=0,
                clients=2,
            )
            for category, own in categories
        ),
    )


class Retrieval:
    """Finds the same for every query, and remembers which it was asked about."""

    def __init__(self, *found: str) -> None:
        self.found = found
        self.asked: list[str] = []

    def nearest(self, query: str, limit: int) -> list[Candidate]:
        self.asked.append(query)
        return [Candidate(category_id=i, score=1.0) for i in self.found[:limit]]


def test_value_is_searches_times_uncertainty_times_disagreement() -> None:
    asked = [context("a", 10), context("b", 6), context("c", 4), context("d", 4)]
    assert order_by_value(asked) == ["a", "b", "c", "d"]
    # 10 x 0.1, 6 x 0.5, 4 x 1, and 4 x 1 for want of a figure.
    assert order_by_value(asked, uncertainty={"a": 0.1, "b": 0.5, "c": 1.0}) == ["c", "d", "b", "a"]
    # 10 x 0.25, 6 x 1, 4 x 0.5, 4 x 1.
    apart = {"a": 0.25, "b": 1.0, "c": 0.5, "d": 1.0}
    assert order_by_value(asked, disagreement=apart) == ["b", "d", "a", "c"]
    # 10 x 0.8 x 0.25 = 2 and 4 x 1 x 0.5 = 2: a tie, by query; 6 x 0.5 x 1 = 3; 4 x 0 x 1 = 0.
    unsure = {"a": 0.8, "b": 0.5, "d": 0.0}
    assert order_by_value(asked[::-1], uncertainty=unsure, disagreement=apart) == ["b", "a", "c", "d"]
    assert order_by_value([]) == []


@pytest.mark.parametrize(
    ("demand", "found", "expected"),
    [
        (("ale",), ("ale", "soda"), 0.25),
        (("ale", "tea"), ("tea", "ale"), 0.5),
        (("ale",), ("a", "b", "c", "d", "ale"), 0.5),
        # The sixth nearest is not near.
        (("ale",), ("a", "b", "c", "d", "e", "ale"), 1.0),
        (("ale", "tea"), ("tea",), 1.0),
        (("ale",), (), 1.0),
        ((), ("ale",), 0.5),
        ((), (), 0.5),
    ],
)
def test_disagreement_is_how_far_retrieval_is_from_what_shoppers_chose(demand, found, expected) -> None:
    assert disagreement_of(context("q", 1, *demand), Retrieval(*found)) == expected


def test_what_shoppers_chose_is_a_category_that_products_lie_in() -> None:
    assert disagreement_of(context("q", 1, "ale", above="drinks"), Retrieval("ale", "drinks")) == 0.25


def test_where_shoppers_say_nothing_retrieval_is_not_asked() -> None:
    index = Retrieval("ale")
    disagreement_of(context("q"), index)
    disagreement_of(context("r", 1, "ale"), index)
    assert index.asked == ["r"]


@pytest.mark.parametrize("seed", range(20))
def test_the_most_valuable_are_the_first_by_value_however_few_are_measured(seed) -> None:
    draw = random.Random(seed)
    # Few values, so that there are ties of every kind.
    asked = [context(f"q{i}", draw.choice((0, 1, 2, 4, 8))) for i in draw.sample(range(100), 40)]
    apart = {c.query: draw.choice((0.25, 0.5, 1.0)) for c in asked}
    unsure = {c.query: draw.choice((0.0, 0.5, 1.0)) for c in asked if draw.random() < 0.8} if seed % 2 else None
    searches = {c.query: c.searches for c in asked}
    expected = order_by_value(asked, uncertainty=unsure, disagreement=apart)
    for count in (1, 5, 39, 40, 41):
        found = most_valuable(searches, count, disagreement=apart.__getitem__, uncertainty=unsure)
        assert found == expected[:count]


def test_what_could_not_be_chosen_any_more_is_not_measured() -> None:
    measured = []

    def disagreement(query: str) -> float:
        measured.append(query)
        return 0.25 if query == "a" else 1.0

    # a is worth 2, b and c 4; d could be worth 4 too, but comes after them; e less.
    searches = {"e": 3, "d": 4, "c": 4, "b": 4, "a": 8}
    assert most_valuable(searches, 2, disagreement=disagreement) == ["b", "c"]
    assert measured == ["a", "b", "c"]
    assert most_valuable({}, 2, disagreement=disagreement) == []
