"""The verdict in one sentence, and what would settle what is open."""

from __future__ import annotations

from dataclasses import replace

from evals.estimates import Estimate
from evals.evaluation import Evaluation
from evals.evaluation.headline import headline, in_order, steps
from evals.gate import Check, Decision, GateVerdict


def check(name: str, verdict: GateVerdict, **fields: object) -> Check:
    given: dict[str, object] = {
        "kind": "no_regression",
        "measure": "leaf_f1",
        "slice": "tier:head",
        "side": "at_least",
        "bound": -0.03,
        "reason": "",
    }
    return Check(name=name, verdict=verdict, **(given | fields))  # type: ignore[arg-type]


def zero(verdict: GateVerdict, figure: float | None) -> Check:
    return check(
        "unknown_categories", verdict, kind="zero", measure="unknown_categories", slice=None, bound=0, figure=figure
    )


def decided(verdict: GateVerdict, *checks: Check) -> Decision:
    return Decision(verdict=verdict, checks=checks, look=1, alpha=0.025, alpha_spent=0.025, digest="d", remarks=())


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, queries=81)


def test_a_failure_names_what_is_broken_once_of_a_kind() -> None:
    fell = check("one", "FAIL", gain=estimate(-0.2114, -0.323, -0.105))
    decision = decided("FAIL", zero("FAIL", 3.0), fell, check("two", "FAIL", gain=fell.gain), check("three", "PASS"))
    assert headline(decision).sentence == (
        "FAIL: do not ship it, because its answers hold 3 category ids outside the taxonomy, and because F1 of head "
        "queries is 0.211 lower than in the base release (95% interval −0.323 to −0.105), and at most 0.03 lower is "
        "allowed; 1 more check fails."
    )


def test_other_kinds_of_failure_are_told_in_words() -> None:
    low = check("a", "FAIL", kind="absolute", slice="all", bound=0.55, value=estimate(0.43, 0.4, 0.46))
    slow = check("p", "FAIL", kind="service", measure="student_p99_ms", slice=None, side="at_most", bound=20, figure=31)
    unscored = check(
        "judge of relevance unscored",
        "FAIL",
        kind="judge",
        measure="unscored",
        slice=None,
        side="at_most",
        bound=0.05,
        figure=0.0725,
    )
    assert headline(decided("FAIL", low)).why.startswith(
        ", because F1 of all queries is 0.430 (95% interval 0.400 to 0.460), and at least 0.55 is asked"
    )
    assert "in ms is 31, and at most 20 is asked" in headline(decided("FAIL", slow)).why
    assert "the relevance judge are 7.2%, and at most 5% is asked" in headline(decided("FAIL", unscored)).why


def test_a_pass_says_what_holds_and_whether_quality_was_asked_for() -> None:
    assert headline(decided("PASS", zero("PASS", 0.0))).sentence == (
        "PASS: ship it, its one check holds, though none of them asks how good the answers are."
    )
    held = check("one", "PASS", gain=estimate(0.0001, -0.01, 0.012))
    assert headline(decided("PASS", zero("PASS", 0.0), held)).sentence == (
        "PASS: ship it, both its checks hold; F1 of head queries is as in the base release (95% interval −0.010 to "
        "+0.012)."
    )


def test_a_bound_without_a_base_is_not_told_to_hold() -> None:
    quality = check("f1", "PASS", kind="absolute", bound=0.55, value=estimate(0.8, 0.7, 0.9))
    alone = [check("one", "PASS"), check("two", "PASS")]
    assert headline(decided("PASS", zero("PASS", 0.0), quality, *alone)).sentence == (
        "PASS: ship it, 2 checks hold; 2 had nothing to compare with."
    )
    assert headline(decided("PASS", zero("PASS", 0.0), *alone)).why == (
        ", 1 check holds, though none of them asks how good the answers are; 2 had nothing to compare with"
    )


def test_what_would_settle_comes_with_numbers_most_labels_first() -> None:
    decision = decided(
        "INCONCLUSIVE",
        zero("INCONCLUSIVE", None),
        check("a", "INCONCLUSIVE", needed=961, slice="all"),
        check("b", "INCONCLUSIVE", needed=16),
        check("c", "INCONCLUSIVE", needed=12),  # of the same slice: the larger number counts
        check("p", "INCONCLUSIVE", kind="service", measure="student_p99_ms", slice=None),
        check("judge of category quadratic kappa", "INCONCLUSIVE", kind="judge", slice=None),
        check("near", "INCONCLUSIVE", slice="tier:tail", p_holds=0.4, gain=estimate(-0.03, -0.05, -0.01)),
        check("fine", "PASS"),
    )
    assert steps(decision) == (
        "label about 970 more queries",
        "label about 16 more head queries",
        "count the category ids outside the taxonomy",
        "measure the service: Slowest 1% of the student's answers, in ms",
        "ask the category judge, and have people rate some of the same items",
        "F1 of tail queries, against the base release lies too near its bound (−0.030 [−0.050, −0.010]) for labels to "
        "settle: better answers would",
    )
    assert headline(decision).sentence == (
        "INCONCLUSIVE: do not ship it yet, for 7 of 8 checks are not settled: label about 970 more queries (and 5 more "
        "steps), then evaluate again."
    )


def test_a_number_that_nobody_labels_says_so() -> None:
    [step] = steps(decided("INCONCLUSIVE", check("a", "INCONCLUSIVE", needed=26720)))
    assert step == (
        "label about 27,000 more head queries, or rather make the answers better: so many say that they lie at the "
        "bound"
    )


def test_failed_checks_come_first_then_open_ones_each_in_the_order_of_the_gates() -> None:
    names = [("a", "PASS"), ("b", "INCONCLUSIVE"), ("c", "FAIL"), ("d", "PASS"), ("e", "FAIL")]
    decision = decided("FAIL", *(check(name, verdict) for name, verdict in names))  # type: ignore[arg-type]
    assert [one.name for one in in_order(decision)] == ["c", "e", "b", "a", "d"]


def test_real_decisions_have_their_sentences(passed: Evaluation, failed: Evaluation, unsettled: Evaluation) -> None:
    # The base is right on 32 of 40 queries that ask and get one category: F1 0.8 against 1.
    assert headline(passed.decision).sentence.startswith(
        "PASS: ship it, all 6 checks hold; F1 of all queries is 0.200 higher than in the base release (95% interval +"
    )
    # Right on 10 of 40, and of the head's 20: F1 0.25 against 0.8, and 0.5.
    assert headline(failed.decision).sentence.startswith(
        "FAIL: do not ship it, because F1 of all queries is 0.550 lower than in the base release"
    )
    assert headline(unsettled.decision).sentence.startswith("INCONCLUSIVE: do not ship it yet, for 3 of 8 checks")
    assert headline(replace(unsettled.decision, verdict="PASS")).verdict == "PASS"
