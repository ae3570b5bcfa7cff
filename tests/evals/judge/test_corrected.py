from __future__ import annotations

import numpy as np
import pytest

from domain.errors import UserError
from domain.verdict import Item
from evals.judge import corrected_mean
from evals.judge.corrected import QueryMeans, corrected, naive_mean, query_means, student

pytestmark = pytest.mark.usefixtures("judge_extra")


def test_means_of_queries_by_hand(item) -> None:
    # a: people 3 and 1, judge 2 and 2. b: people rate the first of two, 2 where the judge says 1; the judge's mean is
    # (1 + 3) / 2, so people's is put at 2 + 1 = 3. c: nobody rated it.
    judge = {item("a", "1"): 2, item("a", "2"): 2, item("b", "1"): 1, item("b", "2"): 3, item("c", "1"): 0}
    people = {item("a", "1"): 3, item("a", "2"): 1, item("b", "1"): 2, item("b", "9"): 0}
    found = query_means(judge, people)
    assert found.people.tolist() == [2, 2]
    assert found.estimated.tolist() == [2, 3]
    assert found.judge.tolist() == [2, 2]
    assert found.unlabelled.tolist() == [0]
    assert found.labels == 3


def test_the_value_is_that_of_ppi_plus_plus() -> None:
    # Angelopoulos, Duchi, Zrnic (2023), section on power tuning: the weight of the judge for a mean is
    # cov(Y, f) / ((1 + n / N) var(f)), here with the library's divisors, n for the first and n + N - 1 for the second.
    rng = np.random.default_rng(3)
    people = rng.uniform(0, 3, size=20)
    judge, rest = people + rng.normal(0.5, 0.3, size=20), rng.uniform(0, 3, size=60) + rng.normal(0.5, 0.3, size=60)
    weight = np.cov(people, judge, ddof=0)[0, 1] / ((1 + 20 / 60) * np.var(np.append(judge, rest), ddof=1))
    found = corrected(QueryMeans(people=people, estimated=people, judge=judge, unlabelled=rest, labels=20))
    assert 0.5 < weight < 1
    assert found.value == pytest.approx(weight * rest.mean() + (people - weight * judge).mean())
    # The interval is Student's with 18 degrees, t = 2.1009, the variance of the labelled part divided by n - 2; that of
    # the rest, divided by N, is stretched along.
    variance = weight**2 * np.var(rest) / 60 * 20 / 18 + np.var(people - weight * judge, ddof=2) / 20
    assert (found.high - found.low) / 2 == pytest.approx(2.1009 * np.sqrt(variance), rel=1e-4)
    assert found.queries == 80


def test_a_judge_that_is_always_right_is_worth_labels(item) -> None:
    rng = np.random.default_rng(5)
    judge = {item(f"q{q:02d}", str(s)): int(g) for q in range(80) for s, g in enumerate(rng.integers(4, size=3))}
    people = {i: g for i, g in judge.items() if i.query < "q20"}
    found = corrected_mean(judge, people, task="relevance")
    assert found.labels == 60
    # The weight is at most 1 / (1 + 20/60) or so: a quarter of the variance is left, and four times the queries.
    assert found.effective_queries == pytest.approx(80, rel=0.25)
    assert found.saved_queries == pytest.approx(found.effective_queries - 20)
    assert found.saved_labels == pytest.approx(3 * found.saved_queries)


def test_a_judge_that_says_one_thing_saves_nothing_and_harms_nothing(own_queries) -> None:
    judge = own_queries([1] * 50)
    people = dict(list(own_queries([0, 3] * 25).items())[:20])
    found = corrected_mean(judge, people, task="relevance")
    assert (found.corrected.value, found.corrected.low, found.corrected.high) == (
        found.people.value,
        found.people.low,
        found.people.high,
    )
    assert (found.saved_queries, found.saved_labels) == (0, 0)
    assert found.naive.value == 1


