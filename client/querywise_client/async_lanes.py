"""Connections for tasks: each is used by one task at a time, and a call that is cut short takes its own with it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable

import httpcore
import httpx

from querywise_client.idle import IdleLanes
from querywise_client.network import AsyncNetwork

__all__ = ["AsyncLanes"]


class AsyncLanes(httpx.AsyncBaseTransport):
    """As many connections as tasks ask at once, up to a number; each goes back to the others when its answer is read.

    One transport of httpx shared by tasks would do the same, but a request that is cancelled can leave its pool
    (httpcore 1.0, encode/httpcore#1093) with a connection that nobody uses and nobody may use: a few slow answers then
    fill the pool for good. So every connection has a transport to itself, and that of a request which did not come to
    its end, for whatever reason, is closed and not used again.

    Args:
        number: Connections at once.
        verify: As `httpx.AsyncHTTPTransport` takes it; a context is made once, for all.
        keepalive: Seconds an idle connection is used again within, and closed after.
    """

    def __init__(self, number: int, *, verify: ssl.SSLContext | bool, keepalive: float) -> None:
        self._context = httpx.create_ssl_context(verify=verify, trust_env=False)
        self._places = asyncio.Semaphore(number)
        self._keepalive = keepalive
        self._idle: IdleLanes[_Lane] = IdleLanes(keepalive)
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over a connection that nobody else uses, and wait for one to get free."""
        await self._places.acquire()
        lane = self._idle.take() or _Lane(self._context, self._keepalive)
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            self._discard(lane)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        stream = _Stream(response.stream, lambda whole: self._give_back(lane) if whole else self._discard(lane))
        return httpx.Response(response.status_code, headers=response.headers, stream=stream)

    async def aclose(self) -> None:
        """Close what is idle; a connection in use is closed when its answer is read."""
        self._closed = True
        self._close_idle()
        if self._closing:
            await asyncio.wait(self._closing)

    def _give_back(self, lane: _Lane) -> None:
        self._places.release()
        self._idle.put(lane)
        self._close_idle()

    def _discard(self, lane: _Lane) -> None:
        self._places.release()
        self._close(lane)

    def _close_idle(self) -> None:
        for lane in self._idle.all() if self._closed else self._idle.late():
            self._close(lane)

    def _close(self, lane: _Lane) -> None:
        # Beside the call, whose time may be over, and where nothing cancels it.
        closing = asyncio.create_task(lane.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


class _Lane(httpx.AsyncHTTPTransport):
    """The transport of httpx, over a single connection and a network of ours."""

    def __init__(self, context: ssl.SSLContext, keepalive: float) -> None:
        # In place of the pool that httpx makes, which takes no network.
        self._network = AsyncNetwork()
        self._pool = httpcore.AsyncConnectionPool(
            context, max_connections=1, keepalive_expiry=keepalive, network_backend=self._network
        )

    async def aclose(self) -> None:
        await self._network.aclose()


class _Stream(httpx.AsyncByteStream):
    """The parts of an answer, and what to do once when it is closed: whether it was read to its end is said then."""

    def __init__(self, parts: httpx.AsyncByteStream, then: Callable[[bool], None]) -> None:
        self._parts = parts
        self._then = then
        self._whole = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            yield part
        self._whole = True

    async def aclose(self) -> None:
        """Close the answer."""
        try:
            await self._parts.aclose()
        except BaseException:
            self._then(False)
            raise
        self._then(self._whole)
