from __future__ import annotations

import dataclasses

import pytest
from pydantic import TypeAdapter

from domain.errors import UserError
from evals.judge import JudgedFigure, judge_agreement, judged_figure, to_text

pytestmark = pytest.mark.usefixtures("judge_extra")

PEOPLE = [0, 1, 2, 3] * 10
JUDGE = [1, 1, 3, 3] * 10


@pytest.fixture(scope="module")
def said(verdicts, own_queries):
    return verdicts(own_queries(JUDGE))


@pytest.fixture(scope="module")
def measured(said, ratings, own_queries):
    return judge_agreement(said, ratings(a=own_queries(PEOPLE)), draws=200)


def test_people_correct_the_judge_where_they_labelled(said, measured, ratings, own_queries) -> None:
    some = dict(list(own_queries(PEOPLE).items())[:20])
    figure = judged_figure("relevance at 10", said, measured, ratings(a=some))
    # The judge says 2 on average, 0.5 more than people in every block of four.
    assert figure.naive.value == 2
    assert figure.value.value == pytest.approx(1.5)
    assert figure.value == figure.correction.corrected
    assert figure.value.high < 1.95 < figure.correction.people.high < figure.naive.high


def test_without_people_the_figure_is_the_judges_and_says_so(said, measured) -> None:
    figure = judged_figure("relevance at 10", said, measured)
    assert figure.value == figure.naive
    assert figure.correction is None
    assert "by the judge alone" in to_text(figure)


def test_a_figure_is_printed_with_its_agreement_and_what_is_unscored(verdicts, own_queries, measured) -> None:
    grades = {**own_queries(JUDGE)}
    grades[next(iter(grades))] = None
    text = " ".join(to_text(judged_figure("relevance at 10", verdicts(grades), measured)).split())
    kappa = measured.with_people.quadratic_kappa.estimate
    assert text.startswith("relevance at 10: 2.026 [")  # (80 - 1) / 39
    assert f"quadratic kappa {kappa.value:.3f} [{kappa.low:.3f}, {kappa.high:.3f}]" in text
    assert "Scored 39, unscored 1 (refused 1), which are left out." in text


def test_a_figure_is_the_same_after_json(said, measured, ratings, own_queries) -> None:
    adapter = TypeAdapter(JudgedFigure)
    for rated in ((), ratings(a=own_queries(PEOPLE))):
        figure = judged_figure("relevance at 10", said, measured, rated)
        assert adapter.validate_json(adapter.dump_json(figure)) == figure


def test_there_is_no_figure_without_an_agreement() -> None:
    required = {f.name for f in dataclasses.fields(JudgedFigure) if f.default is dataclasses.MISSING}
    assert {"agreement", "tally", "naive"} <= required


def test_another_judges_agreement_is_refused(verdicts, own_queries, measured) -> None:
    for other in (verdicts(own_queries(JUDGE), judge="other"), verdicts(own_queries([1, 0], "category"))):
        with pytest.raises(UserError, match="the agreement is that of"):
            judged_figure("relevance at 10", other, measured)


def test_a_judge_that_scored_nothing_has_no_figure(verdicts, item, measured) -> None:
    with pytest.raises(UserError, match="scored no item"):
        judged_figure("relevance at 10", verdicts({item("q"): None}), measured)