def test_with_every_query_labelled_people_decide(own_queries) -> None:
    found = corrected_mean(own_queries([1, 2, 2, 3, 0]), own_queries([0, 2, 3, 3, 0]), task="relevance")
    assert found.corrected == found.people
    # Mean 1.6; variance (2.56 + 0.16 + 1.96 + 1.96 + 2.56) / 4 = 2.3; t of 4 degrees 2.7764: 2.7764 * sqrt(2.3 / 5).
    assert found.people.value == pytest.approx(1.6)
    assert found.people.low == 0  # 1.6 - 1.883, cut to the scale
    assert found.people.high == 3
    assert student(np.array([0.0, 2, 3, 3, 0])).high == pytest.approx(1.6 + 1.8830, abs=1e-4)


def test_an_interval_without_width_says_nothing_of_labels_saved(own_queries) -> None:
    people = dict(list(own_queries([2] * 10).items())[:5])
    alike = corrected_mean(own_queries([2] * 10), people, task="relevance")
    assert (alike.corrected.low, alike.corrected.high, alike.saved_labels) == (2, 2, 0)


def test_one_judged_query_says_nothing_but_its_scale(own_queries) -> None:
    found = naive_mean(own_queries([2]), task="relevance")
    assert (found.value, found.low, found.high) == (2, 0, 3)


def test_too_little_is_refused(own_queries, item) -> None:
    for judge, people in (
        ({}, {}),
        (own_queries([1, 2]), {}),
        (own_queries([1, 2, 3, 0]), own_queries([1, 2, 3, 0])),
        (own_queries([1, 2]), {item("elsewhere"): 1, item("nowhere"): 2}),
    ):
        with pytest.raises(UserError, match="takes 5 or more"):
            corrected_mean(judge, people, task="relevance")
    with pytest.raises(UserError, match="scored no item"):
        naive_mean({}, task="relevance")


def test_the_interval_covers_what_people_would_say_though_items_of_a_query_are_alike() -> None:
    # 80 queries of six items; a query is good or bad as a whole, and the judge is half a grade too kind. People label
    # 20 queries at random. Of 400 samples 95% are to cover: one standard error is sqrt(0.95 * 0.05 / 400) = 0.011,
    # and three are allowed. Items taken for independent, or the judge for right, cover far less.
    rng = np.random.default_rng(8)
    items = [[Item(task="relevance", query=f"q{q:02d}", subject=str(s)) for s in range(6)] for q in range(80)]
    chances = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])
    truth = 1.5  # (0.6 + 2.4) / 2
    covered = {"corrected": 0, "people": 0, "naive": 0, "items": 0}
    for _ in range(400):
        kind = rng.integers(2, size=80)
        grades = (rng.random((80, 6))[:, :, np.newaxis] > np.cumsum(chances, axis=1)[kind][:, np.newaxis, :]).sum(-1)
        said = np.minimum(grades + (rng.random((80, 6)) < 0.7), 3)
        judge = {i: int(g) for row, line in zip(items, said, strict=True) for i, g in zip(row, line, strict=True)}
        people = {
            i: int(g) for row, line in zip(items[:20], grades[:20], strict=True) for i, g in zip(row, line, strict=True)
        }
        found = corrected_mean(judge, people, task="relevance")
        flat = corrected(
            QueryMeans(
                people=grades[:20].ravel().astype(float),
                estimated=grades[:20].ravel().astype(float),
                judge=said[:20].ravel().astype(float),
                unlabelled=said[20:].ravel().astype(float),
                labels=120,
            )
        )
        for name, e in (("corrected", found.corrected), ("people", found.people), ("naive", found.naive)):
            covered[name] += e.low <= truth <= e.high
        covered["items"] += flat.low <= truth <= flat.high
    assert 0.917 <= covered["corrected"] / 400 <= 0.983
    assert 0.917 <= covered["people"] / 400 <= 0.983
    assert covered["items"] / 400 < 0.8
    assert covered["naive"] / 400 < 0.3


def test_few_labelled_queries_are_covered_too() -> None:
    # With 10 labelled queries ppi-python's own interval covers about 89%.
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(600):
        people = rng.beta(0.6, 0.6, size=80) * 3
        judge = np.clip(0.8 * people + 0.4 + 0.3 * rng.standard_normal(80), 0, 3)
        found = corrected(
            QueryMeans(people=people[:10], estimated=people[:10], judge=judge[:10], unlabelled=judge[10:], labels=10)
        )
        held += found.low <= 1.5 <= found.high
    assert held / 600 >= 0.95 - 3 * 0.0089
