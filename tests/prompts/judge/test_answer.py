"""Answers of a judge, good, bad and malicious."""

from __future__ import annotations

import json

import pytest

from prompts import Completion
from prompts.judge.answer import AnsweredItem, read_verdicts_of

FACETS = ("serves", "kind", "complete")
GOOD = {"id": "i1", "reason": "It is a drill.", "serves": True, "kind": True, "complete": False}


def read(content: object, *, ids=("i1",), finish="stop"):
    text = content if isinstance(content, str) else json.dumps(content)
    completion = Completion(key="k", content=text, model="m", finish=finish)
    return read_verdicts_of(completion, ids=ids, facets=FACETS)


def test_a_verdict_is_its_reason_and_its_facets_in_order() -> None:
    answered = read({"verdicts": [GOOD]})
    assert answered.complaint == ""
    assert answered.items == {
        "i1": AnsweredItem(reason="It is a drill.", facets={"serves": True, "kind": True, "complete": False})
    }
    assert list(answered.items["i1"].facets) == list(FACETS)


def test_facets_keep_the_rubrics_order_whatever_the_answers_is() -> None:
    answered = read({"verdicts": [dict(reversed(GOOD.items()))]})
    assert list(answered.items["i1"].facets) == list(FACETS)


@pytest.mark.parametrize("around", ["```json\n{}\n```", "Here it is: {} Good bye.", " {}\n"])
def test_what_stands_around_the_object_is_forgiven(around: str) -> None:
    assert read(around.replace("{}", json.dumps({"verdicts": [GOOD]}))).complaint == ""


def test_of_two_verdicts_on_one_item_the_last_counts() -> None:
    assert read({"verdicts": [GOOD, GOOD | {"kind": False}]}).items["i1"].facets["kind"] is False


def test_ids_that_were_not_offered_and_items_left_out_are_told_apart() -> None:
    answered = read({"verdicts": [GOOD, GOOD | {"id": "i9"}]}, ids=("i1", "i2", "i3"))
    assert list(answered.items) == ["i1"]
    assert answered.complaint == "it holds no verdict with exactly id, reason, serves, kind, complete for i2, i3"


@pytest.mark.parametrize(
    "bad",
    [
        GOOD | {"more": 1},
        {k: v for k, v in GOOD.items() if k != "kind"},
        GOOD | {"kind": "true"},
        GOOD | {"kind": 1},
        GOOD | {"kind": None},
        GOOD | {"reason": None},
        GOOD | {"id": ["i1"]},
        "i1",
        None,
        [],
    ],
)
def test_a_malformed_verdict_costs_only_itself(bad) -> None:
    answered = read({"verdicts": [bad, GOOD | {"id": "i2"}]}, ids=("i1", "i2"))
    assert list(answered.items) == ["i2"]
    assert answered.complaint.endswith("for i1")


@pytest.mark.parametrize(
    "content", ["", "no", "{", "[]", "{}", '{"verdicts": {}}', '{"verdicts": [], "more": 1}', "}{", '{"a":' * 10_000]
)
def test_what_is_no_answer_at_all_is_a_complaint(content: str) -> None:
    answered = read(content)
    assert answered.items == {} and 0 < len(answered.complaint) <= 300


def test_of_one_that_was_cut_off_the_complaint_says_so() -> None:
    cut = json.dumps({"verdicts": [GOOD, GOOD]})[:-10]
    assert "cut off" in read(cut, finish="length").complaint


def test_a_reason_is_kept_to_a_length() -> None:
    assert len(read({"verdicts": [GOOD | {"reason": "y" * 9_999}]}).items["i1"].reason) == 500
