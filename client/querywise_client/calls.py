"""Each call as a request to send and a way to read its answer. Nothing here sends anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from querywise_client.answers import Discovered, Embeddings, EmbedKind, ReleaseInfo, Suggested, Understanding
from querywise_client.errors import ApiError, BadAnswer, InvalidCall
from querywise_client.reading import read_as

__all__ = ["Call", "discover", "embed", "ready", "release", "suggest", "understand", "understand_batches"]

T = TypeVar("T")

_MOST_QUERIES: Final = 1000
_MOST_BYTES: Final = 1024 * 1024
_LONGEST_IN_ADDRESS: Final = 2000
"""Characters of a query in an address, escaped; longer ones are posted."""


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """One request, and what its answer is.

    Attributes:
        path: With its query string.
        body: The JSON document to post, or None to get.
        read: Makes the answer of a JSON document, or raises `BadAnswer`.
        empty: What stands for the answer where there is none; None where nothing can.
        cacheable: The same without a body, whose answer may be kept as its headers say; None where there is no such.
        slow: Whether it has the time of a batch.
        looks: Whether it only asks if somebody is there: then it is sent once, and whatever happened before.
        field_offset: Entries of a split batch that went before.
    """

    path: str
    read: Callable[[Any], T]
    body: bytes | None = None
    empty: Callable[[], T] | None = None
    cacheable: Call[T] | None = None
    slow: bool = False
    looks: bool = False
    field_offset: int = 0

    def localised(self, error: ApiError) -> ApiError:
        """Return a refusal with its field as the caller counts, where this is a later part of a batch."""
        number, closed, rest = (error.field or "").removeprefix("queries[").partition("]")
        if not self.field_offset or not closed or not number.isdecimal():
            return error
        members = error.__dict__ | {"field": f"queries[{int(number) + self.field_offset}]{rest}"}
        return type(error)(**members)


def understand(query: str) -> Call[Understanding]:
    """Return the call for one query; in the address its answer can be kept, in the body no log on the way sees it."""
    posted = Call(
        path="/v1/understand",
        read=lambda document: _echoed(read_as(Understanding, document), query),
        body=_document(query=query),
        empty=lambda: _degraded(query),
    )
    try:
        escaped = quote(query, safe="")
    except UnicodeEncodeError:
        return posted  # half of a surrogate pair; the service has a problem document for it
    if len(escaped) > _LONGEST_IN_ADDRESS:
        return posted
    return replace(posted, cacheable=replace(posted, path=f"/v1/understand?q={escaped}", body=None))


def understand_batches(queries: Sequence[str]) -> Iterator[Call[tuple[Understanding, ...]]]:
    """Yield calls that ask all queries in order, each within the service's limits on number and bytes."""
    start = 0
    while start < len(queries):
        end = _end_of_batch(queries, start)
        yield _understand_batch(tuple(queries[start:end]), start)
        start = end


def _end_of_batch(queries: Sequence[str], start: int) -> int:
    size = len(_document(queries=[]))
    for i in range(start, min(start + _MOST_QUERIES, len(queries))):
        size += len(_json(queries[i])) + 1
        if size > _MOST_BYTES and i > start:
            return i
    return min(start + _MOST_QUERIES, len(queries))


def _understand_batch(queries: tuple[str, ...], start: int) -> Call[tuple[Understanding, ...]]:
    def read(document: Any) -> tuple[Understanding, ...]:
        results = read_as(_Results, document).results
        if len(results) != len(queries):
            raise BadAnswer(f"{len(queries):,} queries were asked and {len(results):,} answered.")
        return tuple(_echoed(result, query) for result, query in zip(results, queries, strict=True))

    return Call(
        path="/v1/understand/batch",
        read=read,
        body=_document(queries=queries),
        empty=lambda: tuple(map(_degraded, queries)),
        slow=True,
        field_offset=start,
    )


@dataclass(frozen=True, kw_only=True)
class _Results:
    results: tuple[Understanding, ...]


def discover(query: str, shown: Sequence[str], result_count: int | None, limit: int | None) -> Call[Discovered]:
    """Return the call for what to show beside a page."""
    optional = {"shown": list(shown) or None, "result_count": result_count, "limit": limit}
    return Call(
        path="/v1/discover",
        read=lambda document: _echoed(read_as(Discovered, document), query),
        body=_document(query=query, **{name: value for name, value in optional.items() if value is not None}),
        empty=lambda: Discovered(
            query=query, lead="substitutes", lead_reason="degraded", reason="degraded", release=""
        ),
    )


def suggest(query: str, limit: int | None) -> Call[Suggested]:
    """Return the call for what to search next."""
    return Call(
        path="/v1/suggest",
        read=lambda document: _echoed(read_as(Suggested, document), query),
        body=_document(query=query) if limit is None else _document(query=query, limit=limit),
        empty=lambda: Suggested(query=query, release=""),
    )


def embed(texts: Sequence[str], kind: EmbedKind, products: Sequence[str | None] | None) -> Call[Embeddings]:
    """Return the call for the vectors of texts."""

    def read(document: Any) -> Embeddings:
        answer = read_as(Embeddings, document)
        if len(answer.embeddings) != len(texts):
            raise BadAnswer(f"{len(texts):,} texts were sent and {len(answer.embeddings):,} embedded.")
        if any(len(row) != answer.dimension for row in answer.embeddings):
            raise BadAnswer("A vector does not have the dimension that the answer states.")
        return answer

    fields: dict[str, Any] = {"texts": list(texts), "kind": kind}
    if products is not None:
        fields["products"] = list(products)
    return Call(path="/v1/embed", read=read, body=_document(**fields), slow=True)


def release() -> Call[ReleaseInfo]:
    """Return the call for what is being served."""
    return Call(path="/v1/release", read=lambda document: read_as(ReleaseInfo, document))


def ready() -> Call[bool]:
    """Return the call that asks whether a release is loaded."""
    return Call(path="/readyz", read=lambda _: True, looks=True)


_Answer = TypeVar("_Answer", Understanding, Discovered, Suggested)


def _echoed(answer: _Answer, query: str) -> _Answer:
    # A cache on the way that mixes up its keys must not decide what a shopper sees.
    if answer.query != query:
        raise BadAnswer("The answer is for another query.")
    return answer


def _degraded(query: str) -> Understanding:
    return Understanding(query=query, normalized=query, source="fallback", reason="degraded", release="")


def _document(**fields: Any) -> bytes:
    return _json(fields)


def _json(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCall("What was given has no form in JSON.") from error
