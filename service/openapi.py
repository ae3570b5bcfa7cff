"""The OpenAPI description of the routes that are validated by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from domain import Understanding
from release import Discovered, EmbedKind, Suggested
from service.discover import MOST_ASKED, MOST_RESULTS
from service.explain import Explained
from service.problems import ProblemDocument
from service.settings import Settings

__all__ = ["describe"]


_STRICT: Final = ConfigDict(extra="forbid")
_Limit = Annotated[int, Field(ge=1, le=MOST_ASKED)]


@dataclass(frozen=True, kw_only=True)
class UnderstandRequest:
    """One query, as the shopper typed it: at most 256 characters after normalisation, and 4,096 before it."""

    __pydantic_config__ = _STRICT

    query: str


@dataclass(frozen=True, kw_only=True)
class UnderstandBatchRequest:
    """Up to 1,000 queries."""

    __pydantic_config__ = _STRICT

    queries: list[str]


@dataclass(frozen=True, kw_only=True)
class UnderstandBatchResponse:
    """One answer for each query, in order."""

    results: list[Understanding]


@dataclass(frozen=True, kw_only=True)
class EmbedRequest:
    """Up to 1,000 texts, all of one kind.

    Queries may have 256 characters after normalisation; of a product's text 256 are read. ``products`` has the id of
    the product behind each text, for its quality: null, unknown and absent ones are neither good nor bad.
    """

    __pydantic_config__ = _STRICT

    texts: list[str]
    kind: EmbedKind
    products: list[str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class EmbedResponse:
    """One vector for each text, in order, of ``dimension`` numbers with five decimals.

    First comes a unit vector, or zeros where nothing of the text is left by normalisation. The last three numbers of a
    product are its demand, its conversion and the quality that its shop states, each from 0 to 1; those of a query are
    the weight that the service gives to quality. So the inner product of query and product is
    cosine + weight x (demand + conversion + stated).
    """

    embeddings: list[list[float]]
    dimension: int
    release: str


@dataclass(frozen=True, kw_only=True)
class DiscoverRequest:
    """A query and the page of its results; null says the same as nothing.

    ``shown`` has the ids of the products on the page, up to 1,000: none of them is answered, nor what the page is full
    of. ``result_count`` says how many results there are: with few, substitutes lead. ``limit`` is that of each list,
    from 1 to 50, and 6 by default.
    """

    __pydantic_config__ = _STRICT

    query: str
    shown: list[str] | None = None
    result_count: Annotated[int, Field(ge=0, le=MOST_RESULTS)] | None = None
    limit: _Limit | None = None


@dataclass(frozen=True, kw_only=True)
class SuggestRequest:
    """A query, and how many to suggest after it: from 1 to 50, and 6 by default."""

    __pydantic_config__ = _STRICT

    query: str
    limit: _Limit | None = None


_SECTION: Final = re.compile(r"\n\n(Attributes|Raises):\n")
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)
_OPEN: Final = ("/healthz", "/readyz")
_UNUSED: Final = ("HTTPValidationError", "ValidationError")
_QUERY = "1% milk"
_Q = {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}, "example": _QUERY}
_DISCOVER = {"query": _QUERY, "shown": ["p17", "p4"], "result_count": 2, "limit": 6}
_EMBED = {"texts": ["Low-fat milk 1% 1 l", "Oat drink"], "kind": "product", "products": ["p17", None]}


def describe(schema: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Add the hand-validated routes, what they send and receive, and what any may be refused with, to a document."""
    asked = (UnderstandRequest, UnderstandBatchRequest, DiscoverRequest, SuggestRequest, EmbedRequest)
    told = (
        UnderstandBatchResponse,
        EmbedResponse,
        Discovered,
        Suggested,
        Understanding,
        Explained,
        ProblemDocument,
    )
    inputs: list[tuple[Any, Literal["validation", "serialization"], TypeAdapter[Any]]]
    inputs = [(model, "validation", TypeAdapter(model)) for model in asked]
    inputs += [(model, "serialization", TypeAdapter(model)) for model in told]
    _, definitions = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    schema.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
    schema["paths"] = {
        "/v1/understand": {
            "post": _operation(
                "Understand one query", "understand", "Understanding", _body("UnderstandRequest", {"query": _QUERY})
            ),
            "get": _operation("Understand one query, given in the address", "understand_get", "Understanding")
            | {
                "parameters": [_Q, {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}],
                "responses": _kept(_responses("Understanding")),
            },
        },
        "/v1/understand/batch": {
            "post": _operation(
                "Understand up to 1,000 queries, answered in order",
                "understand_batch",
                "UnderstandBatchResponse",
                _body("UnderstandBatchRequest", {"queries": [_QUERY, "protein"]}),
            )
        },
        "/v1/explain": {
            "get": _operation(
                "One query as precomputed and as the student alone says, and why; shows counts of the log",
                "explain",
                "Explained",
            )
            | {"parameters": [_Q]}
        },
        "/v1/discover": {
            "post": _operation(
                "Substitutes and complements that a page does not show yet",
                "discover",
                "Discovered",
                _body("DiscoverRequest", _DISCOVER),
                tag="discover",
            )
        },
        "/v1/suggest": {
            "post": _operation(
                "Queries to go on with",
                "suggest",
                "Suggested",
                _body("SuggestRequest", {"query": _QUERY, "limit": 6}),
                tag="discover",
            )
        },
        "/v1/embed": {
            "post": _operation(
                "Embed up to 1,000 texts with the release's student",
                "embed",
                "EmbedResponse",
                _body("EmbedRequest", _EMBED),
                tag="embed",
            )
        },
    } | schema["paths"]
    _bound(schema["components"]["schemas"], settings)
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # FastAPI's own form of it, which no answer has
            operation["responses"] |= _refusals()
            if path not in _OPEN:
                operation["security"] = [{}, {"key": []}]  # with the first, where the service has no keys
    schema["components"]["schemas"] = {
        name: _told(model) for name, model in schema["components"]["schemas"].items() if name not in _UNUSED
    }
    schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return schema


