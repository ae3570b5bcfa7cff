from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate_honesty import CLEAN, Shop, answer
from domain.errors import QuerywiseError, UserError
from domain.understanding import Understanding
from evals.estimates import Estimate
from evals.gate import (
    ZEROS,
    Absolute,
    Check,
    Decision,
    Evidence,
    Found,
    Gates,
    JudgeBound,
    JudgeFigures,
    NoRegression,
    ServiceBound,
    decide,
    digest_of,
    read_decision,
    write_decision,
)

ONE = (1,)
SHOP = Shop.make(per_slice=30, sizes=ONE)
KAPPA = Estimate(value=0.7, low=0.61, high=0.78, queries=240)


def at_least(bound: float, part: str = "all", measure: str = "leaf_precision") -> Absolute:
    return Absolute(measure=measure, slice=part, side="at_least", bound=bound)


def at_most(bound: float, measure: str) -> Absolute:
    return Absolute(measure=measure, slice="all", side="at_most", bound=bound)


def no_regression(margin: float, part: str = "all", measure: str = "leaf_f1") -> NoRegression:
    return NoRegression(measure=measure, slice=part, margin=margin)


def right(of: int, wrong: int = 0) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.arange(of) >= wrong


def only_check(decision: Decision) -> Check:
    (check,) = [check for check in decision.checks if check.kind != "zero"]
    return check


def judged(shop: Shop, wrong: int, gate: Absolute, look: int = 1) -> Check:
    return only_check(decide(Gates(absolute=(gate,)), shop.evidence(right(len(shop.cases), wrong), None), look=look))


def test_a_shown_bound_passes_by_hand() -> None:
    # 30 of 30: p is 0.85^30 = 0.00763, below the 0.025 of the first look; the interval begins at 0.025^(1/30) = 0.884.
    check = judged(SHOP, 0, at_least(0.85))
    assert check.verdict == "PASS"
    assert check.p_violated == pytest.approx(0.85**30, rel=1e-8)
    assert check.value is not None and check.value.low == pytest.approx(0.025 ** (1 / 30), abs=1e-6)
    assert (check.value.value, check.value.high, check.queries, check.needed) == (1.0, 1.0, 30, None)


def test_a_later_look_asks_for_more_by_hand() -> None:
    # The third look has 0.00625, below 0.00763. The fourth will have 0.003125: ln 0.003125 / ln 0.85 = 35.5 queries.
    check = judged(SHOP, 0, at_least(0.85), look=3)
    assert (check.verdict, check.needed) == ("INCONCLUSIVE", 6)
    assert "about 6 more" in check.reason


def test_a_broken_bound_fails() -> None:
    # 20 of 30 with a bound of 0.85: P(20 or fewer) = sum of C(30, k) 0.85^k 0.15^(30 - k) = 0.0097.
    check = judged(SHOP, 10, at_least(0.85))
    assert check.verdict == "FAIL"
    assert check.p_holds == pytest.approx(0.0097, abs=0.0001)
    assert check.p_holm == check.p_holds
    assert "0.667 [" in check.reason


def test_on_the_bound_no_number_of_labels_settles_it() -> None:
    check = judged(Shop.make(per_slice=40, sizes=ONE), 6, at_least(0.85))
    assert (check.verdict, check.needed) == ("INCONCLUSIVE", None)
    assert "no" not in check.reason.split(";")[0].split() and "too near the bound" in check.reason


def test_an_upper_bound_is_the_mirror_of_a_lower_one() -> None:
    lower = judged(SHOP, 3, at_least(0.8, measure="coverage"))
    none = [answer(case.query, []) if i < 3 else SHOP.right[i] for i, case in enumerate(SHOP.cases)]
    evidence = replace(SHOP.evidence(right(30), None), answers=none)
    upper = only_check(decide(Gates(absolute=(at_most(0.2, "abstention_rate"),)), evidence, look=1))
    same = only_check(decide(Gates(absolute=(at_least(0.8, measure="coverage"),)), evidence, look=1))
    assert upper.p_violated == pytest.approx(same.p_violated, rel=1e-9)
    assert upper.p_holds == pytest.approx(same.p_holds, rel=1e-9)
    assert upper.power_3_points == pytest.approx(same.power_3_points, rel=1e-6)
    assert upper.value is not None and upper.value.value == pytest.approx(0.1)
    assert upper.value.high == pytest.approx(1 - same.value.low if same.value else None, abs=1e-5)
    assert lower.verdict == "PASS"


