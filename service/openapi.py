"""The OpenAPI description of the routes that are validated by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from domain import Understanding
from service.problems import ProblemDocument

__all__ = ["describe"]


@dataclass(frozen=True, kw_only=True)
class UnderstandRequest:
    """One query, as the shopper typed it."""

    query: str


@dataclass(frozen=True, kw_only=True)
class UnderstandBatchRequest:
    """Up to 1,000 queries."""

    queries: list[str]


@dataclass(frozen=True, kw_only=True)
class UnderstandBatchResponse:
    """One answer for each query, in order."""

    results: list[Understanding]


_TAG = {"tags": ["understand"]}
_QUERY = "1% milk"


def describe(schema: dict[str, Any]) -> dict[str, Any]:
    """Add the hand-validated routes, and what they send and receive, to an OpenAPI document."""
    models = (UnderstandRequest, UnderstandBatchRequest, UnderstandBatchResponse, Understanding, ProblemDocument)
    _, definitions = TypeAdapter.json_schemas(
        [(model, "serialization", TypeAdapter(model)) for model in models],
        ref_template="#/components/schemas/{model}",
    )
    schema.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
    schema["paths"] = {
        "/v1/understand": {
            "post": _TAG
            | {
                "summary": "Understand one query",
                "operationId": "understand",
                "requestBody": _body("UnderstandRequest", {"query": _QUERY}),
                "responses": _responses("Understanding"),
            },
            "get": _TAG
            | {
                "summary": "Understand one query, given in the address",
                "operationId": "understand_get",
                "parameters": [
                    {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}, "example": _QUERY}
                ],
                "responses": _responses("Understanding"),
            },
        },
        "/v1/understand/batch": {
            "post": _TAG
            | {
                "summary": "Understand up to 1,000 queries, answered in order",
                "operationId": "understand_batch",
                "requestBody": _body("UnderstandBatchRequest", {"queries": [_QUERY, "protein"]}),
                "responses": _responses("UnderstandBatchResponse"),
            },
        },
    } | schema["paths"]
    return schema


def _reference(model: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model}"}


def _body(model: str, example: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _reference(model), "example": example}}}


def _responses(model: str) -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": _reference("ProblemDocument")}}}
    return {
        "200": {"description": "The answer", "content": {"application/json": {"schema": _reference(model)}}},
        "4XX": {"description": "The request is refused; nothing was answered"} | problem,
        "503": {"description": "No release is loaded yet"} | problem,
    }
