from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.errors import QuerywiseError, UserError
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Annotation, Rewrite, Understanding
from evals import Case, Comparison, Exchange, Failed, Outcome, Side, Usage, compare_sides, read_comparison
from evals.case import ExpectedRewrite
from evals.compare_sides import finding_of
from evals.comparison import write_comparison
from evals.cost import Total
from evals.estimates import Ratio, bootstrap
from evals.sides import Asked
from evals.spans import Place, Span

Answer = Callable[..., Understanding]
FREE = Usage(requests=1)
SEARCHES = (100, 50, 50, 0, 0, 0)
TIERS = ("head", "torso", "tail", "unseen", "unseen", "head")


def side(name: str, results: Sequence[Understanding | Failed], usage: Usage = FREE) -> Side:
    return Side(name=name, outcomes=tuple(Outcome(result=result, usage=usage) for result in results))


@pytest.fixture
def asked(six_cases: tuple[Case, ...]) -> list[Asked]:
    return [
        Asked(query=case.query, tier=tier, searches=searches, case=case)
        for case, tier, searches in zip(six_cases, TIERS, SEARCHES, strict=True)
    ]


@pytest.fixture
def base(six_answers: list[Understanding]) -> Side:
    """F1 of a to f: 2/3, 0, 1, 0, 0, 0; e has failed."""
    results: list[Understanding | Failed] = [*six_answers]
    results[4] = Failed(kind="unparseable", detail="no JSON")
    return side("base", results)


@pytest.fixture
def right(answer: Answer, six_cases: tuple[Case, ...]) -> Side:
    return side("right", [answer(case.query, case.categories or ()) for case in six_cases])


@pytest.fixture
def comparison(asked: list[Asked], base: Side, right: Side, tree: Taxonomy) -> Comparison:
    return compare_sides(asked, base, right, tree, made={"command": "compare"})


def test_values_and_differences_by_hand(comparison: Comparison) -> None:
    measures = comparison.rows[0].measures
    # 2 of 5 given are right, 2 of 7 asked are found: see test_measures.
    assert measures["leaf_f1"].a.value == pytest.approx(4 / 11)
    assert measures["leaf_f1"].b.value == 1.0
    assert measures["leaf_f1"].gain.value == pytest.approx(7 / 11)
    assert measures["leaf_macro_f1"].gain.value == pytest.approx(1 - (2 / 3 + 1) / 6)
    assert {"span_f1", "specificity_accuracy", "rewrite_recall"}.isdisjoint(measures)


def test_won_lost_and_wholly_right_by_hand(comparison: Comparison) -> None:
    quality = comparison.quality
    assert quality is not None
    assert [query.result for query in comparison.compared] == ["won", "won", "tied", "won", "won", "won"]
    assert (quality.won, quality.tied, quality.lost) == (5, 1, 0)
    assert quality.sign.p == pytest.approx(2 / 32)
    assert (quality.wholly_right.a_only, quality.wholly_right.b_only) == (0, 5)
    assert (comparison.a.right, comparison.b.right) == (1, 6)
    assert comparison.a.failed == {"unparseable": 1}
    assert quality.searches is not None
    # a and b have 150 of the 200 searches; c is tied and the others were never searched.
    assert (quality.searches.won.value, quality.searches.lost.value) == (0.75, 0.0)
    assert quality.searches.net.value == 0.75


def test_five_queries_show_nothing_though_all_point_one_way(comparison: Comparison) -> None:
    quality = comparison.quality
    assert quality is not None
    assert quality.gain.low > 0 and quality.differing == 5
    assert quality.finding == "no_difference_shown"
    assert quality.needed is not None
    # Six of the 5 in 6 that differ take 7.2 queries.
    assert quality.needed.even == quality.needed.powered == 8


def test_turned_round_the_other_side_is_better_by_as_much(
    asked: list[Asked], base: Side, right: Side, tree: Taxonomy, comparison: Comparison
) -> None:
    turned = compare_sides(asked, right, base, tree)
    forward, back = comparison.rows[0].measures["leaf_f1"].gain, turned.rows[0].measures["leaf_f1"].gain
    assert (back.value, back.low, back.high) == pytest.approx((-forward.value, -forward.high, -forward.low))
    assert turned.quality is not None and (turned.quality.won, turned.quality.lost) == (0, 5)


def many(
    answer: Answer, *, good: int, bad: int, same: int
) -> tuple[list[Asked], list[Understanding], list[Understanding]]:
    queries = [f"q{i}" for i in range(good + bad + same)]
    cases = [Case(query=q, normalized=q, categories=("cola",)) for q in queries]
    asked = [Asked(query=q, tier="tail", case=case) for q, case in zip(queries, cases, strict=True)]
    a = [answer(q, ["bread" if i < good else "cola"]) for i, q in enumerate(queries)]
    b = [answer(q, ["bread" if good <= i < good + bad else "cola"]) for i, q in enumerate(queries)]
    return asked, a, b


