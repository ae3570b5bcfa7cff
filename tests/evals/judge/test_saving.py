from __future__ import annotations

import numpy as np
import pytest

from domain.errors import UserError
from evals.judge import saving_curve

pytestmark = pytest.mark.usefixtures("judge_extra")


@pytest.fixture
def people(item):
    rng = np.random.default_rng(1)
    chances = rng.uniform(0, 3, size=60)
    return {
        item(f"q{q:02d}", str(s)): int(np.clip(round(rng.normal(chances[q], 0.5)), 0, 3))
        for q in range(60)
        for s in range(4)
    }


def test_a_good_judge_saves_labels_and_a_coin_none(people) -> None:
    rng = np.random.default_rng(2)
    good = {i: min(g + int(rng.random() < 0.3), 3) for i, g in people.items()}
    coin = {i: int(rng.integers(4)) for i in people}
    saved = {}
    for name, judge in (("good", good), ("coin", coin)):
        curve = saving_curve(judge, people, sizes=(10, 30), repeats=150)
        assert (curve.population, curve.judged) == (60, 60)
        assert curve.mean == pytest.approx(sum(people.values()) / 240)
        assert [(p.queries, p.labels) for p in curve.points] == [(10, 40), (30, 120)]
        assert curve.points[0].width > curve.points[1].width
        # 150 samples: one standard error of a coverage of 95% is 0.018.
        assert all(p.coverage > 0.95 - 3 * 0.018 and p.people_coverage > 0.95 - 3 * 0.018 for p in curve.points)
        saved[name] = [p.saved_labels / p.labels for p in curve.points]
    # Even a judge that is always right makes n of 60 labelled queries worth 60 at most: 5 and 1 times as many saved.
    assert 1.5 < saved["good"][0] < 5 and 0.5 < saved["good"][1] < 1
    assert all(-0.35 < share < 0.1 for share in saved["coin"])


def test_more_judged_queries_save_more(people) -> None:
    few, many = (saving_curve(people, people, sizes=[20], judged=n, repeats=50).points[0] for n in (40, 400))
    assert many.saved_labels > 2 * few.saved_labels


def test_the_same_seed_gives_the_same_curve(people) -> None:
    once, again = (saving_curve(people, people, sizes=[5], repeats=20, seed=7) for _ in range(2))
    assert once == again
    assert saving_curve(people, people, sizes=[5], repeats=20, seed=8) != once


def test_items_that_only_one_of_the_two_graded_are_left_out(people, item) -> None:
    more = people | {item("q00", "further"): 3, item("unrated"): 3}
    assert saving_curve(more, people, sizes=[5], repeats=5) == saving_curve(people, people, sizes=[5], repeats=5)


def test_grades_all_alike_have_no_width(own_queries) -> None:
    grades = own_queries([2] * 10)
    point = saving_curve(grades, grades, sizes=[5], repeats=3).points[0]
    assert (point.width, point.saved_labels, point.coverage) == (0, None, 1)


@pytest.mark.parametrize("sizes", [(), (4,), (5, 61)])
def test_sizes_out_of_range_are_refused(people, sizes) -> None:
    with pytest.raises(UserError, match="from 5 to the 60 queries"):
        saving_curve(people, people, sizes=sizes)


def test_one_query_is_no_population(own_queries) -> None:
    with pytest.raises(UserError, match="fewer than two"):
        saving_curve(own_queries([1]), own_queries([1]), sizes=[5])
