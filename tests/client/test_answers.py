"""The client's types say what the service's OpenAPI document says, in both directions."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import querywise_client
from querywise_client import answers
from querywise_client.errors import BadAnswer
from querywise_client.reading import read_as
from service import create_app

# The name of a type here where it is another one there.
RENAMED = {"Embeddings": "EmbedResponse"}
TYPES = [
    "Annotation", "Category", "Discovered", "Discovery", "Embeddings", "Gate", "Lineage", "OtherInfo", "Override",
    "Refused", "ReleaseInfo",
    "Rewrite", "Suggested", "Suggestion", "Understanding",
]  # fmt: skip


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    found: dict[str, Any] = create_app(None).openapi()["components"]["schemas"]
    return found


def described(kind: Any) -> object:
    """A type as comparable words; a literal beside text is its closed set."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        sets = [frozenset(get_args(member)) for member in members if get_origin(member) is Literal]
        told = sets[0] if sets else described(members[0])
        return ("or null", told) if len(members) < len(get_args(kind)) else told
    if origin is tuple:
        return ("list", described(get_args(kind)[0]))
    if origin is dict:
        return ("map", described(get_args(kind)[1]))
    return {str: "string", bool: "boolean", int: "integer", float: "number", datetime: "date-time"}.get(
        kind
    ) or kind.__name__


def stated(schema: dict[str, Any]) -> object:
    """The same of a JSON schema."""
    if "anyOf" in schema:
        [member] = [member for member in schema["anyOf"] if member.get("type") != "null"]
        return ("or null", stated(member))
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema:
        return frozenset(schema["enum"])
    if schema["type"] == "array":
        return ("list", stated(schema["items"]))
    if schema["type"] == "object":
        return ("map", stated(schema["additionalProperties"]))
    return schema.get("format", schema["type"])


@pytest.mark.parametrize("name", TYPES)
def test_types_are_those_of_the_service(schemas, name):
    kind = getattr(querywise_client, name)
    schema = schemas[RENAMED.get(name, name)]
    hints = get_type_hints(kind)
    here = {field.name: described(hints[field.name]) for field in fields(kind)}
    there = {field: stated(value) for field, value in schema["properties"].items()}
    if name == "Discovered":
        # The service's closed set of reasons is text here, for it is the value of a map.
        there["empty"] = ("map", "string")
        assert set(schema["properties"]["empty"]["additionalProperties"]["enum"]) == set(get_args(answers.EmptyReason))
    assert here == there
    needed = {f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING}
    # What a service of before did not say may be absent; what this one may leave out must be.
    assert needed <= set(schema["required"])


def test_every_type_is_held_against_the_service(schemas):
    requests = {name for name in schemas if name.endswith("Request")}
    others = {"ProblemDocument", "Status", "UnderstandBatchResponse"}
    reached = set(TYPES) - set(RENAMED) | set(RENAMED.values())
    # What no call of the client answers with is no business of its own.
    answered = {
        reference
        for path in ("/v1/understand", "/v1/discover", "/v1/suggest", "/v1/embed", "/v1/release")
        for method in create_app(None).openapi()["paths"][path].values()
        for reference in [method["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]]
    }
    assert {reference.rpartition("/")[2] for reference in answered} <= reached
    assert reached <= set(schemas) - requests - others


def test_what_is_sent_is_what_the_service_takes(schemas):
    from querywise_client import calls

    sent = {
        "UnderstandRequest": calls.understand("a"),
        "UnderstandBatchRequest": next(calls.understand_batches(["a"])),
        "DiscoverRequest": calls.discover("a", ["p"], 0, 1),
        "SuggestRequest": calls.suggest("a", 1),
        "EmbedRequest": calls.embed(["a"], "product", ["p"]),
    }
    for name, call in sent.items():
        document = read_json(call.body)
        assert set(document) == set(schemas[name]["properties"])
        for field, value in document.items():
            assert matches(value, schemas[name]["properties"][field])


def read_json(body: bytes | None) -> Any:
    import json

    assert body is not None
    return json.loads(body)


def matches(value: Any, schema: dict[str, Any]) -> bool:
    if "anyOf" in schema:
        return any(matches(value, member) for member in schema["anyOf"])
    if schema["type"] == "array":
        return type(value) is list and all(matches(item, schema["items"]) for item in value)
    kinds = {"string": str, "integer": int, "null": type(None)}
    return type(value) is kinds[schema["type"]] and value in schema.get("enum", [value])


UNDERSTOOD = {"query": "a", "normalized": "a", "source": "head", "reason": "model", "release": "r"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"categories": [{"id": "c", "path": ["x"]}]}, "The answer lacks categories[0].confidence."),
        ({"categories": [{"id": "c", "path": "x", "confidence": None}]}, "categories[0].path is not a list."),
        ({"categories": [{"id": 1, "path": [], "confidence": None}]}, "categories[0].id is not text."),
        ({"categories": [{"id": "c", "path": [], "confidence": True}]}, "categories[0].confidence is not a number."),
        ({"categories": [{"id": "c", "path": [], "confidence": 10**400}]}, "categories[0].confidence is not a number."),
        ({"annotations": [None]}, "annotations[0] is not an object."),
        (
            {"annotations": [{"text": "a", "start": 0.5, "end": 1, "type": "size", "value": "a"}]},
            "annotations[0].start is not a whole number.",
        ),
        ({"release": None}, "release is not text."),
        ({"categories": [None]}, "categories[0] is not an object."),
        ({"rewrites": None}, "rewrites is not a list."),
    ],
)
def test_what_is_needed_is_insisted_on(change, complaint):
    with pytest.raises(BadAnswer) as caught:
        read_as(answers.Understanding, UNDERSTOOD | change)
    assert str(caught.value) == complaint


def test_what_is_new_is_left_and_what_is_older_is_filled_in():
    answer = read_as(answers.Understanding, UNDERSTOOD | {"mood": {"of": ["the", "day"]}})
    assert answer == answers.Understanding(query="a", normalized="a", source="head", reason="model", release="r")
    with pytest.raises(BadAnswer, match="The answer lacks release"):
        read_as(answers.Understanding, {name: value for name, value in UNDERSTOOD.items() if name != "release"})
    with pytest.raises(BadAnswer, match="The answer is not an object"):
        read_as(answers.Understanding, [])


@pytest.mark.parametrize("text", ["2026-11-21T10:20:30Z", "2026-11-21T10:20:30.123456+00:00"])
def test_times_have_their_zone(text):
    override = read_as(answers.Override, {"reason": "a", "by": "b", "at": text})
    assert (override.at.year, override.at.second) == (2026, 30) and override.at.utcoffset() is not None
    with pytest.raises(BadAnswer, match="at is not a time"):
        read_as(answers.Override, {"reason": "a", "by": "b", "at": "yesterday"})