@pytest.mark.parametrize(
    ("good", "bad", "finding"), [(20, 2, "b_better"), (2, 20, "a_better"), (12, 10, "no_difference_shown")]
)
def test_verdict_follows_the_interval(answer: Answer, tree: Taxonomy, good: int, bad: int, finding: str) -> None:
    asked, a, b = many(answer, good=good, bad=bad, same=78)
    quality = compare_sides(asked, side("a", a), side("b", b), tree).quality
    assert quality is not None and quality.finding == finding
    # One right of one given and asked, so F1 is the share that is right: 18 or 2 of 100 apart.
    assert quality.gain.value == pytest.approx((good - bad) / 100)
    assert quality.searches is None


def test_needed_queries_of_a_small_difference(answer: Answer, tree: Taxonomy) -> None:
    asked, a, b = many(answer, good=12, bad=10, same=78)
    quality = compare_sides(asked, side("a", a), side("b", b), tree, draws=4000).quality
    assert quality is not None and quality.needed is not None
    # The standard error is sqrt((0.22 - 0.02^2) / 100) = 0.0469, the arm 0.0918: (0.0918 / 0.02)^2 * 100 = 2,110.
    assert quality.needed.even == pytest.approx(2110, rel=0.12)
    # Connor: (1.959964 sqrt(0.22) + 0.841621 sqrt(0.2196))^2 / 0.0004 = 4,315.
    assert quality.sign.needed == pytest.approx(4315, abs=2)


@pytest.mark.parametrize("queries", [20, 100])
def test_equal_sides_are_told_apart_as_seldom_as_promised(queries: int) -> None:
    rng = np.random.default_rng(3)
    named = 0
    for seed in range(300):
        apart = rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=queries)
        gain = bootstrap({0: Ratio.mean(apart)}, queries=queries, draws=300, seed=seed)[0].estimate()
        assert gain is not None
        named += finding_of(gain, int(np.count_nonzero(apart))) != "no_difference_shown"
    # 5% of 300 is 15; three standard errors more are 26.
    assert named <= 26


def test_sides_that_answer_alike_have_no_number_of_queries(asked: list[Asked], right: Side, tree: Taxonomy) -> None:
    comparison = compare_sides(asked, right, right, tree)
    quality = comparison.quality
    assert quality is not None
    assert quality.finding == "no_difference_shown" and quality.needed is None and quality.sign.needed is None
    assert {name: found.value for name, found in comparison.rows[0].agreement.items() if found.value != 1} == {}


def test_slices_are_tiers_specificities_and_kinds(
    asked: list[Asked], six_answers: list[Understanding], right: Side, tree: Taxonomy
) -> None:
    # a is labelled broad, whatever A says; b has A's specificity; the others have none.
    first = replace(asked[0], case=replace(asked[0].case, specificity="broad")) if asked[0].case else asked[0]
    given = [replace(six_answers[0], specificity="category"), replace(six_answers[1], specificity="specific")]
    found = compare_sides([first, *asked[1:]], side("a", [*given, *six_answers[2:]]), right, tree)
    parts = [(row.by, row.slice, row.queries, row.searches) for row in found.rows]
    assert parts == [
        ("all", "all", 6, 200),
        ("tier", "head", 2, 100),
        ("tier", "torso", 1, 50),
        ("tier", "tail", 1, 50),
        ("tier", "unseen", 2, 0),
        ("specificity", "broad", 1, 100),
        ("specificity", "specific", 1, 50),
        ("kind", "easy", 2, 100),
    ]
    head = found.rows[1]
    assert (head.judged, head.won, head.tied, head.lost) == (2, 2, 0, 0)
    # Head is a and f: 2 of 3 given right, 1 of 2 asked found.
    assert head.measures["leaf_f1"].a.value == pytest.approx(2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2))


def test_branches_and_labels_of_ten_queries_are_slices(answer: Answer, tree: Taxonomy) -> None:
    # 12 queries: 10 of A's answers lie in soda, the case of one of which expects bread; 11 labels say summer.
    asked = [
        Asked(
            query=f"q{i:02}",
            searches=1,
            case=Case(
                query=f"q{i:02}",
                normalized=f"q{i:02}",
                categories=("bread",) if i == 0 else None,
                specificity="broad",
                labels={"season": "summer" if i < 11 else "winter"},
            ),
        )
        for i in range(12)
    ]
    same = side("a", [answer(one.query, ["cola"] if i < 11 else ["water"]) for i, one in enumerate(asked)])
    found = compare_sides(asked, same, same, tree, draws=10)
    parts = [(row.by, row.slice, row.queries) for row in found.rows if row.by not in ("all", "tier", "specificity")]
    assert parts == [("branch", "Drinks > Soda", 10), ("season", "summer", 11)]


