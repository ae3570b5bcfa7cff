"""A connection of uvicorn, with the limits that uvicorn has not.

uvicorn waits for ever for a client that sends half a head or half a body, or does not read its answer, takes a head of
any size, and logs a line for each request that is no HTTP. Here such clients have deadlines, and are answered by a
problem document like everybody else. What a request costs is left alone: `data_received` is uvicorn's own with three
comparisons more.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from service.connections.limits import ConnectionLimits, ConnectionOutcome, Waiting
from service.problems import Problem

__all__ = ["Connection"]

_MOST_HEAD: Final = 128 * 1024
"""Bytes of a head that comes in several pieces; one piece alone is at most 256 KiB."""

_RETRY: Final = {"retry-after": "1"}
_MALFORMED: Final = Problem("malformed-request", "The request is not valid HTTP.")
_OUTCOMES: Final[dict[Waiting, ConnectionOutcome]] = {"head": "slow_head", "body": "slow_body", "reader": "slow_reader"}


class Connection(HttpToolsProtocol):
    """One connection; its application is a `service.app.Service`, which has the limits."""

    # Of a dictionary that has more than 30 names, as it would be with these, Python finds every one more slowly.
    __slots__ = ("_bytes", "_counted", "_limits", "_shed", "_shedder", "is_shedding", "waiting_for", "waiting_since")

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits: ConnectionLimits = self.app.limits
        self._shedder = self._limits.shedder
        self._shed: _Shed | None = None
        self._counted: Any = None
        self._bytes = 0
        self.is_shedding = False
        self.waiting_since = 0.0
        self.waiting_for: tuple[Any, ...] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection on, or refuse it where there are as many as there may be."""
        super().connection_made(transport)
        self._limits.start(self.loop, self.config, self.server_state)
        if len(self.connections) > self._limits.most:
            self._refuse("too_many", Problem("overloaded", "There are too many connections.", headers=_RETRY))

    def data_received(self, data: bytes) -> None:
        """Read what has come; while there is too much to do, turn some of it away before it is work."""
        self._unset_keepalive_if_required()
        if (self._shedder.share or self.is_shedding) and self._turns_away(data):
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse("malformed", _MALFORMED)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_without_upgrade(memoryview(data)[upgrade.args[0] :])
        else:
            cycle = self.cycle
            if cycle is None or cycle.more_body or cycle.scope is not self.scope:
                self._count_unfinished(len(data))

    def on_message_complete(self) -> None:
        """Take note that a request is whole; one that was answered before is done, and the next may take its time."""
        if self.parser.should_upgrade():
            return  # it is read once more, see below
        cycle = self.cycle
        cycle.more_body = False
        if not cycle.response_complete:
            cycle.message_event.set()
        elif not self.transport.is_closing():
            self._wait_for_next()

    def waits(self) -> tuple[Waiting, Any] | None:
        """Return what the client keeps the service waiting for, as `service.connections.limits.Watched` says."""
        unread = self.transport.get_write_buffer_size()
        if unread:
            return "reader", unread
        if self.is_shedding and self._shed is not None:
            return "body", -self._shed.count
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            return ("body", id(cycle)) if cycle.more_body else None
        # A connection that waits for its next request has uvicorn's own timer, until the first byte of that.
        return None if self.timeout_keep_alive_task is not None else ("head", id(self.scope))

    def end(self, waiting: Waiting) -> None:
        """End the connection of a client that is too slow."""
        if waiting == "head" and not self._is_half_a_head:
            self._limits.outcomes["slow_head"] += 1
            self.transport.close()  # nothing was asked, or all was answered: there is nothing to say
        elif waiting == "reader" or self.transport.is_closing():
            self._limits.outcomes[_OUTCOMES[waiting]] += 1
            self.transport.abort()
        else:
            self._refuse(_OUTCOMES[waiting], Problem("request-timeout", f"The {waiting} did not come in time."))

    def shed_one(self, *, keep_alive: bool) -> None:
        """Answer one request with 503."""
        self._limits.outcomes["overloaded"] += 1
        if not keep_alive or self._limits.is_closing:
            self.transport.write(_OVERLOADED_AND_CLOSED)
            self.transport.close()
        else:
            self.transport.write(_OVERLOADED)

    @property
    def _is_half_a_head(self) -> bool:
        return self.scope is not None and (self.cycle is None or self.cycle.scope is not self.scope)

    def _count_unfinished(self, size: int) -> None:
        """Count the bytes of a request that is not whole, for none of them may go on for ever."""
        if self._counted is not self.scope:
            self._counted, self._bytes = self.scope, 0
        self._bytes += size
        if self._is_half_a_head and self._bytes > _MOST_HEAD:
            detail = f"The head of a request may have {_MOST_HEAD:,} bytes."
            self._refuse("head_too_large", Problem("head-too-large", detail))
        elif self._bytes > self._limits.most_bytes:
            self._refuse("body_too_large", Problem("body-too-large", "The body goes on for ever.", field="body"))

    def _should_upgrade(self) -> bool:
        """Have uvicorn leave a request alone that asks for another protocol: it is read once more, see below."""
        return True

    def _read_without_upgrade(self, rest: memoryview) -> None:
        """Read a request, and what follows it, as if none asked for another protocol.

        Of one that does httptools reads no body, and goes no further. Java's own client asks for HTTP/2 so with every
        request.
        """
        size = len(rest)
        while True:
            method = self.parser.get_method()
            if method == b"CONNECT":
                self._refuse("malformed", _MALFORMED)
                return
            head = [b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())]
            head += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            try:
                self.parser.feed_data(b"".join((*head, b"\r\n")))
                self.parser.feed_data(rest)
            except httptools.HttpParserError:
                self._refuse("malformed", _MALFORMED)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                break
        cycle = self.cycle
        if cycle is None or cycle.more_body or cycle.scope is not self.scope:
            self._count_unfinished(size)

    def _turns_away(self, data: bytes) -> bool:
        """Whether these bytes are of a request that is answered with a 503 here."""
        if not self.is_shedding:
            cycle = self.cycle
            between = self.scope is None or (
                cycle is not None and cycle.scope is self.scope and cycle.response_complete and not cycle.more_body
            )
            if not between or not _is_work(data) or not self._shedder.sheds():
                return False
        if self._shed is None:
            self._shed = _Shed(self)
        try:
            self._shed.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # it was answered, and the connection with it: nobody reads where it ends
        except httptools.HttpParserError:
            self._refuse("malformed", _MALFORMED)
        if not self.is_shedding and not self.transport.is_closing():
            self._wait_for_next()
        return True

    def _wait_for_next(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _refuse(self, outcome: ConnectionOutcome, problem: Problem) -> None:
        """Answer a request that is not whole, and hear no more of the client."""
        self._limits.outcomes[outcome] += 1
        cycle = self.cycle
        if self.transport.is_closing():
            return
        if self.pipeline or (cycle is not None and cycle.response_started and not cycle.response_complete):
            self.transport.abort()  # another answer stands before this one, and nothing may be taken for it
        elif cycle is not None and not cycle.more_body and not cycle.response_complete:
            cycle.keep_alive = False  # what came before is whole: it is answered, and then it ends
            self.flow.pause_reading()
        else:
            self.transport.write(_rendered(problem, self.server_state.default_headers, keep_alive=False))
            self.transport.close()


class _Shed:
    """Reads requests that are turned away: with a parser of their own, which tells nothing but where each ends.

    What is whole, and where the next one begins, is for the same parser to say that reads all others; anything simpler
    could take a body for a request.
    """

    def __init__(self, connection: Connection) -> None:
        self.count = 0
        self.parser = httptools.HttpRequestParser(self)
        self._connection = connection

    def on_message_begin(self) -> None:
        self.count += 1
        self._connection.is_shedding = True

    def on_message_complete(self) -> None:
        self._connection.is_shedding = False
        parser = self.parser
        self._connection.shed_one(keep_alive=parser.should_keep_alive() and not parser.should_upgrade())


def _is_work(data: bytes) -> bool:
    """Whether a request is work: it is for the API, and neither administration nor one that waits to be asked on."""
    if not data.startswith((b"GET /v1/", b"POST /v1/")):
        return False
    return data.find(b" /v1/admin", 3, 16) < 0 and data.find(b"100-continue") < 0


def _rendered(problem: Problem, headers: list[tuple[bytes, bytes]], *, keep_alive: bool) -> bytes:
    body = problem.document()
    told = [
        *headers,
        (b"content-type", b"application/problem+json"),
        (b"x-content-type-options", b"nosniff"),
        (b"content-length", b"%d" % len(body)),
        *((name.encode(), value.encode()) for name, value in problem.headers.items()),
    ]
    if not keep_alive:
        told.append((b"connection", b"close"))
    head = b"".join(b"%s: %s\r\n" % header for header in told)
    return STATUS_LINE[problem.status] + head + b"\r\n" + body


_BUSY: Final = Problem("overloaded", "There is more to do than can be done in time.", headers=_RETRY)
_OVERLOADED: Final = _rendered(_BUSY, [], keep_alive=True)
_OVERLOADED_AND_CLOSED: Final = _rendered(_BUSY, [], keep_alive=False)
