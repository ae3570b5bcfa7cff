"""The client that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TypeVar

import httpx

from querywise_client.answers import Discovered, Embeddings, EmbedKind, ReleaseInfo, Suggested, Understanding
from querywise_client.base import KEEPALIVE, BaseClient
from querywise_client.conversation import Pause, Send, Steps
from querywise_client.errors import QuerywiseError
from querywise_client.settings import OnError, Options
from querywise_client.wire import Body, Reply, failure_of

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient(BaseClient[httpx.AsyncBaseTransport]):
    """`Client` for asyncio: the same calls, awaited, and an exact time limit. It belongs to one event loop."""

    async def understand(
        self,
        query: str,
        *,
        client_id: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Understanding:
        """As `Client.understand`."""
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return await self._run(self._understand(query, options))

    async def understand_batch(
        self,
        queries: Sequence[str],
        *,
        client_id: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> tuple[Understanding, ...]:
        """As `Client.understand_batch`."""
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return await self._run(self._understand_batch(queries, options))

    async def discover(
        self,
        query: str,
        *,
        shown: Sequence[str] = (),
        result_count: int | None = None,
        limit: int | None = None,
        client_id: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Discovered:
        """As `Client.discover`."""
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return await self._run(self._discover(query, shown, result_count, limit, options))

    async def suggest(
        self,
        query: str,
        *,
        limit: int | None = None,
        client_id: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Suggested:
        """As `Client.suggest`."""
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return await self._run(self._suggest(query, limit, options))

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbedKind,
        products: Sequence[str | None] | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Embeddings:
        """As `Client.embed`."""
        options = Options(request_id=request_id, headers=headers or {}, timeout=timeout)
        return await self._run(self._embed(texts, kind, products, options))

    async def release(self, *, headers: Mapping[str, str] | None = None, timeout: float | None = None) -> ReleaseInfo:
        """As `Client.release`."""
        return await self._run(self._release(Options(headers=headers or {}, timeout=timeout)))

    async def ready(self, *, headers: Mapping[str, str] | None = None, timeout: float | None = None) -> bool:
        """As `Client.ready`."""
        return await self._run(self._ready(Options(headers=headers or {}, timeout=timeout)))

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
        most = self._max_connections
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=KEEPALIVE)
        return httpx.AsyncHTTPTransport(verify=self._verify, trust_env=False, limits=limits)

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
        return await asyncio.wait_for(_exchange(transport, step), step.deadline["read"])
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