def test_queries_without_gold_count_for_agreement_only(
    asked: list[Asked], base: Side, right: Side, tree: Taxonomy
) -> None:
    some = [*asked[:2], *(replace(one, case=None) for one in asked[2:])]
    comparison = compare_sides(some, base, right, tree)
    assert comparison.quality is not None and comparison.quality.judged == 2
    assert comparison.rows[0].measures["leaf_f1"].gain.queries == 2
    assert comparison.rows[0].agreement["same_categories"].queries == 6
    assert [query.result for query in comparison.compared] == ["won", "won", None, None, None, None]


def test_without_gold_there_is_agreement_and_no_quality(
    answer: Answer, six_answers: list[Understanding], tree: Taxonomy
) -> None:
    def dressed(query: str, ids: Sequence[str], rewrites: Sequence[str], end: int) -> Understanding:
        return answer(
            query,
            ids,
            rewrites=tuple(Rewrite(query=text, type="synonym", confidence=0.5) for text in rewrites),
            annotations=(Annotation(text=query[:end], start=0, end=end, type="brand", value="x"),),
        )

    asked = [Asked(query="cola can", searches=30), Asked(query="rye", searches=10), Asked(query="x", searches=0)]
    a = side("a", [dressed("cola can", ["cola", "soda"], ["coke", "pop"], 4), dressed("rye", ["bread"], [], 3)])
    b = side("b", [dressed("cola can", ["soda", "cola", "water"], ["Coke"], 4), dressed("rye", ["bread"], [], 1)])
    failed, silent = Outcome(result=Failed(kind="x", detail=""), usage=FREE), Outcome(result=answer("x"), usage=FREE)
    comparison = compare_sides(
        asked,
        replace(a, outcomes=(*a.outcomes, failed)),
        replace(b, outcomes=(*b.outcomes, silent)),
        tree,
    )
    assert comparison.quality is None
    assert all(row.measures == {} and row.judged == 0 for row in comparison.rows)
    assert {name: found.value for name, found in comparison.rows[0].agreement.items()} == pytest.approx(
        {
            "same_answer": 1 / 3,  # x alone: a failure is served as an abstention
            "same_categories": 2 / 3,
            "same_categories_by_searches": 10 / 40,
            "same_top": 2 / 3,
            "categories_jaccard": (2 / 3 + 1 + 1) / 3,
            "same_specificity": 1.0,
            "annotations_jaccard": (1 + 0) / 2,  # x has none on either side
            "rewrites_jaccard": 1 / 2,  # coke of coke and pop; neither side rewrites the others
        }
    )
    assert [query.changed for query in comparison.compared] == [
        ("categories", "top", "rewrites"),
        ("annotations",),
        (),
    ]


def test_unknown_cost_stays_unknown(asked: list[Asked], base: Side, right: Side, tree: Taxonomy) -> None:
    usages = [
        Usage(requests=1, tokens_in=1000, tokens_cached=400, tokens_out=50, usd=0.02),
        Usage(requests=2, tokens_in=3000, tokens_cached=None, tokens_out=150, usd=0.06, estimated=True),
        *[Usage(requests=1)] * 4,
    ]
    outcomes = tuple(replace(o, usage=usage) for o, usage in zip(right.outcomes, usages, strict=True))
    comparison = compare_sides(asked, base, replace(right, outcomes=outcomes), tree)
    unknown, cost = comparison.a.cost, comparison.b.cost
    assert unknown.requests == 6 and cost.requests == 7
    assert unknown.tokens_in == unknown.usd == Total(value=None, known=0, queries=6, estimated=False)
    assert unknown.cached_share is None
    assert cost.tokens_in == Total(value=4000, known=2, queries=6, estimated=True)
    assert cost.tokens_out == Total(value=200, known=2, queries=6, estimated=True)
    assert cost.cached_share == 0.4
    assert cost.usd.value == pytest.approx(0.08)
    # All six answers are wholly right.
    assert cost.usd_per_right is not None and cost.usd_per_right.value == pytest.approx(0.08 / 6)


def test_price_of_a_right_query_leaves_out_what_is_not_judged(answer: Answer, tree: Taxonomy) -> None:
    case = Case(query="a", normalized="a", categories=("cola",))
    asked = [Asked(query="a", case=case), Asked(query="b")]
    paid = Usage(requests=1, usd=0.5)
    good = side("good", [answer("a", ["cola"]), answer("b", ["cola"])], paid)
    none = side("none", [answer("a", ["bread"]), answer("b", ["cola"])], paid)
    comparison = compare_sides(asked, good, none, tree)
    assert comparison.a.cost.usd.value == 1.0
    assert comparison.a.cost.usd_per_right == Total(value=0.5, known=1, queries=1, estimated=False)
    assert comparison.b.cost.usd_per_right is None


