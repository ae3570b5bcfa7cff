from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.taxonomy import Taxonomy
from domain.understanding import Annotation, Rewrite, RewriteType, Understanding
from evals import MEASURES, Case
from evals.case import ExpectedRewrite
from evals.measures import statistics
from evals.spans import Place, Span

Answer = Callable[..., Understanding]
Rows = list[tuple[list[str], list[str], list[str]]]
Make = Callable[[Rows], tuple[list[Case], list[Understanding]]]
IDS = ["drinks", "soda", "cola", "ginger", "water", "food", "bread", "no such id"]


def values(cases: Sequence[Case], answers: Sequence[Understanding], tree: Taxonomy) -> dict[str, float]:
    found = statistics(cases, answers, tree)
    assert list(found) == list(MEASURES)
    return {name: float(statistic.under(np.ones((1, len(cases))))[0]) for name, statistic in found.items()}


def test_six_queries_by_hand(tree: Taxonomy, six_cases: tuple[Case, ...], six_answers: list[Understanding]) -> None:
    found = values(six_cases, six_answers, tree)
    # Right of given, found of asked: a 1/2, 1/1; b 0/1, 0/2; c abstains rightly: 1/1, 1/1; d 0/1, 0/1; e 0/0, 0/1;
    # f 1/1, 0/1.
    assert found["leaf_precision"] == pytest.approx(3 / 6)
    assert found["leaf_recall"] == pytest.approx(2 / 7)
    assert found["leaf_f1"] == pytest.approx(4 / 11)
    assert found["leaf_macro_precision"] == pytest.approx((0.5 + 0 + 1 + 0 + 1) / 5)
    assert found["leaf_macro_recall"] == pytest.approx(2 / 6)
    assert found["leaf_macro_f1"] == pytest.approx((2 / 3 + 1) / 6)
    # a: {soda, drinks} for {soda}; b: {soda} for {soda, drinks}; c; d: {food}, 0/1; e: 0/1; f: {soda} for {soda}.
    assert found["parent_precision"] == pytest.approx(4 / 6)
    assert found["parent_recall"] == pytest.approx(4 / 7)
    assert found["parent_f1"] == pytest.approx(8 / 13)
    # a: 3 of 4, 3 of 3; b: 2 of 3, 2 of 4; c: 1, 1; d: 0 of 2, 0 of 1; e: 0 of 2 found; f: 3 of 3 right, 2 of 3 found.
    assert found["hierarchical_precision"] == pytest.approx(9 / 13)
    assert found["hierarchical_recall"] == pytest.approx(8 / 14)
    assert found["hierarchical_f1"] == pytest.approx(72 / 115)
    assert found["top1_accuracy"] == pytest.approx(3 / 6)
    assert found["coverage"] == pytest.approx(4 / 6)
    assert found["unknown_id_rate"] == 0.0
    # c and e abstain, c and d should.
    assert found["abstention_rate"] == pytest.approx(2 / 6)
    assert found["abstention_precision"] == pytest.approx(1 / 2)
    assert found["abstention_recall"] == pytest.approx(1 / 2)
    # a: cola first, 1 / (1 + 0.5 / log2 3); b: neither of two; e: none; f: 0.5 / (1 + 0.5 / log2 3); c, d ask for none.
    best = 1 + 0.5 / np.log2(3)
    assert found["nDCG@3"] == pytest.approx((1 / best + 0 + 0 + 0.5 / best) / 4)
    # Every confidence is 0.5: a right and wrong, b wrong, d wrong, f right; |0.5 - 2 / 5|, and squares of 0.25.
    assert found["expected_calibration_error"] == pytest.approx(0.1)
    assert found["brier_score"] == pytest.approx(0.25)


def test_what_is_not_labelled_is_not_a_number(tree: Taxonomy, answer: Answer) -> None:
    found = values([Case(query="q", normalized="q", specificity="broad")], [answer("q", ["cola"])], tree)
    assert found["specificity_accuracy"] == 0.0
    assert found["unknown_id_rate"] == 0.0
    judged = {name for name, value in found.items() if not np.isnan(value)}
    assert judged == {"specificity_accuracy", "unknown_id_rate", "fallback_rate"}