def test_few_queries_settle_nothing() -> None:
    check = judged(Shop.make(per_slice=19, sizes=ONE), 19, at_least(0.85))
    assert (check.verdict, check.needed, check.p_holds) == ("INCONCLUSIVE", 1, None)
    assert "19 queries" in check.reason and "20 are the least" in check.reason


def test_a_slice_without_labels_is_left_open() -> None:
    check = judged(SHOP, 0, at_least(0.85, "tier:tail"))
    assert (check.verdict, check.value, check.queries, check.needed) == ("INCONCLUSIVE", None, 0, 20)
    check = judged(SHOP, 0, at_least(0.85, measure="span_f1"))
    assert (check.verdict, check.value) == ("INCONCLUSIVE", None)
    empty = replace(SHOP.evidence(right(30), None), cases=(), answers=())
    assert decide(Gates(absolute=(at_least(0.85),)), empty, look=1).verdict == "INCONCLUSIVE"


def test_a_slice_that_no_query_could_be_in_is_a_mistake() -> None:
    for part in ("moon:full", "kind:s7"):
        with pytest.raises(UserError) as refused:
            judged(SHOP, 0, at_least(0.85, part))
        assert refused.value.hint


def pair(shop: Shop, candidate_wrong: int, base_wrong: int, *, look: int = 1, margin: float = 0.1) -> Check:
    evidence = shop.evidence(right(len(shop.cases), candidate_wrong), right(len(shop.cases), base_wrong))
    return only_check(decide(Gates(no_regression=(no_regression(margin),)), evidence, look=look))


def test_the_same_answers_pass_with_enough_queries_and_not_before_by_hand() -> None:
    # Had 2% been lost, none of n queries would show it with probability 0.98^n: 0.545 for 30, and 0.0125 at 216.9.
    check = pair(SHOP, 5, 5, margin=0.02)
    assert (check.verdict, check.needed) == ("INCONCLUSIVE", 187)
    assert check.p_violated == pytest.approx(0.98**30, rel=1e-6)
    assert check.gain == Estimate(value=0.0, low=check.gain.low, high=check.gain.high, queries=30) if check.gain else 0
    assert pair(Shop.make(per_slice=190, sizes=ONE), 40, 40, margin=0.02).verdict == "PASS"  # 0.98^190 = 0.0215
    # Where the heaviest query has 3 ids and the average one 1.6, a loss may hide in a 1.875th of the queries.
    check = pair(Shop.make(per_slice=190), 40, 40, margin=0.02)
    assert (check.verdict, check.p_violated) == ("INCONCLUSIVE", pytest.approx((1 - 0.02 / 1.875) ** 190, rel=1e-6))


def test_what_is_known_to_be_unchanged_passes_any_margin() -> None:
    shop = Shop.make(per_slice=10, slices=2)
    gates = Gates(no_regression=tuple(no_regression(0.001, part) for part in ("all", *shop.slices)))
    evidence = shop.evidence(right(20, 5), right(20, 5), unchanged={"all"})
    decision = decide(gates, evidence, look=9)
    assert decision.verdict == "PASS"
    gain = decision.checks[-1].gain
    assert gain is not None and (gain.value, gain.low, gain.high, gain.queries) == (0.0, 0.0, 0.0, 10)
    part = shop.evidence(right(20, 5), right(20, 5), unchanged={"kind:s1"})
    assert decide(gates, part, look=1).named("PASS")[-1] == "leaf_f1 of kind:s1 no regression"
    crossed = Gates(no_regression=(no_regression(0.001, "kind:s1,tier:unseen"),))
    assert decide(crossed, part, look=1).verdict == "PASS"
    with pytest.raises(QuerywiseError, match="kind:s1 is said to be unchanged"):
        decide(gates, shop.evidence(right(20, 5), right(20, 3), unchanged={"kind:s1"}), look=1)
    with pytest.raises(QuerywiseError, match="'query 00003' is answered anew"):
        decide(gates, shop.evidence(right(20, 5), right(20, 3), unchanged={"all"}), look=1)
    # The query that differs is in the other slice.
    other = shop.evidence(right(20, 5), right(20, 4), unchanged={"kind:s1"})
    assert decide(gates, other, look=1).named("PASS")[-1] == "leaf_f1 of kind:s1 no regression"


