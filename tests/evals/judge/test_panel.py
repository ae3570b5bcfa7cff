from __future__ import annotations

import numpy as np
import pytest

from domain.errors import UserError
from domain.verdict import Unscored, Verdict
from evals.judge import panel

pytestmark = pytest.mark.usefixtures("judge_extra")


def grades_of(found):
    return {v.item: v.grade if isinstance(v, Verdict) else None for v in found.verdicts}


def test_the_majority_decides_and_a_tie_goes_to_the_lower_grade(verdicts, own_queries) -> None:
    members = [
        verdicts(own_queries([2, 3, 0, 1]), judge="a"),
        verdicts(own_queries([3, 1, 2, 1]), judge="b"),
        verdicts(own_queries([2, 2, 2, 1]), judge="c"),
    ]
    # 2 3 2 -> 2; 3 1 2 -> 1; 0 2 2 -> 2; 1 1 1 -> 1
    found = panel(members, task="relevance", method="majority", usd=0.25)
    assert grades_of(found) == own_queries([2, 1, 2, 1])
    assert (found.members, found.unanimous, found.usd) == (("a", "b", "c"), 0.25, 0.25)
    assert {v.judge for v in found.verdicts} == {"panel, majority of a; b; c"}
    assert found.verdicts[0].reason == "2 x grade 2, 1 x grade 3"


def test_who_did_not_score_has_no_voice(verdicts, item) -> None:
    members = [
        verdicts({item("q0"): None, item("q1"): 3, item("q2"): None}, judge="a"),
        verdicts({item("q0"): 2, item("q1"): 1, item("q2"): None}, judge="b"),
    ]
    found = panel(members, task="relevance", method="majority")
    assert grades_of(found) == {item("q0"): 2, item("q1"): 1, item("q2"): None}
    assert isinstance(found.verdicts[-1], Unscored) and found.verdicts[-1].kind == "refused"
    assert found.unanimous == 0  # of the one item with two grades


def crowd(item, seed: int):
    """Return the truth of 100 items, and what two careful judges and three that toss a coin say of them."""
    rng = np.random.default_rng(seed)
    truth = {item(f"q{q:03d}", task="category"): int(rng.integers(2)) for q in range(100)}
    said = {name: {i: g if rng.random() < 0.95 else 1 - g for i, g in truth.items()} for name in ("careful", "sound")}
    return truth, said | {name: {i: int(rng.integers(2)) for i in truth} for name in ("coin", "toss", "dice")}


def test_dawid_skene_finds_out_whom_to_trust(verdicts, ratings, item) -> None:
    truth, said = crowd(item, seed=1)
    members = [verdicts(grades, judge=name) for name, grades in said.items()]
    right = {
        method: panel(members, task="category", method=method)
        .agreement(ratings(person=truth), draws=10)
        .with_people.exact.estimate.value
        for method in ("majority", "dawid_skene")
    }
    # Three coins outvote two careful judges in an eighth of the cases.
    assert right["dawid_skene"] > 0.92 > right["majority"]


def test_dawid_skene_says_the_same_whatever_the_order_of_the_verdicts(verdicts, item) -> None:
    _, said = crowd(item, seed=4)
    once = panel([verdicts(g, judge=n) for n, g in said.items()], task="category", method="dawid_skene")
    turned = [verdicts(dict(reversed(g.items())), judge=n) for n, g in said.items()]
    assert panel(turned, task="category", method="dawid_skene") == once


def test_dawid_skene_of_one_grade_is_that_grade(verdicts, own_queries) -> None:
    members = [verdicts(own_queries([3, 3]), judge=name) for name in "ab"]
    assert grades_of(panel(members, task="relevance", method="dawid_skene")) == own_queries([3, 3])


@pytest.mark.parametrize("method", ["majority", "dawid_skene"])
def test_a_panel_that_scored_nothing_is_unscored(verdicts, item, method) -> None:
    members = [verdicts({item("q"): None}, judge=name) for name in "ab"]
    found = panel(members, task="relevance", method=method)
    assert grades_of(found) == {item("q"): None}
    assert found.unanimous is None


def test_people_on_the_panel_are_not_asked_what_it_is_worth(verdicts, ratings, own_queries) -> None:
    ann, ben = own_queries([0, 1, 3]), own_queries([0, 2, 3])
    found = panel([verdicts(own_queries([1, 1, 3]))], people={"ann": ann}, task="relevance", method="majority")
    assert found.members == ("ann", "judge")
    measured = found.agreement(ratings(ann=ann, ben=ben), draws=10)
    assert [line.rater for line in measured.ceiling.lines] == ["ben"]
    # The lower of ann and judge, 0 1 3, against ben's 0 2 3.
    assert measured.with_people.exact.estimate.value == pytest.approx(2 / 3)


def test_no_panel_of_one_nor_of_the_same_nor_of_several_tasks(verdicts, own_queries) -> None:
    one = verdicts(own_queries([1, 2]))
    for members, method, what in (
        ([one], "majority", "two members"),
        ([], "majority", "two members"),
        ([one, one], "majority", "twice"),
        ([one, verdicts(own_queries([1], "category"), judge="b")], "majority", "judged category"),
        ([one, []], "majority", "no verdict"),
        ([one, verdicts(own_queries([1]), judge="b")], "median", "no panel method"),
    ):
        with pytest.raises(UserError, match=what):
            panel(members, task="relevance", method=method)