def test_unknown_ids_are_counted_once_a_query(tree: Taxonomy, answer: Answer) -> None:
    cases = [Case(query=q, normalized=q, categories=("cola",)) for q in "ab"]
    found = values(cases, [answer("a", ["cola", "x", "x"]), answer("b", ["water"])], tree)
    assert found["unknown_id_rate"] == pytest.approx(1 / 3)


def test_what_a_fallback_serves_is_judged(tree: Taxonomy, answer: Answer) -> None:
    cases = [Case(query=q, normalized=q, categories=("cola",)) for q in "ab"]
    guessed = replace(answer("b", ["water", "cola"]), source="fallback", reason="abstained_low_confidence")
    found = values(cases, [answer("a", ["cola"]), guessed], tree)
    assert (found["coverage"], found["fallback_rate"]) == (1.0, 0.5)
    assert found["leaf_precision"] == pytest.approx(2 / 3)


def test_specificity(tree: Taxonomy, answer: Answer) -> None:
    cases = [Case(query=q, normalized=q, specificity="broad") for q in "abc"]
    cases.append(Case(query="d", normalized="d", categories=()))
    given_ = [answer("a", specificity="broad"), answer("b", specificity="specific"), answer("c"), answer("d")]
    assert values(cases, given_, tree)["specificity_accuracy"] == pytest.approx(1 / 3)


def test_spans(tree: Taxonomy, answer: Answer) -> None:
    # "diet cola can": expected attribute [0, 4) and product_type [5, 13); given product_type [5, 9) and brand [0, 4).
    case = Case(
        query="diet cola can",
        normalized="diet cola can",
        annotations=(
            Span(place=Place(start=0, end=4), type="attribute"),
            Span(place=Place(start=5, end=13), type="product_type"),
        ),
    )
    tagged = answer(
        "diet cola can",
        annotations=(
            Annotation(text="cola", start=5, end=9, type="product_type", value="Cola"),
            Annotation(text="diet", start=0, end=4, type="brand", value="Diet"),
        ),
    )
    empty = Case(query="x", normalized="x", annotations=())
    found = values([case, empty], [tagged, answer("x")], tree)
    assert found["span_f1"] == 0.0
    assert found["span_overlap_f1"] == pytest.approx(0.5)
    right = Annotation(text="diet", start=0, end=4, type="attribute", value="Diet")
    both = answer("diet cola can", annotations=(right,))
    found = values([case, empty], [both, answer("x", annotations=(right,))], tree)
    assert (found["span_precision"], found["span_recall"]) == (0.5, 0.5)


def test_rewrites_count_at_any_rank_and_under_any_type(tree: Taxonomy, answer: Answer) -> None:
    def case(query: str, *expected: ExpectedRewrite) -> Case:
        return Case(query=query, normalized=query, rewrites=expected)

    cola = ExpectedRewrite(query="cola", type="spelling")
    pop = ExpectedRewrite(query="pop", type="synonym")
    cases = [case("coal", cola), case("kola", cola, pop), case("soda", pop), case("tea")]
    answers = [
        answer(
            "coal",
            rewrites=(
                Rewrite(query="coke", type="spelling", confidence=0.9),
                Rewrite(query="Cola", type="synonym", confidence=0.1),
            ),
        ),
        answer("kola", rewrites=(Rewrite(query="pop", type="spelling", confidence=0.9),)),
        answer("soda"),
        answer("tea", rewrites=(Rewrite(query="chai", type="synonym", confidence=0.9),)),
    ]
    found = values(cases, answers, tree)
    assert found["spelling_recall"] == pytest.approx(1 / 2)
    assert found["rewrite_recall"] == pytest.approx(2 / 3)


