"""The id of a request, by which an answer is found again in a log: the client's own, or one that is made."""

from __future__ import annotations

import os
import re
from typing import Final

from starlette.types import Message, Scope, Send

__all__ = ["HEADER", "name_request", "request_id"]

HEADER: Final = b"x-request-id"

# What may go into a header and a line of log as it is.
_is_sane = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}").fullmatch
_KEPT: Final = "querywise.request_id"


def request_id(scope: Scope) -> str:
    """Return the id of a request: its ``X-Request-Id`` where that is sane, else 32 random hexadecimal digits.

    It is the same each time; a header that is there twice counts by its first.
    """
    known: str | None = scope.get(_KEPT)
    if known is None:
        given = next((value for name, value in scope.get("headers", ()) if name == HEADER), b"")
        known = scope[_KEPT] = given.decode() if _is_sane(given) else os.urandom(16).hex()
    return known


def name_request(scope: Scope, send: Send, *, least: int = 0) -> Send:
    """Return a `send` that puts the id of the request into an answer whose status is `least` or more."""

    async def named(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= least:
            headers = message.get("headers", ())
            if all(name.lower() != HEADER for name, _ in headers):
                message = {**message, "headers": [*headers, (HEADER, request_id(scope).encode())]}
        await send(message)

    return named
