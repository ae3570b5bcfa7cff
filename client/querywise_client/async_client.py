"""The client that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import httpx

from querywise_client import calls
from querywise_client.answers import Discovered, Embeddings, EmbedKind, ReleaseInfo, Suggested, Understanding
from querywise_client.async_lanes import AsyncLanes
from querywise_client.base import KEEPALIVE, BaseClient
from querywise_client.conversation import Pause, Send, Steps, converse, converse_in_parts, is_ready
from querywise_client.errors import QuerywiseError
from querywise_client.settings import CallOptions, Options
from querywise_client.wire import Body, Reply, failure_of

if TYPE_CHECKING:
    from typing import Unpack  # Python 3.10 has none, and needs none to run

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient(BaseClient[httpx.AsyncBaseTransport]):
    """`Client` for asyncio: the same calls, awaited, and a time limit without exception. It belongs to one event loop.

    A call that is late or cancelled has its connection closed. Where a ``transport`` is given, that is up to it: the
    pool of `httpx.AsyncHTTPTransport` can lose connections so (encode/httpcore#1093).
    """

    async def understand(self, query: str, **options: Unpack[CallOptions]) -> Understanding:
        """As `Client.understand`."""
        return await self._run(converse(self._ours(), calls.understand(query), Options(**options)))

    async def understand_batch(
        self, queries: Sequence[str], **options: Unpack[CallOptions]
    ) -> tuple[Understanding, ...]:
        """As `Client.understand_batch`."""
        parts = calls.understand_batches(queries)
        return await self._run(converse_in_parts(self._ours(), parts, Options(**options)))

    async def discover(
        self,
        query: str,
        *,
        shown: Sequence[str] = (),
        result_count: int | None = None,
        limit: int | None = None,
        **options: Unpack[CallOptions],
    ) -> Discovered:
        """As `Client.discover`."""
        call = calls.discover(query, shown, result_count, limit)
        return await self._run(converse(self._ours(), call, Options(**options)))

    async def suggest(self, query: str, *, limit: int | None = None, **options: Unpack[CallOptions]) -> Suggested:
        """As `Client.suggest`."""
        return await self._run(converse(self._ours(), calls.suggest(query, limit), Options(**options)))

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbedKind,
        products: Sequence[str | None] | None = None,
        **options: Unpack[CallOptions],
    ) -> Embeddings:
        """As `Client.embed`."""
        return await self._run(converse(self._ours(), calls.embed(texts, kind, products), Options(**options)))

    async def release(self, **options: Unpack[CallOptions]) -> ReleaseInfo:
        """As `Client.release`."""
        return await self._run(converse(self._ours(), calls.release(), Options(**options)))

    async def ready(self, **options: Unpack[CallOptions]) -> bool:
        """As `Client.ready`."""
        return await self._run(is_ready(self._ours(), calls.ready(), Options(**options)))

    async def aclose(self) -> None:
        """Close the connections; calls after this raise `ClientClosed`."""
        if not self._closed:
            self._closed = True
            await self._transport.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _open(self) -> httpx.AsyncBaseTransport:
        return AsyncLanes(self._max_connections, verify=self._verify, keepalive=KEEPALIVE)

    async def _run(self, steps: Steps[T]) -> T:
        outcome: Reply | QuerywiseError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
                outcome = None
            else:
                outcome = await _send(self._transport, step)


async def _send(transport: httpx.AsyncBaseTransport, step: Send) -> Reply | QuerywiseError:
    try:
        seconds = step.deadline["read"]
        return await asyncio.wait_for(_exchange(transport, step), seconds)
    except (httpx.HTTPError, QuerywiseError, asyncio.TimeoutError) as error:
        return failure_of(error, step.deadline)


async def _exchange(transport: httpx.AsyncBaseTransport, step: Send) -> Reply:
    response = await transport.handle_async_request(step.request)
    try:
        body = Body(step.deadline)
        async for part in response.aiter_bytes():
            body.add(part)
    finally:
        await response.aclose()
    return Reply(status=response.status_code, headers=response.headers, body=body.whole())
