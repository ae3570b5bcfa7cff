"""Connections for threads: each is used by one thread at a time."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic

import httpx

__all__ = ["Lanes"]


class Lanes(httpx.BaseTransport):
    """As many connections as threads ask at once, up to a number; each goes back to the others when its answer is read.

    One transport of httpx shared by threads would do the same, but its pool (httpcore 1.0) asks of an idle connection
    whether it can be read from, and closes it then. Where another thread has taken that connection in between, what can
    be read is its answer: a thread in a few thousand requests then waits for its whole time limit. So every connection
    has a transport to itself.

    Such a transport looks at the age of its connection only when it is asked to send, so the idle ones are closed here:
    whenever a connection is given back, those that nobody used for longer than `keepalive`.

    Args:
        number: Connections at once.
        verify: As `httpx.HTTPTransport` takes it; a context is made once, for all.
        keepalive: Seconds an idle connection is used again within, and closed after.
    """

    def __init__(self, number: int, *, verify: ssl.SSLContext | bool, keepalive: float) -> None:
        self._verify = httpx.create_ssl_context(verify=verify, trust_env=False)
        self._limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive)
        self._places = threading.Semaphore(number)
        self._keepalive = keepalive
        self._lock = threading.Lock()
        self._free: list[_Idle] = []  # the one used last at the end
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection that nobody else uses.

        Raises:
            httpx.PoolTimeout: where none gets free within the time that the request has.
        """
        if not self._places.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("No connection is free.", request=request)
        lane = self._take()
        try:
            response = lane.handle_request(request)
        except BaseException:
            self._give_back(lane)
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        stream = _Stream(response.stream, lambda: self._give_back(lane))
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    def close(self) -> None:
        """Close what is idle; a connection in use is closed when its answer is read."""
        self._closed = True
        self._close_idle()

    def _take(self) -> httpx.HTTPTransport:
        with self._lock:
            if self._free:
                # The one used last, so that with little to do the others stay idle and are closed.
                return self._free.pop().lane
        return httpx.HTTPTransport(verify=self._verify, trust_env=False, limits=self._limits)

    def _give_back(self, lane: httpx.HTTPTransport) -> None:
        with self._lock:
            self._free.append(_Idle(lane=lane, since=monotonic()))
        self._places.release()
        self._close_idle()

    def _close_idle(self) -> None:
        late: list[_Idle] = []
        before = monotonic() - self._keepalive
        with self._lock:
            while self._free and (self._closed or self._free[0].since < before):
                late.append(self._free.pop(0))
        for idle in late:
            idle.lane.close()


@dataclass(frozen=True, kw_only=True)
class _Idle:
    """A connection that nobody uses, and the time since when."""

    lane: httpx.HTTPTransport
    since: float


class _Stream(httpx.SyncByteStream):
    """The parts of an answer, and what to do once when it is read or given up."""

    def __init__(self, parts: httpx.SyncByteStream, then: Callable[[], None]) -> None:
        self._parts = parts
        self._then: Callable[[], None] | None = then

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts

    def close(self) -> None:
        """Close the answer."""
        then, self._then = self._then, None
        try:
            self._parts.close()
        finally:
            if then is not None:
                then()
