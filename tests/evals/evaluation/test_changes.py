"""What is shown first of what changed."""

from __future__ import annotations

from dataclasses import replace

from evals.estimates import Estimate
from evals.evaluation import Evaluation
from evals.evaluation.changes import by_traffic, changed_slices, f1_gain, is_shown, of_slice, shown_slices, withheld


def test_queries_come_by_traffic(passed: Evaluation) -> None:
    assert passed.comparison
    assert [one.query for one in by_traffic(passed.comparison, "won")] == [f"q{i}" for i in range(32, 40)]
    turned = replace(passed.comparison, compared=passed.comparison.compared[::-1])
    assert [one.query for one in by_traffic(turned, "won")] == [f"q{i}" for i in range(32, 40)]
    assert by_traffic(passed.comparison, "lost") == []


def test_the_gates_own_interval_goes_before_the_comparisons(passed: Evaluation, unsettled: Evaluation) -> None:
    tested = next(check.gain for check in passed.decision.checks if check.gain)
    assert f1_gain(passed) is tested
    untested = replace(passed, decision=replace(passed.decision, checks=()))
    assert passed.comparison and passed.comparison.quality
    assert f1_gain(untested) is passed.comparison.quality.gain
    assert f1_gain(replace(untested, comparison=None)) is None


def test_a_slice_with_few_differing_queries_shows_no_difference(passed: Evaluation, unsettled: Evaluation) -> None:
    assert passed.comparison and unsettled.comparison
    # All eight queries that were won are of the tail, the one kind and the one branch: 8 of 40 gain less than 8 of 20.
    assert [of_slice(row) for row in changed_slices(passed.comparison)] == [
        "queries of kind drink",
        "queries of branch Drinks > Soda",
        "tail queries",
    ]
    [tail] = [row for row in passed.comparison.rows if row.slice == "tail"]
    assert is_shown(tail) and not is_shown(replace(tail, won=5))
    gain = Estimate(value=0.1, low=0.0, high=0.2, queries=20)
    # Of the one query that the other lost nothing is shown, whatever its interval; rewrites are another matter.
    [first] = [row for row in unsettled.comparison.rows if row.by == "all"]
    clear = replace(first.measures["leaf_f1"], gain=Estimate(value=-0.1, low=-0.2, high=-0.05, queries=40))
    measures = {"leaf_f1": clear, "top1_accuracy": clear, "rewrite_recall": clear}
    doubtful = replace(first, measures=measures)
    assert [is_shown(doubtful, name) for name in measures] == [False, False, True]
    level = replace(tail, measures={"leaf_f1": replace(tail.measures["leaf_f1"], gain=gain)})
    assert not is_shown(level)
    assert changed_slices(unsettled.comparison) == []


def test_too_many_slices_are_cut_to_those_with_most_labels(passed: Evaluation) -> None:
    assert passed.comparison
    first, *rows = passed.comparison.rows
    many = [replace(rows[0], by="kind", slice=f"k{i}", judged=i) for i in range(100)]
    found = shown_slices(replace(passed.comparison, rows=(first, *many)))
    assert [row.slice for row in found] == [f"k{i}" for i in range(60, 100)]


def test_slices_are_told_with_all_that_they_share(passed: Evaluation) -> None:
    assert passed.comparison
    row = passed.comparison.rows[0]
    assert of_slice(row) == "all queries"
    assert of_slice(replace(row, by="tier,specificity", slice="head, broad")) == "head queries, specificity broad"
    assert (
        of_slice(replace(row, by="tier,branch", slice="head, Nuts, Fruit"))
        == "queries of tier and branch: head, Nuts, Fruit"
    )


def test_what_to_withhold_is_what_surely_harms(failed: Evaluation) -> None:
    # Every product is rated, so the thirty queries answered with bread lose for sure.
    assert failed.replay and len(withheld(failed.replay)) == 30
    assert withheld(failed.replay)[0] == "q10: categories"
