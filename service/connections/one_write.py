"""A whole answer in one write, where nothing stands between the service and uvicorn.

uvicorn takes an answer as two messages, looks at every header with two regular expressions, and writes the head and the
body apart. That is a fifth of what a request costs a bare application. Here the head is put together once a second, when
its date changes, and what is left of an answer is one write. Everything else that uvicorn does then is done as it does it
(`RequestResponseCycle.send`); and where it does more than that, it is left to do it.
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
    """Writes answers with the status 200 that have some headers in common.

    Args:
        headers: These headers; not the length.
    """

    def __init__(self, *headers: Header) -> None:
        self._headers = headers
        self._defaults: list[Header] | None = None
        self._opening = b""

    def write(self, send: Send, lines: bytes, body: bytes) -> bool:
        """Answer, or return False where that takes more, and nothing has been done.

        False it is for a `send` that is not uvicorn's own, for the answer to a HEAD, for the last one of a connection, and
        for a client that has gone or does not read.

        Args:
            send: As the application got it.
            lines: Further headers, each with its end of line.
            body: The body.
        """
        cycle: Any = getattr(send, "__self__", None)
        if type(cycle) is not RequestResponseCycle or not cycle.keep_alive or cycle.disconnected:
            return False
        if cycle.flow.write_paused or cycle.response_started or cycle.access_log or cycle.scope["method"] == "HEAD":
            return False
        # uvicorn makes a new list each second, and whoever adds to the headers makes another.
        if cycle.default_headers is not self._defaults:
            self._renew(cycle.default_headers)
        if not self._opening:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (self._opening, lines, len(body), body))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _renew(self, defaults: list[Header]) -> None:
        self._defaults = defaults
        headers = (*defaults, *self._headers)
        if any(name.lower() in _OWN_WAY for name, _ in headers):
            self._opening = b""
        else:
            self._opening = STATUS_LINE[200] + b"".join(b"%b: %b\r\n" % header for header in headers)
