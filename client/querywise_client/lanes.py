"""Connections for threads: each is used by one thread at a time."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator

import httpcore
import httpx

from querywise_client.idle import IdleLanes
from querywise_client.network import Network

__all__ = ["Lanes"]


class Lanes(httpx.BaseTransport):
    """As many connections as threads ask at once, up to a number; each goes back to the others when its answer is read.

    One transport of httpx shared by threads would do the same, but its pool (httpcore 1.0) asks of an idle connection
    whether it can be read from, and closes it then. Where another thread has taken that connection in between, what can
    be read is its answer: a thread in a few thousand requests then waits for its whole time limit. So every connection
    has a transport to itself.

    Args:
        number: Connections at once.
        verify: As `httpx.HTTPTransport` takes it; a context is made once, for all.
        keepalive: Seconds an idle connection is used again within, and closed after.
    """

    def __init__(self, number: int, *, verify: ssl.SSLContext | bool, keepalive: float) -> None:
        self._context = httpx.create_ssl_context(verify=verify, trust_env=False)
        self._places = threading.Semaphore(number)
        self._keepalive = keepalive
        self._idle: IdleLanes[_Lane] = IdleLanes(keepalive)
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection that nobody else uses.

        Raises:
            httpx.PoolTimeout: where none gets free within the time that the request has.
        """
        if not self._places.acquire(timeout=request.extensions["timeout"]["pool"]):
            raise httpx.PoolTimeout("No connection is free.", request=request)
        lane = self._idle.take() or _Lane(self._context, self._keepalive)
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

    def _give_back(self, lane: _Lane) -> None:
        self._idle.put(lane)
        self._places.release()
        self._close_idle()

    def _close_idle(self) -> None:
        for lane in self._idle.all() if self._closed else self._idle.late():
            lane.close()


class _Lane(httpx.HTTPTransport):
    """The transport of httpx, over a single connection and a network of ours."""

    def __init__(self, context: ssl.SSLContext, keepalive: float) -> None:
        # In place of the pool that httpx makes, which takes no network.
        self._network = Network()
        self._pool = httpcore.ConnectionPool(
            context, max_connections=1, keepalive_expiry=keepalive, network_backend=self._network
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._network.deadline = request.extensions["timeout"]
        return super().handle_request(request)


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