def test_a_loss_fails_and_a_gain_passes() -> None:
    shop = Shop.make(per_slice=100)
    assert pair(shop, 30, 0).verdict == "FAIL"
    assert pair(shop, 0, 30).verdict == "PASS"
    check = pair(shop, 30, 0)
    assert check.gain is not None and check.gain.value == pytest.approx(-0.3, abs=0.03)
    assert check.gain.high < -0.1


def test_rising_is_a_loss_where_lower_is_better() -> None:
    shop = Shop.make(per_slice=100, sizes=ONE)
    made_up = [replace(a, categories=tuple(replace(c, id="none") for c in a.categories)) for a in shop.right[:40]]
    evidence = replace(shop.evidence(right(100), right(100)), answers=[*made_up, *shop.right[40:]])
    gates = Gates(no_regression=(no_regression(0.1, measure="unknown_id_rate"),))
    check = only_check(decide(gates, evidence, look=1))
    assert (check.verdict, check.side, check.bound) == ("FAIL", "at_most", 0.1)
    assert check.gain is not None and check.gain.value == pytest.approx(0.4)
    other = only_check(decide(gates, replace(evidence, answers=evidence.base, base=evidence.answers), look=1))
    assert other.verdict == "PASS"


def test_without_a_release_that_is_served_nothing_can_be_worse() -> None:
    decision = decide(Gates(no_regression=(no_regression(0.02),)), SHOP.evidence(right(30, 9), None), look=1)
    assert (decision.verdict, only_check(decision).gain) == ("PASS", None)
    assert "nothing to compare with" in decision.remarks[0] or "anything to compare with" in decision.remarks[0]


def test_failures_are_corrected_for_the_number_of_bounds() -> None:
    # One of eight slices has 11 of 20: P(11 or fewer | 0.85) = 0.00102 fails alone and times 8; 12 of 20, 0.0059, fails
    # alone but not times 8.
    shop = Shop.make(per_slice=20, slices=8, sizes=ONE)
    gates = Gates(absolute=tuple(at_least(0.85, part) for part in shop.slices))
    for wrong, verdict in ((9, "FAIL"), (8, "INCONCLUSIVE")):
        first = np.arange(160) // 8
        candidate = (shop.part != 0) | (first >= wrong)
        decision = decide(gates, shop.evidence(candidate, None), look=1)
        check = next(check for check in decision.checks if check.slice == "kind:s0")
        assert check.verdict == decision.verdict == verdict
        assert check.p_holds is not None and check.p_holds < 0.025
        assert check.p_holm == pytest.approx(8 * check.p_holds)


def test_hard_zeros_have_no_statistics() -> None:
    found = {**CLEAN, "unknown_products": Found(count=1, examples=("milk: p9",))}
    decision = decide(Gates(), replace(SHOP.evidence(right(30), None), zeros=found), look=1)
    assert (decision.verdict, decision.named("FAIL")) == ("FAIL", ("unknown_products",))
    assert next(c.reason for c in decision.checks if c.verdict == "FAIL").endswith("such as milk: p9")
    clean = decide(Gates(), SHOP.evidence(right(30), None), look=1)
    assert (clean.verdict, len(clean.checks)) == ("PASS", len(ZEROS))
    assert clean.remarks == ("Only the hard zeros were asked for; nothing is said of how good the answers are.",)
    partly = replace(SHOP.evidence(right(30), None), zeros={})
    assert decide(Gates(), partly, look=1).verdict == "INCONCLUSIVE"


