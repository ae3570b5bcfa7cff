from __future__ import annotations

import pytest

from evals.judge import Tally, judge_agreement, may_gate

pytestmark = pytest.mark.usefixtures("judge_extra")


@pytest.fixture(scope="module")
def measured(verdicts, ratings, own_queries):
    people = [0, 1, 2, 3] * 10
    judge = [0, 1, 2, 3] * 9 + [1, 1, 2, 2]
    return judge_agreement(verdicts(own_queries(judge)), ratings(a=own_queries(people), b=own_queries(people)))


def test_the_lower_end_of_the_interval_decides(measured) -> None:
    found = measured.with_people.quadratic_kappa.estimate
    assert found.low < found.value
    assert may_gate(measured, minimum=found.low).passes
    gate = may_gate(measured, minimum=(found.low + found.value) / 2)
    assert [o.reason for o in gate.objections] == ["low_agreement"]
    assert not gate.passes and not gate.run_failed


def test_plain_kappa_is_the_stricter_one(measured) -> None:
    quadratic = measured.with_people.quadratic_kappa.estimate.low
    assert may_gate(measured, minimum=quadratic).passes
    assert not may_gate(measured, minimum=quadratic, kappa="plain").passes


def test_few_queries_are_not_trusted(measured) -> None:
    assert [o.reason for o in may_gate(measured, minimum=0, least_queries=41).objections] == ["few_queries"]
    assert may_gate(measured, minimum=0, least_queries=40).passes


def test_too_many_unscored_fail_the_run(measured) -> None:
    assert may_gate(measured, minimum=0, unscored=Tally(scored=95, unscored={"refused": 5})).passes
    gate = may_gate(measured, minimum=0, unscored=Tally(scored=94, unscored={"refused": 4, "unparseable": 2}))
    assert gate.run_failed
    assert [o.reason for o in gate.objections] == ["too_many_unscored"]
    assert gate.objections[0].detail == "6.0% of 100 items are unscored (refused 4, unparseable 2), over 5.0%"


def test_nothing_scored_fails_the_run(measured) -> None:
    gate = may_gate(measured, minimum=0, unscored=Tally(scored=0, unscored={}))
    assert gate.run_failed and [o.reason for o in gate.objections] == ["nothing_scored"]


def test_a_judge_whom_nobody_checked_may_not_gate(verdicts, own_queries) -> None:
    unchecked = judge_agreement(verdicts(own_queries([1, 2])), [])
    gate = may_gate(unchecked, minimum=-1, unscored=Tally(scored=2, unscored={}))
    assert [o.reason for o in gate.objections] == ["no_agreement"]


def test_a_judge_with_one_grade_may_not_gate(verdicts, ratings, own_queries) -> None:
    people = own_queries([0, 1] * 20)
    lazy = judge_agreement(verdicts(own_queries([1] * 40)), ratings(a=people))
    assert [o.reason for o in may_gate(lazy, minimum=-1).objections] == ["no_agreement"]
