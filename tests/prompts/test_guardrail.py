"""A category falls only where both likeness and demand are low."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prompts.departments import Departments
from prompts.guardrail import Guardrail, Judged, judge_categories


@pytest.mark.parametrize(
    ("similarity", "demand", "doubted"),
    [(0.39, 0.04, True), (0.4, 0.0, False), (0.0, 0.05, False), (-0.2, 0.0, True), (0.9, 0.9, False)],
)
def test_both_must_be_low(similarity: float, demand: float, doubted: bool) -> None:
    guardrail = Guardrail(similarity=0.4, demand=0.05)
    assert guardrail.doubts(Judged(similarity=similarity, demand=demand)) == doubted


@pytest.mark.parametrize(
    ("similarity", "demand", "doubted"), [(0.49, 0.04, True), (0.5, 0.0, False), (0.0, 0.05, False)]
)
def test_more_is_asked_where_the_log_speaks_against_it(similarity: float, demand: float, doubted: bool) -> None:
    guardrail = Guardrail(similarity=0.375, demand=0.05, against=0.125)
    assert guardrail.doubts(Judged(similarity=similarity, demand=demand, against=True)) == doubted


def test_it_can_be_turned_off() -> None:
    assert not Guardrail(similarity=-1.0).doubts(Judged(similarity=-0.5, demand=0.0, against=True))
    assert not Guardrail(similarity=-1.0).doubts(Judged(similarity=-1.0, demand=0.0))


def test_the_nearest_of_what_is_said_counts_and_demand_is_the_logs(
    corner: Any, make_context: Callable[..., Any]
) -> None:
    vectors = list(corner.index.encoder.encode(["protein bar chocolate", "milk"]))
    context = make_context("x", {"milk": 0.7})
    departments = Departments(context, corner.taxonomy, corner.index)
    judged = judge_categories(["milk", "bars", "dogfood"], said=vectors, departments=departments)
    # The words of a product's title and of a category's name are that title and that name.
    assert (judged["milk"].similarity, judged["bars"].similarity) == (1.0, 1.0)
    assert judged["dogfood"].similarity < 0.6
    assert [judged[i].demand for i in judged] == [0.7, 0.0, 0.0]
    assert not any(judged[i].against for i in judged)
    assert judge_categories([], said=vectors, departments=departments) == {}
    nothing = judge_categories(["milk"], said=[], departments=Departments(None, corner.taxonomy, corner.index))
    assert nothing == {"milk": Judged(similarity=-1.0, demand=0.0)}


def test_a_deep_log_that_leads_elsewhere_speaks_against(corner: Any, make_context: Callable[..., Any]) -> None:
    context = make_context("milk", {"milk": 0.9, "juice": 0.04}, searches=100)
    departments = Departments(context, corner.taxonomy, corner.index)
    judged = judge_categories(["milk", "beef", "juice", "dogfood"], said=[], departments=departments)
    # Food has the demand; 4% in drinks and none among pets is less than 5%.
    assert [judged[i].against for i in judged] == [False, False, True, True]
