"""The report on a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evals.evaluation import Evaluation, to_text
from evals.evaluation.headline import headline


def test_the_verdict_comes_first_and_all_fits(passed: Evaluation, failed: Evaluation, unsettled: Evaluation) -> None:
    for evaluation in (passed, failed, unsettled):
        lines = to_text(evaluation).splitlines()
        assert len(lines) <= 40 and max(map(len, lines)) <= 100
        first = " ".join(lines[: lines.index("")])
        assert first == headline(evaluation.decision).sentence


def test_what_failed_and_what_got_worse_are_there(failed: Evaluation) -> None:
    text = to_text(failed)
    assert "- FAIL  Share of searches answered: 83%; at least 90% is asked\n" in text
    assert "- open  F1 of head queries: 0.500 [" in text
    # Of the 32 that the base had right 22 got worse; q10 was searched 300 times.
    assert "0 queries better, 22 worse." in text
    assert "- q10 (300): Cola -> Bread\n" in text and "- and 17 more\n" in text
    assert "release 2026-11-22-bda35b, base 2026-11-20-539335" in text


def test_nothing_steers_the_terminal(failed: Evaluation) -> None:
    text = to_text(failed)
    assert "onerror" in text
    assert all(char == "\n" or char.isprintable() for char in text)


def test_what_is_missing_says_how_to_get_it(unsettled: Evaluation, evaluate) -> None:
    text = " ".join(to_text(unsettled).split())
    assert "put judgements.csv into the shop folder and run `querywise evaluate --replay`" in text
    alone = " ".join(to_text(evaluate(base=False, further=False)).split())
    assert "No other release to compare with" in alone and "release 2026-11-22-bda35b, no base, 40" in alone
    assert "5 of 6 checks passed, 1 not compared" in alone


def test_a_report_without_labels_has_its_verdict(passed: Evaluation) -> None:
    bare = replace(passed, report=None, comparison=None, decision=replace(passed.decision, checks=()))
    text = to_text(bare)
    assert text.startswith("PASS: ship it, all 0 checks hold, though none of them asks")
    assert "no labels; 0 of 0 checks passed" in text


@pytest.mark.parametrize("count", [200])
def test_many_checks_are_cut(failed: Evaluation, count: int) -> None:
    checks = tuple(replace(failed.decision.checks[-1], name=f"c{i}", verdict="FAIL") for i in range(count))
    text = to_text(replace(failed, decision=replace(failed.decision, checks=checks)))
    assert len(text.splitlines()) <= 40 and "- and 192 more" in text


def test_what_the_answers_harm_in_a_search_is_there_first(failed: Evaluation) -> None:
    replayed = failed.replay
    assert replayed is not None and replayed.harmed
    worst = replayed.harmed[0]
    # What was said of labelled queries alone may fill the screen: here there is nothing else to say.
    text = to_text(replace(failed, comparison=None))
    assert f"At work in a search, as boost, {len(replayed.harmed)} quer" in text
    assert f"({worst.searches:,}): nDCG@10 {worst.before:.3f} -> {worst.after:.3f}; categories do " in " ".join(
        text.split()
    )


def test_a_replay_without_harm_says_so(failed: Evaluation) -> None:
    assert failed.replay is not None
    text = to_text(replace(failed, comparison=None, replay=replace(failed.replay, harmed=())))
    assert "At work in a search, as boost, no query does worse.\n" in text


def test_a_judged_figure_stands_with_what_it_is_worth(judged: Evaluation) -> None:
    text = " ".join(to_text(replace(judged, comparison=None, replay=None)).split())
    (agreement,) = judged.agreements
    kappa = agreement.with_people.quadratic_kappa.estimate
    assert kappa is not None and f"on relevance: quadratic kappa with people {kappa.value:.3f} [" in text
    assert text.index("people among themselves") < text.index("mean relevance: mean grade ")
    assert "mean relevance" not in to_text(replace(judged, comparison=None, replay=None, agreements=()))