def test_a_zero_that_is_off_is_named_with_its_reason() -> None:
    found = {**CLEAN, "leaked_prompts": Found(count=1, examples=("a: b",))}
    gates = Gates(zeros_off={"leaked_prompts": "the catalogue quotes our prompt"})
    decision = decide(gates, replace(SHOP.evidence(right(30), None), zeros=found), look=1)
    assert decision.verdict == "PASS"
    assert decision.remarks[0] == "leaked_prompts was not asked for: the catalogue quotes our prompt."


@pytest.mark.parametrize(
    ("p99", "coverage", "verdicts"),
    [
        (9.9, 0.95, ["PASS", "PASS"]),
        (10.1, 0.94, ["FAIL", "FAIL"]),
        (None, 1.0, ["INCONCLUSIVE", "PASS"]),
        (float("nan"), None, ["INCONCLUSIVE", "INCONCLUSIVE"]),
    ],
)
def test_figures_of_the_service(p99: float | None, coverage: float | None, verdicts: list[str]) -> None:
    gates = Gates(service=(ServiceBound(name="student_p99_ms", bound=10.0), ServiceBound(name="coverage", bound=0.95)))
    evidence = SHOP.evidence(right(30), None, service={"student_p99_ms": p99, "coverage": coverage})
    checks = [check for check in decide(gates, evidence, look=1).checks if check.kind == "service"]
    assert [check.verdict for check in checks] == verdicts
    assert [check.figure is None for check in checks] == [verdict == "INCONCLUSIVE" for verdict in verdicts]


def judge(kappa: Estimate | None, unscored: float = 0.0, look: int = 1) -> list[str]:
    evidence = SHOP.evidence(
        right(30), None, judges={"relevance": JudgeFigures(quadratic_kappa=kappa, unscored=unscored)}
    )
    gates = Gates(judges=(JudgeBound(task="relevance", quadratic_kappa=0.6),))
    return [check.verdict for check in decide(gates, evidence, look=look).checks if check.kind == "judge"]


def test_a_judge_has_to_be_shown_to_agree() -> None:
    assert judge(KAPPA) == ["PASS", "PASS"]
    assert judge(KAPPA, look=3) == ["INCONCLUSIVE", "PASS"]  # the interval is too short for the third look
    assert judge(replace(KAPPA, low=0.59)) == ["INCONCLUSIVE", "PASS"]
    assert judge(Estimate(value=0.4, low=0.3, high=0.5, queries=240)) == ["FAIL", "PASS"]
    assert judge(replace(KAPPA, queries=19)) == ["INCONCLUSIVE", "PASS"]
    assert judge(KAPPA, unscored=0.06) == ["PASS", "FAIL"]
    assert judge(None, unscored=0.05) == ["INCONCLUSIVE", "PASS"]


def test_a_judge_that_was_not_asked() -> None:
    gates = Gates(judges=(JudgeBound(task="rewrite", quadratic_kappa=0.6),))
    assert decide(gates, SHOP.evidence(right(30), None), look=1).verdict == "INCONCLUSIVE"


def test_labels_that_would_settle_it_are_summed_up_by_slice() -> None:
    gates = Gates(no_regression=(no_regression(0.02), no_regression(0.02, measure="leaf_macro_f1")))
    remark = decide(gates, SHOP.evidence(right(30, 5), right(30, 5)), look=1).remarks[-1]
    assert remark == "Labels that settle each bound four times in five: 187 more of all."
    few = decide(Gates(absolute=(at_least(0.85, "tier:tail"),)), SHOP.evidence(right(30), None), look=1)
    assert few.remarks == ("Labels without which there is no test, at least: 20 more of tier:tail.",)


