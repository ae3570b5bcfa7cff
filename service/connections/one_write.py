"""A whole answer in one write, where nothing stands between the service and uvicorn.

uvicorn takes an answer as two messages, looks at every header with two regular expressions, and writes head and body
apart: a fifth of what a request costs a bare application. Here the head is put together once a second, when its date
changes, and the rest of an answer is one write. What uvicorn does besides is done as it does it, see
`RequestResponseCycle.send`; where that is more, uvicorn is left to do it.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ["Header", "OneWrite"]

Header = tuple[bytes, bytes]

_OWN_WAY: Final = frozenset((b"connection", b"content-length", b"transfer-encoding"))
"""Headers that change how uvicorn answers."""


class OneWrite:
    """Sends answers with the status 200 that have some headers in common.

    Args:
        headers: These headers; not the length.
    """

    def __init__(self, *headers: Header) -> None:
        self._headers = headers
        self._defaults: list[Header] | None = None
        self._opening = b""

    def write(self, send: Send, body: bytes, *headers: Header) -> bool:
        """Answer, or return False where `send` has to, and nothing has been done.

        So it is where something stands around uvicorn's own `send`, for the answer to a HEAD, for the last one of a
        connection, and for a client that has gone or does not read.

        Args:
            send: As the application got it.
            body: The body.
            headers: Further headers, of names and values that a header may have: nobody looks at them.
        """
        cycle: Any = getattr(send, "__self__", None)
        if type(cycle) is not RequestResponseCycle or not cycle.keep_alive or cycle.disconnected:
            return False
        if cycle.flow.write_paused or cycle.response_started or cycle.access_log or cycle.scope["method"] == "HEAD":
            return False
        # uvicorn makes a new list each second, and whoever adds to the headers makes another.
        if cycle.default_headers is not self._defaults:
            self._renew(cycle.default_headers)
        head = self._opening
        if not head:
            return False
        for header in headers:
            head += b"%b: %b\r\n" % header
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join((head, b"content-length: %d\r\n\r\n" % len(body), body)))
        cycle.message_event.set()
        cycle.on_response()
        return True

    async def send(self, send: Send, body: bytes, *headers: Header) -> None:
        """Answer by the messages of ASGI."""
        told = [*self._headers, *headers, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": told})
        await send({"type": "http.response.body", "body": body})

    def _renew(self, defaults: list[Header]) -> None:
        self._defaults = defaults
        headers = (*defaults, *self._headers)
        if any(name.lower() in _OWN_WAY for name, _ in headers):
            self._opening = b""
        else:
            self._opening = STATUS_LINE[200] + b"".join(b"%b: %b\r\n" % header for header in headers)
