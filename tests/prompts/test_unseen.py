"""Queries that the log does not hold, in a plan: asked by name, and their labels kept when nobody names them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.label import Label, Provenance
from domain.understanding import Category, Understanding
from prompts import Failure
from prompts.increment import make_plan, tree_of, unseen_context


@pytest.fixture
def plan(corner):
    """Plan a run of the head in the corner shop's tree."""
    teacher = corner.teacher()

    def make(contexts, labels=(), **more: Any):
        made = [replace(x, provenance=replace(x.provenance, prompt=teacher.prompt_id)) for x in labels]
        trees = {"now": tree_of(corner.taxonomy)}
        usual = {"tiers": ("head",), "taxonomy": "now", "furthest": 0.2}
        return make_plan(contexts, teacher=teacher, labels=made, trees=trees, **(usual | more))

    return make


def label(query: str, *, tier: str = "tail", category: str | None = None, searches: int = 3) -> Label:
    answer = Understanding(query=query, normalized=query, source="head", reason="precomputed", release="")
    path = ("An", "older", "path")
    categories = (Category(id=category, path=path, confidence=0.9),) if category else ()
    made = Provenance(model="openai/local", prompt="", key="k", context="c", dropped={}, taxonomy="now")
    understanding = replace(answer, categories=categories, next_queries=("of old",))
    return Label(query=query, tier=tier, searches=searches, understanding=understanding, provenance=made)


def test_what_is_named_is_asked_whatever_its_tier(plan, make_context) -> None:
    contexts = [
        make_context("milk"),
        make_context("cola", tier="torso"),
        make_context("tea", tier="tail"),
        unseen_context("oat milk", 2),
    ]
    found = plan(contexts, [label("tea")], named={"tea", "oat milk"})
    assert (found.ask, found.reasons) == (("milk", "oat milk"), {"new": 2})
    assert ([x.query for x in found.carried], found.others, found.queries) == (["tea"], (), 3)
    assert plan(contexts, named={"cola"}, tiers=()).ask == ("cola",)


def test_an_unseen_query_that_failed_is_taken_up_and_one_that_would_fail_again_stands(plan, corner) -> None:
    contexts = [unseen_context("oat milk", 2), unseen_context("iced tea", 1)]
    key = corner.teacher().ask("iced tea").key
    failures = [
        Failure(query="oat milk", kind="timeout", detail="d", key="k"),
        Failure(query="iced tea", kind="refused", detail="d", key=key),
    ]
    found = plan(contexts, failures=failures, named={"oat milk", "iced tea"})
    assert (found.ask, found.standing) == (("oat milk",), (failures[1],))


def test_a_tail_label_of_a_query_that_the_log_does_not_hold_is_kept_as_the_tree_has_it(plan, make_context) -> None:
    labels = [
        label("oat milk", category="milk"),
        label("gone category", category="no longer there"),
        label("was searched", tier="head"),
        label("was common", tier="torso"),
    ]
    found = plan([make_context("milk")], labels)
    [kept] = found.others
    assert (kept.query, kept.tier, kept.searches) == ("oat milk", "tail", 3)
    assert kept.understanding.categories[0].path == ("Food", "Dairy", "Milk")
    # What is searched next is of the log, which says nothing.
    assert kept.understanding.next_queries == ()
    assert (found.carried, found.replaced, found.queries) == ((), {}, 1)


def test_a_query_that_comes_into_the_log_is_asked_anew_once_it_has_demand(plan, make_context) -> None:
    labels = [label("oat milk", category="milk"), label("iced tea")]
    found = plan([make_context("oat milk", {"milk": 1.0}), make_context("iced tea")], labels)
    assert (found.ask, found.reasons) == (("oat milk",), {"context_changed": 1})
    [carried] = found.carried
    assert (carried.query, carried.tier, carried.searches) == ("iced tea", "head", 10)