def test_order_of_the_queries_changes_nothing_but_the_list(
    asked: list[Asked], base: Side, right: Side, tree: Taxonomy, comparison: Comparison
) -> None:
    backwards = range(5, -1, -1)
    turned = compare_sides(asked[::-1], base.at(backwards), right.at(backwards), tree, made=comparison.made)
    assert turned.compared == comparison.compared[::-1]
    assert replace(turned, compared=comparison.compared) == comparison


def test_other_seed_other_intervals(asked: list[Asked], base: Side, right: Side, tree: Taxonomy) -> None:
    gains = [
        compare_sides(asked, base, right, tree, seed=seed, draws=50).rows[0].measures["leaf_f1"].gain for seed in (0, 7)
    ]
    assert gains[0].value == gains[1].value and gains[0] != gains[1]


def test_comparison_goes_through_its_file_without_prompts(
    asked: list[Asked], base: Side, right: Side, tree: Taxonomy, tmp_path: Path
) -> None:
    case = asked[0].case
    assert case is not None
    labelled = replace(
        case,
        annotations=(Span(place=Place(start=0, end=1), type="brand"),),
        rewrites=(ExpectedRewrite(query="coke", type=None),),
    )
    exchange = Exchange(title="t", messages=({"role": "user", "content": "SECRET"},), completion="SECRET")
    outcomes = (replace(right.outcomes[0], exchanges=(exchange,)), *right.outcomes[1:])
    comparison = compare_sides(
        [replace(asked[0], case=labelled), *asked[1:]], base, Side(name="b", outcomes=outcomes), tree
    )
    expected = comparison.compared[0].expected
    assert expected is not None and expected.annotations is not None
    assert expected.categories and expected.categories[0].path == ("Drinks", "Soda", "Cola")
    assert expected.annotations[0].text == "a"
    path = tmp_path / "new" / "comparison.json"
    write_comparison(path, comparison)
    assert read_comparison(path) == comparison
    assert "SECRET" not in path.read_text()


@pytest.mark.parametrize("query", ["", "\ud800", "a\x00b", "</script>", "\u202eevil", "x" * 5000])
def test_any_query_can_be_compared_and_written(query: str, answer: Answer, tree: Taxonomy, tmp_path: Path) -> None:
    given = replace(answer(query, ["no such id"]), normalized=normalise(query))
    comparison = compare_sides([Asked(query=query)], side("a", [given]), side("b", [given]), tree, draws=10)
    write_comparison(tmp_path / "c.json", comparison)
    assert read_comparison(tmp_path / "c.json").compared[0].query == query


def test_what_does_not_fit_together_is_refused(asked: list[Asked], base: Side, right: Side, tree: Taxonomy) -> None:
    with pytest.raises(UserError, match="no query"):
        compare_sides([], side("a", []), side("b", []), tree)
    with pytest.raises(UserError, match="'a' is there 2 times"):
        compare_sides([asked[0], replace(asked[0], query=" A ")], base.at([0, 0]), right.at([0, 0]), tree)
    for broken in (right.at(range(5)), right.at([1, 0, 2, 3, 4, 5]), right.at([0, 1, 2, 3, 4, 5, 5])):
        with pytest.raises(QuerywiseError, match="right did not answer each of the 6"):
            compare_sides(asked, base, broken, tree)
    with pytest.raises(QuerywiseError, match="gold is not in the order"):
        compare_sides([replace(asked[0], case=asked[1].case), *asked[1:]], base, right, tree)


def test_a_wrong_answer_in_place_of_none_differs_though_f1_is_0_both_times(answer: Answer, tree: Taxonomy) -> None:
    queries = [f"q{i}" for i in range(10)]
    asked = [Asked(query=q, case=Case(query=q, normalized=q, categories=("cola",))) for q in queries]
    abstains = [answer(q, ["cola"] if i > 6 else []) for i, q in enumerate(queries)]
    guesses = [answer(q, ["cola"] if i > 6 else ["bread"]) for i, q in enumerate(queries)]
    quality = compare_sides(asked, side("abstains", abstains), side("guesses", guesses), tree).quality
    assert quality is not None
    assert (quality.won, quality.lost, quality.tied, quality.differing) == (0, 0, 10, 7)
    # Precision 1, recall 0.3: F1 6/13; guessing makes both 0.3.
    assert quality.gain.value == pytest.approx(0.3 - 6 / 13)
    assert quality.finding == "a_better"
