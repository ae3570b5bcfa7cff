"""Answers and failures as plain ASGI messages."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

from starlette.types import Receive, Scope, Send

from service.problems import Problem, send_problem
from service.wire import ClientGone

__all__ = ["PostRoute", "send_answer", "send_failure"]

_log = logging.getLogger(__name__)
_JSON = (b"content-type", b"application/json")


async def send_answer(send: Send, body: bytes) -> None:
    """Send a JSON document."""
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_failure(scope: Scope, send: Send, error: Exception) -> None:
    """Tell the client what is wrong with its request, or that the service failed."""
    if isinstance(error, ClientGone):
        return
    if not isinstance(error, Problem):
        # The type alone: messages may quote the query, and no query goes to a log.
        _log.error("%s failed: %s", scope["path"], type(error).__name__)
        error = Problem("internal-error", "The request could not be answered.")
    await send_problem(send, error)


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
