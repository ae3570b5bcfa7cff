"""Answers and failures as plain ASGI messages."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Final

from starlette.types import Message, Receive, Scope, Send

from service.connections.one_write import Header
from service.problems import Problem, send_problem
from service.request_id import name_request
from service.wire import ClientGone

__all__ = ["CLIENT_GONE", "HEADERS", "PostRoute", "send_answer", "send_failure", "send_unchanged", "sniffing_off"]

CLIENT_GONE: Final = 499
"""The status, in logs and metrics alone, of a client that left before its request was whole."""

_log = logging.getLogger(__name__)
_JSON: Final = (b"content-type", b"application/json")
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")

HEADERS: Final = (_JSON, _NOSNIFF)
"""Of every JSON document."""


async def send_answer(send: Send, body: bytes) -> None:
    """Send a JSON document."""
    headers = [*HEADERS, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_unchanged(send: Send, *headers: Header) -> None:
    """Tell a client that what it has is what it would be sent."""
    await send({"type": "http.response.start", "status": 304, "headers": [_NOSNIFF, *headers]})
    await send({"type": "http.response.body", "body": b""})


def sniffing_off(send: Send) -> Send:
    """Return a way to send on which browsers take each answer for what it says it is."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", [])
            if not any(name == _NOSNIFF[0] for name, _ in headers):
                message["headers"] = [*headers, _NOSNIFF]
        await send(message)

    return sending


async def send_failure(scope: Scope, send: Send, error: Exception) -> int:
    """Tell the client what is wrong with its request, or that the service failed; return the status it was told.

    A client that has left is told nothing, and the status is 499.
    """
    if isinstance(error, ClientGone):
        return CLIENT_GONE
    if not isinstance(error, Problem):
        # The type alone: messages may quote the query, and no query goes to a log.
        _log.error("%s failed: %s", scope["path"], type(error).__name__)
        error = Problem("internal-error", "The request could not be answered.")
    await send_problem(name_request(scope, send), error)
    return error.status


class PostRoute(ABC):
    """An ASGI application that takes POST alone, and answers with one JSON document or the problem with the request."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if scope["method"] != "POST":
                raise Problem("method-not-allowed", "Use POST.", allow="POST")
            body = await self.respond(scope, receive)
        except Exception as error:
            await send_failure(scope, send, error)
        else:
            await send_answer(send, body)

    @abstractmethod
    async def respond(self, scope: Scope, receive: Receive) -> bytes:
        """Return the document.

        Raises:
            Problem: what is wrong with the request.
        """
