"""What goes over the wire and comes back, apart from how."""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, Final

import httpx

from querywise_client.deadline import Deadline
from querywise_client.errors import (
    ApiError,
    BadAnswer,
    ConnectionFailed,
    InvalidCall,
    QuerywiseError,
    Timeout,
    api_error,
)

__all__ = ["Body", "Reply", "failure_of", "json_of", "refusal_of"]

_MOST_BYTES: Final = 64 * 1024 * 1024
"""Of an answer. A thousand understandings or embeddings have a few million."""

_SECONDS: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An HTTP response, read to its end; ``headers`` are looked up without regard to case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Body:
    """Collects an answer as it comes, within the time of its call and a size that no right answer has."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Take the next bytes.

        Raises:
            Timeout: when the time is over.
            BadAnswer: when there are too many.
        """
        self._size += len(part)
        if self._size > _MOST_BYTES:
            raise BadAnswer(f"The answer has over {_MOST_BYTES:,} bytes.")
        if self._deadline.left < 0:
            raise self._deadline.passed()
        self._parts.append(part)

    def whole(self) -> bytes:
        """Return all of it."""
        return b"".join(self._parts)


def failure_of(error: Exception, deadline: Deadline) -> QuerywiseError:
    """Return the error for one that httpx or asyncio raised."""
    if isinstance(error, QuerywiseError):
        return error
    if isinstance(error, httpx.LocalProtocolError):
        return InvalidCall("A header has characters that no header may have.")
    if isinstance(error, httpx.ConnectTimeout) and deadline.left > 0:
        return ConnectionFailed("No connection was made in time.")
    if isinstance(error, httpx.PoolTimeout):
        return Timeout(f"No connection of the pool was free within {deadline.seconds:g} s.")
    if isinstance(error, (httpx.TimeoutException, asyncio.TimeoutError)):
        return deadline.passed()
    return ConnectionFailed(f"The connection failed: {_why(error)}.")


def _why(error: BaseException) -> str:
    # Not the message, which may quote what came over the wire.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            # asyncio puts the address in place of the reason.
            return os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def json_of(reply: Reply) -> Any:
    """Return the document of an answer.

    Raises:
        BadAnswer: where it is none.
    """
    try:
        return json.loads(reply.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadAnswer("The answer is not JSON.") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def refusal_of(reply: Reply) -> ApiError | BadAnswer:
    """Return the error for a response that is no answer."""
    if reply.status < 400:
        hint = " The base URL leads elsewhere: give the one it leads to." if 300 <= reply.status < 400 else ""
        return BadAnswer(f"An answer has the status 200, not {reply.status}.{hint}")
    members = _problem(reply) or {"type": "about:blank", "title": _phrase(reply.status)}
    return api_error(
        status=reply.status,
        retry_after=_retry_after(reply.headers.get("retry-after")),
        request_id=reply.headers.get("x-request-id"),
        **members,
    )


def _problem(reply: Reply) -> dict[str, Any] | None:
    try:
        document = json_of(reply)
    except BadAnswer:
        return None
    if type(document) is not dict or type(document.get("type")) is not str or type(document.get("title")) is not str:
        return None
    detail, field = document.get("detail"), document.get("field")
    return {
        "type": document["type"],
        "title": document["title"],
        "detail": detail if type(detail) is str else "",
        "field": field if type(field) is str else None,
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"


def _retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    if _SECONDS.fullmatch(value.strip()):
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=timezone.utc)
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
