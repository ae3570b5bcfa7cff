from __future__ import annotations

import pytest

from domain.errors import UserError
from evals.judge import judge_agreement, people_agreement, reference

pytestmark = pytest.mark.usefixtures("judge_extra")

# Four queries with one item each.
A, B, C = (0, 0, 1, 1), (0, 1, 1, 1), (0, 0, 1, 0)
JUDGE = (0, 0, 1, 0)


@pytest.fixture
def three(own_queries, ratings):
    return ratings(a=own_queries(A, "category"), b=own_queries(B, "category"), c=own_queries(C, "category"))


def test_the_reference_is_the_median_and_of_two_the_lower(own_queries, ratings, item) -> None:
    said = ratings(a=own_queries([3, 3, 1]), b=own_queries([1, 0]), c=own_queries([2]))
    # 3 1 2 -> 2; 3 0 -> 0; 1 -> 1
    assert reference(said, "relevance") == own_queries([2, 0, 1])
    four = ratings(a={item("q"): 0}, b={item("q"): 1}, c={item("q"): 2}, d={item("q"): 3})
    assert reference(four, "relevance") == {item("q"): 1}
    assert reference([], "relevance") == reference(said, "category") == {}


def test_people_among_themselves_by_hand(three) -> None:
    # Pairs. a and b: agree on 3/4; by chance (2*1 + 2*3) / 16 = 1/2; kappa 1/2. a and c: 3/4, chance 1/2: 1/2.
    # b and c: 2/4; by chance (1*3 + 3*1) / 16 = 3/8; (1/8) / (5/8) = 1/5. Mean 0.4.
    # Held out. a against the lower of b and c, 0 0 1 0: 3/4, chance 1/2: 1/2. b against that of a and c, 0 0 1 0:
    # 2/4, chance (3*1 + 1*3) / 16 = 3/8: 1/5. c against that of a and b, 0 0 1 1: 3/4, chance 1/2: 1/2. Mean 0.4.
    found = people_agreement(three, task="category")
    assert (found.raters, found.items, found.queries) == (3, 4, 4)
    for kappas in (found.pairwise, found.held_out):
        assert kappas.plain.estimate.value == pytest.approx(0.4)
        assert kappas.quadratic.estimate == kappas.plain.estimate  # two grades only


def test_judge_and_person_are_compared_on_equal_terms(three, verdicts, own_queries) -> None:
    # The judge, 0 0 1 0, against 0 0 1 0 (a held out): 1; the same for b; against 0 0 1 1 (c): 1/2. Mean 5/6.
    # Against the median of all three, 0 0 1 1: 1/2.
    found = judge_agreement(verdicts(own_queries(JUDGE, "category")), three)
    assert found.with_people.kappa.estimate.value == pytest.approx(0.5)
    lines = {x.rater: (x.items, x.person.estimate.value, x.judge.estimate.value) for x in found.ceiling.lines}
    assert lines == {
        "a": (4, pytest.approx(0.5), pytest.approx(1.0)),
        "b": (4, pytest.approx(0.2), pytest.approx(1.0)),
        "c": (4, pytest.approx(0.5), pytest.approx(0.5)),
    }
    assert found.ceiling.person.plain.estimate.value == pytest.approx(0.4)
    assert found.ceiling.judge.plain.estimate.value == pytest.approx(5 / 6)
    assert found.ceiling.gap.plain.estimate.value == pytest.approx(5 / 6 - 0.4)


def test_a_judge_that_copies_a_person_is_worth_that_person(three, verdicts, own_queries) -> None:
    found = judge_agreement(verdicts(own_queries(B, "category")), three)
    line = next(line for line in found.ceiling.lines if line.rater == "b")
    assert line.person == line.judge


def test_the_same_items_are_used_for_judge_and_person(three, verdicts, own_queries) -> None:
    grades = dict(list(own_queries(JUDGE, "category").items())[:3])
    found = judge_agreement(verdicts(grades), three)
    assert {line.items for line in found.ceiling.lines} == {3}
    assert found.people.items == found.with_people.items == 3
    assert found.rated == 4


def test_unscored_items_are_counted_and_left_out(three, verdicts, own_queries) -> None:
    grades = {**own_queries((0, 0, 1, 1), "category")}
    grades[list(grades)[2]] = None
    found = judge_agreement(verdicts(grades), three)
    # People say 1 of the third item: taken for a 0 it would leave 3/4.
    assert found.with_people.exact.estimate.value == 1
    assert found.tally.unscored == {"refused": 1}
    assert (found.tally.scored, found.tally.unscored_share) == (3, 0.25)


def test_one_rater_has_no_ceiling_but_an_agreement(verdicts, ratings, own_queries) -> None:
    found = judge_agreement(verdicts(own_queries(JUDGE, "category")), ratings(gold=own_queries(A, "category")))
    assert found.with_people.kappa.estimate.value == pytest.approx(0.5)
    assert found.people.raters == found.people.items == 0
    for kappas in (found.people.pairwise, found.people.held_out, found.ceiling.judge, found.ceiling.gap):
        assert kappas.plain.estimate is None and kappas.plain.undefined
    assert [line.items for line in found.ceiling.lines] == [0]


def test_a_judge_whom_nobody_checked_is_not_praised(verdicts, own_queries) -> None:
    found = judge_agreement(verdicts(own_queries([1, 2])), [])
    assert (found.rated, found.tally.items, found.with_people.items) == (0, 0, 0)
    assert found.with_people.quadratic_kappa.undefined == "no item has both grades"


def test_ratings_of_other_tasks_are_left_out(three, verdicts, ratings, own_queries) -> None:
    other = ratings(z=own_queries([3, 3, 3]))
    judged = verdicts(own_queries(JUDGE, "category"))
    assert judge_agreement(judged, three + other) == judge_agreement(judged, three)


def test_a_rater_with_one_grade_is_left_out_of_the_means(three, verdicts, ratings, own_queries) -> None:
    lazy = ratings(lazy=own_queries([1, 1, 1, 1], "category"))
    found = judge_agreement(verdicts(own_queries(JUDGE, "category")), three + lazy)
    line = next(line for line in found.ceiling.lines if line.rater == "lazy")
    assert line.person.undefined == "one of the two gives every item the grade 1"
    assert line.judge.estimate is not None


def test_mixed_verdicts_are_refused(three, verdicts, own_queries) -> None:
    one = verdicts(own_queries(JUDGE, "category"))
    for mixed, what in (
        ([], "no verdict"),
        (one + verdicts(own_queries(JUDGE)), "2 tasks"),
        (one + verdicts(own_queries(JUDGE, "category"), judge="other"), "2 judges"),
        (one + verdicts(own_queries(JUDGE, "category"), repeat="1"), "2 repeats"),
    ):
        with pytest.raises(UserError, match=what):
            judge_agreement(mixed, three)
