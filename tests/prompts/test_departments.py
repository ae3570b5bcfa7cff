"""What of a shop speaks for a query, and what against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from domain.context import NextQuery, Reformulation
from prompts.departments import Departments, related_queries


@pytest.fixture
def of_log(corner: Any, make_context: Callable[..., Any]) -> Callable[..., Departments]:
    def make(demand: dict[str, float], **more: Any) -> Departments:
        return Departments(make_context("q", demand, **more), corner.taxonomy, corner.index)

    return make


def test_a_department_is_a_root(corner: Any) -> None:
    departments = Departments(None, corner.taxonomy, corner.index)
    assert departments.of(["milk", "bars", "ale", "drinks"]) == {"food", "drinks"}
    assert departments.of([]) == set()


def test_without_a_log_nothing_speaks(corner: Any) -> None:
    departments = Departments(None, corner.taxonomy, corner.index)
    assert (departments.demanded, departments.searched, departments.turned_to) == (set(), set(), set())
    assert not departments.is_deep
    assert not departments.speak_against("milk")
    assert not departments.lead_elsewhere(["milk"], [])
    assert departments.lead_elsewhere(["dogfood"], ["milk"])


def test_demand_counts_from_five_in_a_hundred(of_log: Callable[..., Departments]) -> None:
    assert of_log({"milk": 0.9, "ale": 0.05, "dogfood": 0.049}).demanded == {"food", "drinks"}


def test_shoppers_turn_to_what_they_retype_and_search_next(of_log: Callable[..., Departments]) -> None:
    following = (NextQuery(query="puppy", count=9, npmi=0.3), NextQuery(query="cola", count=9, npmi=0.29))
    retyped = (Reformulation(query="skim", count=1), Reformulation(query="zorblax", count=5))
    departments = of_log({}, next_queries=following, reformulations=retyped)
    assert departments.searched == {"puppy", "skim", "zorblax"}
    assert departments.turned_to == {"pet", "food"}
    assert related_queries(departments.context) == ("puppy",)
    assert related_queries(None) == ()


@pytest.mark.parametrize(
    ("searches", "acted", "deep"), [(60, 0.5, True), (59, 0.5, False), (30, 1.0, True), (10_000, 0.0, False)]
)
def test_thirty_searches_that_led_to_something_are_deep(
    of_log: Callable[..., Departments], searches: int, acted: float, deep: bool
) -> None:
    departments = of_log({"milk": 0.9}, searches=searches, acted_share=acted)
    assert (departments.is_deep, departments.speak_against("dogfood"), departments.speak_against("bars")) == (
        deep,
        deep,
        False,
    )
    assert not of_log({}, searches=searches, acted_share=acted).is_deep


def test_what_is_found_is_elsewhere_where_nothing_is_shared(of_log: Callable[..., Departments]) -> None:
    departments = of_log({"milk": 0.9}, next_queries=(NextQuery(query="cola", count=9, npmi=0.5),))
    assert departments.lead_elsewhere(["dogfood"], [])
    assert not departments.lead_elsewhere(["dogfood"], ["pet"])
    assert not departments.lead_elsewhere(["dogfood", "bars"], [])
    assert not departments.lead_elsewhere(["juice"], [])
    assert not departments.lead_elsewhere([], [])