def test_rewrites_given_are_held_against_those_labelled(tree: Taxonomy, answer: Answer) -> None:
    def rewrite(query: str, kind: RewriteType) -> Rewrite:
        return Rewrite(query=query, type=kind, confidence=0.9)

    cola = ExpectedRewrite(query="cola", type="spelling")
    either = ExpectedRewrite(query="cola", type="synonym")
    pop = ExpectedRewrite(query="pop", type=None)
    cases = [
        Case(query="a", normalized="a", rewrites=(cola, pop)),
        Case(query="b", normalized="b", rewrites=(cola, either)),
        Case(query="c", normalized="c", rewrites=()),
        Case(query="d", normalized="d", categories=("cola",)),
    ]
    answers = [
        # Two of three expected; cola is expected as a spelling, pop under no type.
        answer("a", rewrites=(rewrite("Cola", "broader"), rewrite("pop", "synonym"), rewrite("tea", "synonym"))),
        # Expected under two types, of which one is given; given again, which does not count.
        answer("b", rewrites=(rewrite("cola", "synonym"), rewrite("cola", "broader"))),
        # None is expected, and one is given.
        answer("c", rewrites=(rewrite("tea", "synonym"),)),
        answer("d", rewrites=(rewrite("tea", "synonym"),)),
    ]
    found = values(cases, answers, tree)
    # Right of given: a 2/3, b 1/1, c 0/1. Of the right type: a 0/1, b 1/1.
    assert found["rewrite_precision"] == pytest.approx(3 / 5)
    assert found["rewrite_type_accuracy"] == pytest.approx(1 / 2)


ids = st.lists(st.sampled_from(IDS), max_size=4, unique=True)
known = st.lists(st.sampled_from(IDS[:-1]), max_size=3, unique=True)
rows = st.lists(st.tuples(known, known, ids), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def make(answer: Answer) -> Make:
    def build(drawn: Rows) -> tuple[list[Case], list[Understanding]]:
        cases = [
            Case(query=str(i), normalized=str(i), categories=tuple(gold), acceptable=tuple(acceptable))
            for i, (gold, acceptable, _) in enumerate(drawn)
        ]
        return cases, [answer(str(i), given_ids) for i, (_, _, given_ids) in enumerate(drawn)]

    return build


class TestAnyAnswers:
    """What holds whatever is expected and whatever is answered."""

    @settings(deadline=None)
    @given(drawn=rows)
    def test_every_measure_is_a_share(self, tree: Taxonomy, make: Make, drawn: Rows) -> None:
        found = values(*make(drawn), tree)
        assert all(0 <= value <= 1 + 1e-12 for value in found.values() if not np.isnan(value))
        assert not np.isnan(found["leaf_f1"])

    @settings(deadline=None)
    @given(drawn=rows, seed=st.integers(0, 99))
    def test_order_of_the_queries_does_not_matter(self, tree: Taxonomy, make: Make, drawn: Rows, seed: int) -> None:
        shuffled = random.Random(seed).sample(drawn, len(drawn))
        assert values(*make(shuffled), tree) == pytest.approx(values(*make(drawn), tree), nan_ok=True)

    @settings(deadline=None)
    @given(drawn=rows)
    def test_the_expected_answer_scores_one(self, tree: Taxonomy, make: Make, drawn: Rows) -> None:
        found = values(*make([(gold, acceptable, gold) for gold, acceptable, _ in drawn]), tree)
        perfect = [
            name for name in found if name.startswith(("leaf", "parent", "hierarchical")) or name == "top1_accuracy"
        ]
        assert {name: found[name] for name in perfect} == pytest.approx(dict.fromkeys(perfect, 1.0))

    @settings(deadline=None)
    @given(drawn=rows)
    def test_a_wrong_id_more_never_raises_precision_nor_lowers_recall(
        self, tree: Taxonomy, make: Make, drawn: Rows
    ) -> None:
        answered = [row for row in drawn if row[0] and row[2]] or [(["cola"], [], ["cola"])]
        before = values(*make(answered), tree)
        after = values(
            *make([(gold, acceptable, [*given_ids, "wrong"]) for gold, acceptable, given_ids in answered]), tree
        )
        assert after["leaf_precision"] <= before["leaf_precision"]
        assert after["leaf_recall"] == before["leaf_recall"]


def test_every_measure_is_described_for_its_readers() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    assert [name for name in MEASURES if f"`{name}`" not in page] == []
