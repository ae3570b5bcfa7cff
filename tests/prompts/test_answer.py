"""Reading what a model sends, and the schema file that tells it what to send."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from domain.understanding import AnnotationType, RewriteType, Specificity
from prompts import load_prompt
from prompts.answer import (
    Answer,
    AnswerAnnotation,
    AnswerCategory,
    AnswerIdea,
    AnswerRewrite,
    Unparseable,
    parse_answer,
)

SCHEMA: dict[str, Any] = dict(load_prompt("understand").schema)
DISCOVER: dict[str, Any] = dict(load_prompt("discover").schema)
FULL: dict[str, Any] = {
    "need": "Ginger ale of a brand.",
    "spelling": "vernors soda",
    "specificity": "specific",
    "categories": [{"id": "k3", "confidence": 0.9}, {"id": "k1", "confidence": 1}],
    "annotations": [{"text": "vernos", "type": "brand", "value": "Vernors"}],
    "rewrites": [{"query": "ginger ale", "type": "broader", "confidence": 0.8}],
}
BARE = {"need": "", "spelling": None, "specificity": "broad", "categories": [], "annotations": [], "rewrites": []}


def changed(path: str, value: Any) -> dict[str, Any]:
    """FULL with one place set; a value of Ellipsis takes the place away."""
    document = copy.deepcopy(FULL)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    at: Any = document
    for part in parents:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return document


def test_an_answer_is_read_field_by_field() -> None:
    assert parse_answer(json.dumps(FULL)) == Answer(
        need="Ginger ale of a brand.",
        spelling="vernors soda",
        specificity="specific",
        categories=(AnswerCategory(id="k3", confidence=0.9), AnswerCategory(id="k1", confidence=1.0)),
        annotations=(AnswerAnnotation(text="vernos", type="brand", value="Vernors"),),
        rewrites=(AnswerRewrite(query="ginger ale", type="broader", confidence=0.8),),
    )


IDEAS: dict[str, Any] = {
    "need": "A soda to mix.",
    "substitutes": [{"label": "Other sodas", "query": "tonic water", "why": "Mixes as well."}],
    "complements": [],
    "explore": ["drinks for a party"],
}


def test_discovery_content_is_read_with_its_own_task() -> None:
    assert parse_answer(json.dumps(IDEAS), "discover") == Answer(
        need="A soda to mix.",
        substitutes=(AnswerIdea(label="Other sodas", query="tonic water", why="Mixes as well."),),
        explore=("drinks for a party",),
    )


@pytest.mark.parametrize("name", [*IDEAS])
def test_the_discovery_schema_and_the_reader_want_every_field(name: str) -> None:
    less = {key: value for key, value in IDEAS.items() if key != name}
    assert Draft202012Validator(DISCOVER).is_valid(IDEAS)
    assert not Draft202012Validator(DISCOVER).is_valid(less)
    assert isinstance(parse_answer(json.dumps(less), "discover"), Unparseable)


GOOD = [FULL, BARE, changed("categories.0.confidence", 7), changed("annotations.0.value", "")]
BAD = {
    "need": [changed("need", ...), changed("need", None), changed("need", 1)],
    "spelling": [changed("spelling", ...), changed("spelling", 1), changed("spelling", [])],
    "specificity": [changed("specificity", ...), changed("specificity", "narrow"), changed("specificity", None)],
    "categories": [changed("categories", ...), changed("categories", None), changed("categories", {})],
    "categories.0": [changed("categories.0", "k1"), changed("categories.0", None)],
    "categories.0.id": [changed("categories.0.id", ...), changed("categories.0.id", 1)],
    "categories.0.confidence": [
        changed("categories.0.confidence", ...),
        changed("categories.0.confidence", None),
        changed("categories.0.confidence", "0.9"),
        changed("categories.0.confidence", True),
    ],
    "annotations.0.type": [changed("annotations.0.type", "colour"), changed("annotations.0.type", ...)],
    "rewrites.0.type": [changed("rewrites.0.type", "narrower"), changed("rewrites.0.type", "Broader")],
    "reason": [changed("reason", "because")],
    "categories.0.name": [changed("categories.0.name", "Soda")],
    "annotations.0.start": [changed("annotations.0.start", 0)],
    "rewrites.0.why": [changed("rewrites.0.why", "x")],
}


@pytest.mark.parametrize("document", GOOD)
def test_the_schema_and_the_reader_take_the_same_answers(document: dict[str, Any]) -> None:
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(document)] == []
    assert isinstance(parse_answer(json.dumps(document)), Answer)


@pytest.mark.parametrize(("where", "document"), [(w, d) for w, documents in BAD.items() for d in documents])
def test_the_schema_and_the_reader_refuse_the_same_answers(where: str, document: dict[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(document)
    read = parse_answer(json.dumps(document))
    assert isinstance(read, Unparseable)
    # The complaint is what the model is shown: it has to say where.
    assert read.complaint.startswith(f"{where}: ")


@pytest.mark.parametrize("document", [[], "text", 1, None, True])
def test_only_an_object_is_an_answer(document: Any) -> None:
    assert not Draft202012Validator(SCHEMA).is_valid(document)
    assert isinstance(parse_answer(json.dumps(document)), Unparseable)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (SCHEMA, Answer),
        (SCHEMA["properties"]["categories"]["items"], AnswerCategory),
        (SCHEMA["properties"]["annotations"]["items"], AnswerAnnotation),
        (SCHEMA["properties"]["rewrites"]["items"], AnswerRewrite),
        (DISCOVER, Answer),
        (DISCOVER["properties"]["substitutes"]["items"], AnswerIdea),
        (DISCOVER["properties"]["complements"]["items"], AnswerIdea),
    ],
)
def test_the_schema_names_the_fields_of_the_type_in_order(schema: dict[str, Any], kind: type) -> None:
    # One type holds whatever any prompt asks for; a prompt asks for some of it.
    names = [field.name for field in fields(kind) if kind is not Answer or field.name in schema["required"]]
    # Structured output of most providers takes only schemas in which everything is required and nothing else allowed.
    assert (schema["required"], list(schema["properties"])) == (names, names)
    assert schema["additionalProperties"] is False


def test_the_schema_allows_the_values_of_the_domain() -> None:
    properties = SCHEMA["properties"]
    assert properties["specificity"]["enum"] == [*get_args(Specificity)]
    assert properties["annotations"]["items"]["properties"]["type"]["enum"] == [*get_args(AnnotationType)]
    assert properties["rewrites"]["items"]["properties"]["type"]["enum"] == [*get_args(RewriteType)]


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "  {}\n\n",
        "```json\n{}\n```",
        "```\n{}\n```",
        "\n ```json \n{}\n ```\n",
        "```json\r\n{}\r\n```\r\n",
        "```json\n\n{}\n\n```",
    ],
)
def test_a_fence_around_the_object_is_forgiven(frame: str) -> None:
    for text in (json.dumps(FULL), json.dumps(FULL, indent=2)):
        assert isinstance(parse_answer(frame.replace("{}", text)), Answer)


@pytest.mark.parametrize(
    "frame",
    [
        "Here you are: {}",
        "{} Anything else?",
        "Sure!\n```json\n{}\n```",
        "```json\n{}\n```\nAnything else?",
        "```json\n{}",
        "{}\n```",
        "```yaml\n{}\n```",
        "{}{}",
        "[{}]",
        "\ufeff{}",
    ],
)
def test_other_text_around_the_object_is_not(frame: str) -> None:
    assert isinstance(parse_answer(frame.replace("{}", json.dumps(FULL))), Unparseable)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_confidence_that_is_no_number_is_refused(number: str) -> None:
    read = parse_answer(json.dumps(FULL).replace("0.9", number))
    assert isinstance(read, Unparseable)
    assert read.complaint == "categories.0.confidence: Input should be a finite number"


HOSTILE: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "blank": lambda: " \n\t",
    "nested arrays": lambda: "[" * 200_000,
    "nested objects": lambda: '{"need":' * 200_000,
    "nested and closed": lambda: json.dumps(FULL)[:-1] + ', "more": ' + "[" * 5000 + "]" * 5000 + "}",
    "a megabyte of letters": lambda: "x" * 1_000_000,
    "a megabyte of braces": lambda: "{}" * 500_000,
    "a fence and a megabyte of blank lines": lambda: "```json\n" + "\n" * 1_000_000,
    "a fence and a megabyte of blanks": lambda: "```" + " " * 1_000_000 + "x",
    "a megabyte of fences": lambda: "```\n" * 250_000,
    "half a surrogate pair": lambda: json.dumps(FULL) + "\ud800",
    "half a surrogate pair, escaped": lambda: json.dumps(changed("need", "\ud800")),
    "a field named by a megabyte": lambda: json.dumps(changed("k" * 1_000_000, 1)),
    "control characters": lambda: '{"need": "\x00"}',
    "cut short": lambda: json.dumps(FULL)[:-20],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_whatever_comes_there_is_a_complaint_and_soon(name: str) -> None:
    content = HOSTILE[name]()
    began = time.perf_counter()
    read = parse_answer(content)
    assert time.perf_counter() - began < 2.0
    assert isinstance(read, Unparseable)
    assert 0 < len(read.complaint) <= 300
