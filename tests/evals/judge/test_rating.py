from __future__ import annotations

import pytest

from domain.judgements import Judgement
from evals import Case
from evals.judge import Rating, category_ratings, human_categories, ratings_of


def case(categories, acceptable=(), query="1% milk", rater=None) -> Case:
    return Case(query=query, normalized=query, categories=categories, acceptable=acceptable, rater=rater)


@pytest.mark.parametrize(
    ("labelled", "subject", "grade"),
    [
        (case(("c1", "c2")), "c2", 1),
        (case(("c1",), ("c9",)), "c9", 1),
        (case(("c1",)), "c3", 0),
        (case(()), "c1", 0),  # the right answer is to abstain
        (case((), ("c1",)), "c1", 1),
        (case(None), "c1", None),
        (case(("c1",), query="milk"), "c1", None),
    ],
)
def test_gold_says_yes_no_or_nothing_of_a_category(item, labelled, subject, grade) -> None:
    assert human_categories(labelled, item("1% milk", subject, "category")) == grade


def test_gold_says_nothing_of_other_tasks(item) -> None:
    assert human_categories(case(("c1",)), item("1% milk", "c1", "relevance")) is None


def test_every_rater_of_a_query_rates_its_items_once(item) -> None:
    yes, no = item("1% milk", "c1", "category"), item("1% milk", "c2", "category")
    unknown = item("bread", "c1", "category")
    cases = [case(("c1",)), case(("c1", "c2"), rater="second"), case(None, query="bread")]
    assert category_ratings(cases, [yes, no, yes, unknown]) == (
        Rating(item=yes, grade=1, rater=""),
        Rating(item=yes, grade=1, rater="second"),
        Rating(item=no, grade=0, rater=""),
        Rating(item=no, grade=1, rater="second"),
    )


def test_judgements_are_ratings_of_relevance(item) -> None:
    judgement = Judgement(query="1% milk", product_id="p1", rating=3, rater="ann")
    assert ratings_of([judgement]) == (Rating(item=item("1% milk", "p1"), grade=3, rater="ann"),)