def _told(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model whose docstring is for callers: attributes stand beside their fields, and None is null."""
    lead, *sections = _SECTION.split(model["description"].replace("None", "null"))
    attributes = dict(zip(sections[::2], sections[1::2], strict=True)).get("Attributes", "")
    said = {name: {"description": " ".join(line.split())} for name, line in _ATTRIBUTE.findall(attributes)}
    fields = {name: field | said.get(name, {}) for name, field in model["properties"].items()}
    return model | {"description": lead, "properties": fields}


def _bound(schemas: dict[str, Any], settings: Settings) -> None:
    """Say how long lists may be; their settings are the service's, not the type's."""
    schemas["UnderstandBatchRequest"]["properties"]["queries"]["maxItems"] = settings.max_batch
    schemas["EmbedRequest"]["properties"]["texts"]["maxItems"] = settings.max_batch
    schemas["DiscoverRequest"]["properties"]["shown"]["anyOf"][0]["maxItems"] = settings.max_shown


def _reference(model: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model}"}


def _operation(
    summary: str, name: str, answer: str, body: dict[str, Any] | None = None, *, tag: str = "understand"
) -> dict[str, Any]:
    described = {"tags": [tag], "summary": summary, "operationId": name, "responses": _responses(answer)}
    return described if body is None else described | {"requestBody": body}


def _body(model: str, example: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _reference(model), "example": example}}}


def _responses(model: str) -> dict[str, Any]:
    return {"200": {"description": "The answer", "content": {"application/json": {"schema": _reference(model)}}}}


def _kept(responses: dict[str, Any]) -> dict[str, Any]:
    """Add what caches are told, and the answer to one that has what it would be sent."""
    tag = {"description": "Of the release and the normalised query", "schema": {"type": "string"}}
    control = {"description": "How long the answer may be kept", "schema": {"type": "string"}}
    unchanged = {"description": "What `If-None-Match` names is still the answer", "headers": {"ETag": tag}}
    return {"200": responses["200"] | {"headers": {"ETag": tag, "Cache-Control": control}}, "304": unchanged}


def _refusals() -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": _reference("ProblemDocument")}}}
    return {
        "4XX": {"description": "The request is refused; nothing was answered"} | problem,
        "503": {"description": "No release is loaded yet, or there is more to do than can be done in time"} | problem,
    }
