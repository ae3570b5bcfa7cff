"""Facets into grades, and what is no rubric."""

from __future__ import annotations

import dataclasses
from itertools import product

import pytest

from domain.errors import PromptError
from prompts import load_prompt
from prompts.judge import facets_of, grade, task_of


def test_relevance_is_a_ladder() -> None:
    # serves, kind, complete: what comes after the first that fails does not count.
    grades = {
        said: grade("relevance", dict(zip("abc", said, strict=True))) for said in product((False, True), repeat=3)
    }
    assert grades == {
        (False, False, False): 0,
        (False, False, True): 0,
        (False, True, False): 0,
        (False, True, True): 0,
        (True, False, False): 1,
        (True, False, True): 1,
        (True, True, False): 2,
        (True, True, True): 3,
    }


def test_any_other_task_is_all_or_nothing() -> None:
    assert grade("rewrite", {"a": True, "b": True}) == 1
    assert grade("rewrite", {"a": True, "b": False}) == 0
    assert grade("category", {"a": False, "b": True}) == 0


def test_the_rubrics_that_ship_have_these_facets() -> None:
    assert {name: facets_of(load_prompt(f"judge_{name}@1")) for name in ("relevance", "category", "rewrite")} == {
        "relevance": ("serves", "kind", "complete"),
        "category": ("expected", "scope"),
        "rewrite": ("keeps_need", "keeps_constraints", "type_right", "can_be_served"),
    }
    for name in ("substitute", "complement"):
        rubric = load_prompt(f"judge_{name}@1")
        assert facets_of(rubric) == ("role_right", "in_line", "no_repeat", "no_filler")
        assert task_of(rubric) == name


@pytest.mark.parametrize("name", ["relevance", "category", "rewrite", "substitute", "complement"])
def test_a_rubric_says_what_its_schema_asks_and_asks_for_the_reason_first(name: str) -> None:
    rubric = load_prompt(f"judge_{name}@1")
    places = [rubric.system.index(f"\n- {field}: ") for field in ("id", "reason", *facets_of(rubric))]
    assert places == sorted(places)
    required = rubric.schema["properties"]["verdicts"]["items"]["required"]
    assert required == ["id", "reason", *facets_of(rubric)]


def test_a_prompt_that_labels_is_no_rubric() -> None:
    with pytest.raises(PromptError, match="judges nothing"):
        facets_of(load_prompt("categories@1"))


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"id": {"type": "string"}, "reason": {"type": "string"}},
        {"reason": {"type": "string"}, "id": {"type": "string"}, "good": {"type": "boolean"}},
        {"id": {"type": "string"}, "reason": {"type": "string"}, "good": {"type": "number"}},
        {"id": {"type": "string"}, "good": {"type": "boolean"}, "reason": {"type": "string"}},
        {"id": {"type": "string"}, "reason": None, "good": {"type": "boolean"}},
    ],
)
def test_a_schema_of_another_form_is_refused(properties) -> None:
    schema = {"properties": {"verdicts": {"items": {"properties": properties}}}}
    with pytest.raises(PromptError, match="not that of a judge"):
        facets_of(dataclasses.replace(load_prompt("judge_category@1"), schema=schema))
    with pytest.raises(PromptError, match="not that of a judge"):
        facets_of(dataclasses.replace(load_prompt("judge_category@1"), schema={"properties": []}))


def test_relevance_takes_three_facets() -> None:
    two = load_prompt("judge_category@1").schema
    with pytest.raises(PromptError, match="has 2 facets"):
        facets_of(dataclasses.replace(load_prompt("judge_relevance@1"), schema=two))
