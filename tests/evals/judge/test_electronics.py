"""The people who judged the electronics shop beside the checkout, and what a judge like one of them would save."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from domain.judgements import read_judgements
from evals.judge import agree, by_rater, people_agreement, ratings_of, reference, saving_curve

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT.parent / "shared" / "data" / "electronics" / "judgements.csv"

pytestmark = [
    pytest.mark.skipif(not FILE.is_file(), reason="the electronics shop is not beside the checkout"),
    pytest.mark.usefixtures("judge_extra"),
]


class Everything:
    def __contains__(self, product_id: object) -> bool:
        return True


@pytest.fixture(scope="module")
def rated():
    return ratings_of(read_judgements(FILE, Everything()))


def test_people_agree_as_far_as_is_said_of_them(rated) -> None:
    found = people_agreement(rated, task="relevance")
    assert (found.raters, found.items, found.queries) == (3, 2114, 80)
    pairwise = found.pairwise.quadratic.estimate
    # Said of a sample of 240 pairs: 0.67 to 0.76 among the raters.
    assert 0.67 < pairwise.value < 0.76
    assert (pairwise.value, found.pairwise.plain.estimate.value) == pytest.approx((0.740, 0.609), abs=0.001)
    assert found.held_out.quadratic.estimate.value == pytest.approx(0.747, abs=0.001)
    assert found.alpha.estimate.value == pytest.approx(0.735, abs=0.001)
    # Whole queries are drawn: the interval is that of 80 queries, not of 2,114 items.
    assert 0.1 < pairwise.high - pairwise.low < 0.2


def test_pairs_of_people(rated) -> None:
    people = by_rater(rated, "relevance")
    kappas = [
        agree(people[a], people[b], task="relevance", draws=20).quadratic_kappa.estimate.value
        for a, b in combinations(people, 2)
    ]
    assert sorted(kappas) == pytest.approx([0.704, 0.740, 0.776], abs=0.001)


def test_a_judge_as_good_as_a_person_saves_labels(rated) -> None:
    judge = by_rater(rated, "relevance")["agent_3"]
    others = reference([rating for rating in rated if rating.rater != "agent_3"], "relevance")
    curve = saving_curve(judge, others, sizes=(10, 20, 40), repeats=200)
    assert (curve.population, curve.judged) == (80, 80)
    for point in curve.points:
        # 200 samples: one standard error of a coverage of 95% is 0.0154.
        assert point.coverage > 0.95 - 3 * 0.0154
        assert point.saved_labels > 0.4 * point.labels
        assert point.width < point.people_width