def test_nothing_is_drawn_and_the_order_of_cases_does_not_matter() -> None:
    shop = Shop.make(per_slice=60)
    gates = Gates(no_regression=(no_regression(0.05),), absolute=(at_least(0.7),))
    evidence = shop.evidence(right(60, 10), right(60, 7))
    assert evidence.base is not None
    turned = replace(
        evidence, cases=evidence.cases[::-1], answers=evidence.answers[::-1], base=list(evidence.base)[::-1]
    )
    first, second = decide(gates, evidence, look=2), decide(gates, turned, look=2)
    assert first.digest == second.digest
    assert [check.verdict for check in first.checks] == [check.verdict for check in second.checks]
    assert [check.p_holm for check in first.checks][:-2] == [check.p_holm for check in second.checks][:-2]
    assert decide(gates, evidence, look=2) == first


def test_the_digest_knows_new_evidence() -> None:
    gates = Gates(no_regression=(no_regression(0.05),))
    evidence = SHOP.evidence(right(30, 3), right(30))
    known = digest_of(gates, evidence)
    judged_so = {"relevance": JudgeFigures(quadratic_kappa=KAPPA, unscored=0.0)}
    others = [
        digest_of(Gates(no_regression=(no_regression(0.04),)), evidence),
        digest_of(gates, SHOP.evidence(right(30, 4), right(30))),
        digest_of(gates, SHOP.evidence(right(30, 3), right(30, 1))),
        digest_of(gates, SHOP.evidence(right(30, 3), None)),
        digest_of(gates, replace(evidence, cases=(replace(SHOP.cases[0], acceptable=("c9",)), *SHOP.cases[1:]))),
        digest_of(gates, replace(evidence, tiers={"query 00001": "tail"})),
        digest_of(gates, replace(evidence, judges=judged_so)),
        digest_of(gates, replace(evidence, unchanged={"tier:tail"})),
    ]
    assert len({known, *others}) == 9

    def rebuilt(answers: list[Understanding]) -> list[Understanding]:
        return [replace(a, release="another build") for a in answers]

    same = replace(evidence, answers=rebuilt(list(evidence.answers)), service={"student_p99_ms": 3.0}, zeros={})
    assert digest_of(gates, same) == known


def test_what_the_decision_spends() -> None:
    decision = decide(Gates(), SHOP.evidence(right(30), None), look=3)
    assert (decision.look, decision.alpha, decision.alpha_spent) == (3, 0.00625, pytest.approx(0.04375))
    with pytest.raises(ValueError, match="from 1"):
        decide(Gates(), SHOP.evidence(right(30), None), look=0)


def test_a_decision_survives_its_file(tmp_path: Path) -> None:
    gates = Gates(
        no_regression=(no_regression(0.05),),
        absolute=(at_least(0.7), at_least(0.7, "tier:tail")),
        service=(ServiceBound(name="coverage", bound=0.9),),
        judges=(JudgeBound(task="relevance", quadratic_kappa=0.6),),
    )
    judges = {"relevance": JudgeFigures(quadratic_kappa=KAPPA, unscored=0.01)}
    decision = decide(gates, SHOP.evidence(right(30, 4), right(30, 3), judges=judges), look=1)
    write_decision(tmp_path / "decision.json", decision)
    assert read_decision(tmp_path / "decision.json") == decision
    assert all("\n" not in check.name and len(check.name) <= 200 for check in decision.checks)
    assert len({check.name for check in decision.checks}) == len(decision.checks)


def test_answers_that_do_not_fit_the_cases_are_refused() -> None:
    good = SHOP.evidence(right(30), right(30))
    with pytest.raises(QuerywiseError, match="the candidate's answers"):
        replace(good, answers=good.answers[:-1])
    with pytest.raises(QuerywiseError, match="the base's answers"):
        replace(good, base=list(good.answers)[::-1])
    with pytest.raises(QuerywiseError, match="there twice"):
        Evidence(
            cases=SHOP.cases[:1] * 2,
            answers=SHOP.right[:1] * 2,
            base=None,
            taxonomy=good.taxonomy,
            tiers={},
            zeros=CLEAN,
        )
