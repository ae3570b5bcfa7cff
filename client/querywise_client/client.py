"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TypeVar

import httpx

from querywise_client.answers import Discovered, Embeddings, EmbedKind, ReleaseInfo, Suggested, Understanding
from querywise_client.base import KEEPALIVE, BaseClient
from querywise_client.conversation import Pause, Send, Steps
from querywise_client.errors import QuerywiseError
from querywise_client.lanes import Lanes
from querywise_client.settings import OnError, Options
from querywise_client.wire import Body, Reply, failure_of

__all__ = ["Client"]

T = TypeVar("T")


class Client(BaseClient[httpx.BaseTransport]):
    """Asks a Querywise service and waits for its answers; threads may share one. `BaseClient` has its arguments.

    The time limit holds for every step of a request and between the parts of an answer. Looking up the address of a
    name is up to the system's resolver, and not bounded.
    """

    def understand(
        self,
        query: str,
        *,
        client_id: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> Understanding:
        """Return what shoppers mean by a query.

        Args:
            query: As the shopper typed it.
            client_id: The shopper's browser or device; where traffic is split between releases, it stays with one.
                What no header may hold is percent-encoded, here and in `request_id`.
            request_id: The id under which the service logs the request.
            headers: Sent with this request, such as those of a trace.
            timeout: Seconds, in place of the client's own.
            on_error: In place of the client's own.

        Raises:
            QuerywiseError: why there is no answer, unless an empty one is wanted.
        """
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return self._run(self._understand(query, options))

    def understand_batch(
        self,
        queries: Sequence[str],
        *,
        client_id: str | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        on_error: OnError | None = None,
    ) -> tuple[Understanding, ...]:
        """Return what shoppers mean by any number of queries, in order.

        Asked in requests of up to 1,000 queries and 1 MiB, one after the other; each has the time limit to itself. A
        request with a query that is too long is refused whole, and the field of the error counts over all of them.
        """
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return self._run(self._understand_batch(queries, options))

    def discover(
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
        """Return substitutes and complements that a page does not show yet.

        Args:
            query: As the shopper typed it.
            shown: Ids of the products at the top of the page, up to 1,000.
            result_count: How many results the search has, where that is known: with few, substitutes lead.
            limit: Ideas of each kind, from 1 to 50; 6 unless it is given.
            client_id: As `understand` has it, and so the other arguments.
            request_id: The same.
            headers: The same.
            timeout: The same.
            on_error: The same.
        """
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return self._run(self._discover(query, shown, result_count, limit, options))

    def suggest(
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
        """Return queries to go on with; `limit` is from 1 to 50, and 6 unless it is given."""
        options = Options(
            client_id=client_id, request_id=request_id, headers=headers or {}, timeout=timeout, on_error=on_error
        )
        return self._run(self._suggest(query, limit, options))

    def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbedKind,
        products: Sequence[str | None] | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Embeddings:
        """Return vectors of up to 1,000 texts, all of one release; `products` has the id of the product of each.

        Not split where there are more: between two requests the release may change, and vectors of two releases are
        not comparable. There is no empty answer: without one this raises, whatever `on_error` is.
        """
        options = Options(request_id=request_id, headers=headers or {}, timeout=timeout)
        return self._run(self._embed(texts, kind, products, options))

    def release(self, *, headers: Mapping[str, str] | None = None, timeout: float | None = None) -> ReleaseInfo:
        """Return what is being served. Without an answer this raises, whatever `on_error` is."""
        return self._run(self._release(Options(headers=headers or {}, timeout=timeout)))

    def ready(self, *, headers: Mapping[str, str] | None = None, timeout: float | None = None) -> bool:
        """Return whether the service can be reached and has a release; asked once, without retries.

        Raises:
            BadAnswer: where something else is at the address.
            ApiError: where the service refuses to say.
        """
        return self._run(self._ready(Options(headers=headers or {}, timeout=timeout)))

    def close(self) -> None:
        """Close the connections; calls after this raise `ClientClosed`."""
        if not self._closed:
            self._closed = True
            self._transport.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> httpx.BaseTransport:
        return Lanes(self._max_connections, verify=self._verify, keepalive=KEEPALIVE)

    def _run(self, steps: Steps[T]) -> T:
        outcome: Reply | QuerywiseError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Pause):
                time.sleep(step.seconds)
                outcome = None
            else:
                outcome = _send(self._transport, step)


def _send(transport: httpx.BaseTransport, step: Send) -> Reply | QuerywiseError:
    try:
        response = transport.handle_request(step.request)
        try:
            body = Body(step.deadline)
            for part in response.iter_bytes():
                body.add(part)
        finally:
            response.close()
    except (httpx.HTTPError, QuerywiseError) as error:
        return failure_of(error, step.deadline)
    return Reply(status=response.status_code, headers=response.headers, body=body.whole())
