"""The hash of a request: it is the cache key, the batch id and a label's lineage, so it may never drift."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from prompts import CompletionRequest

REQUEST = CompletionRequest(
    model="m",
    messages=({"role": "system", "content": "s"}, {"role": "user", "content": "crème"}),
    schema={"type": "object", "required": ["a", "b"]},
    parameters={"temperature": 0.0, "max_tokens": 5},
)


def test_the_key_is_the_sha256_of_the_canonical_json() -> None:
    canonical = (
        '{"messages":[{"content":"s","role":"system"},{"content":"crème","role":"user"}],"model":"m",'
        '"parameters":{"max_tokens":5,"temperature":0.0},"schema":{"required":["a","b"],"type":"object"}}'
    )
    assert REQUEST.key == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "m2"},
        {"messages": ({"role": "system", "content": "s "}, {"role": "user", "content": "crème"})},
        {"messages": ({"role": "system", "content": "s"}, {"role": "user", "content": "creme"})},
        {"messages": ({"role": "user", "content": "s"}, {"role": "user", "content": "crème"})},
        {"messages": ({"role": "user", "content": "crème"}, {"role": "system", "content": "s"})},
        {"messages": ({"role": "system", "content": "s"},)},
        {"schema": {"type": "object", "required": ["b", "a"]}},
        {"schema": {"type": "object", "required": ["a", "b"], "title": "t"}},
        {"parameters": {"temperature": 0.1, "max_tokens": 5}},
        {"parameters": {"temperature": 0.0}},
        {"parameters": {"temperature": 0.0, "max_tokens": 5, "seed": 1}},
    ],
)
def test_whatever_can_change_the_answer_changes_the_key(changes: dict[str, Any]) -> None:
    assert replace(REQUEST, **changes).key != REQUEST.key


def test_the_order_of_an_object_does_not_change_the_key() -> None:
    turned = CompletionRequest(
        parameters={"max_tokens": 5, "temperature": 0.0},
        schema={"required": ["a", "b"], "type": "object"},
        messages=({"content": "s", "role": "system"}, {"content": "crème", "role": "user"}),
        model="m",
    )
    assert turned.key == REQUEST.key


def test_half_a_surrogate_pair_has_a_key_of_its_own() -> None:
    keys = {replace(REQUEST, messages=({"role": "user", "content": c},)).key for c in ("\ud800", "\udfff", "?")}
    assert len(keys) == 3


def test_a_repair_shows_the_answer_and_the_complaint_and_is_another_request() -> None:
    repair = REQUEST.repair("not json", "need: Field required")
    assert repair.messages[:2] == REQUEST.messages
    assert repair.messages[2] == {"role": "assistant", "content": "not json"}
    assert repair.messages[3]["role"] == "user"
    assert "need: Field required" in repair.messages[3]["content"]
    assert (repair.model, repair.schema, repair.parameters) == (REQUEST.model, REQUEST.schema, REQUEST.parameters)
    others = [REQUEST, REQUEST.repair("not json", "other"), REQUEST.repair("other", "need: Field required")]
    assert len({repair.key, *(other.key for other in others)}) == 4


def test_an_endless_answer_is_shown_to_the_model_cut_short() -> None:
    request = CompletionRequest(model="m", messages=({"role": "user", "content": "q"},), schema={}, parameters={})
    assert len(request.repair("x" * 10_000_000, "it is too long").messages[1]["content"]) == 20_000


def test_address_and_nonce_are_part_of_the_hash_and_absent_from_it_unless_given() -> None:
    given = {"model": "m", "messages": ({"role": "user", "content": "q"},), "schema": {}, "parameters": {}}
    keys = [CompletionRequest(**given, **more).key for more in ({}, {"nonce": "1"}, {"api_base": "http://a/v1"})]
    assert len(set(keys)) == 3
    assert CompletionRequest(**given, nonce="", api_base="").key == keys[0]
