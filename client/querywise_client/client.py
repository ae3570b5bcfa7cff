"""The client that blocks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import httpx

from querywise_client import calls
from querywise_client.answers import Discovered, Embeddings, EmbedKind, ReleaseInfo, Suggested, Understanding
from querywise_client.base import KEEPALIVE, BaseClient
from querywise_client.conversation import Pause, Send, Steps, converse, converse_in_parts, is_ready
from querywise_client.errors import QuerywiseError
from querywise_client.lanes import Lanes
from querywise_client.settings import CallOptions, Options
from querywise_client.wire import Body, Reply, failure_of

if TYPE_CHECKING:
    from typing import Unpack  # Python 3.10 has none, and needs none to run

__all__ = ["Client"]

T = TypeVar("T")


class Client(BaseClient[httpx.BaseTransport]):
    """Asks a Querywise service and waits for its answers; threads may share one.

    `BaseClient` has its arguments, and `CallOptions` those that every call takes beside its own.

    The time limit holds for every wait of a request but one: looking up the addresses of a name is up to the system's
    resolver, and not bounded. Each address has ``connect_timeout``, as far as the call has time left.
    """

    def understand(self, query: str, **options: Unpack[CallOptions]) -> Understanding:
        """Return what shoppers mean by a query, as one of them typed it.

        Raises:
            QuerywiseError: why there is no answer, unless an empty one is wanted.
        """
        return self._run(converse(self._ours(), calls.understand(query), Options(**options)))

    def understand_batch(self, queries: Sequence[str], **options: Unpack[CallOptions]) -> tuple[Understanding, ...]:
        """Return what shoppers mean by any number of queries, in order.

        Asked in requests of up to 1,000 queries and 1 MiB, one after the other; each has the time limit to itself. A
        request with a query that is too long is refused whole, and the field of the error counts over all of them.
        """
        parts = calls.understand_batches(queries)
        return self._run(converse_in_parts(self._ours(), parts, Options(**options)))

    def discover(
        self,
        query: str,
        *,
        shown: Sequence[str] = (),
        result_count: int | None = None,
        limit: int | None = None,
        **options: Unpack[CallOptions],
    ) -> Discovered:
        """Return substitutes and complements that a page does not show yet.

        Args:
            query: As the shopper typed it.
            shown: Ids of the products at the top of the page, up to 1,000.
            result_count: How many results the search has, where that is known: with few, substitutes lead.
            limit: Ideas of each kind, from 1 to 50; 6 unless it is given.
            options: As for every call.
        """
        call = calls.discover(query, shown, result_count, limit)
        return self._run(converse(self._ours(), call, Options(**options)))

    def suggest(self, query: str, *, limit: int | None = None, **options: Unpack[CallOptions]) -> Suggested:
        """Return queries to go on with; `limit` is from 1 to 50, and 6 unless it is given."""
        return self._run(converse(self._ours(), calls.suggest(query, limit), Options(**options)))

    def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbedKind,
        products: Sequence[str | None] | None = None,
        **options: Unpack[CallOptions],
    ) -> Embeddings:
        """Return vectors of up to 1,000 texts, all of one release; `products` has the id of the product of each.

        Not split where there are more: between two requests the release may change, and vectors of two releases are
        not comparable. There is no empty answer: without one this raises, whatever `on_error` is.
        """
        return self._run(converse(self._ours(), calls.embed(texts, kind, products), Options(**options)))

    def release(self, **options: Unpack[CallOptions]) -> ReleaseInfo:
        """Return what is being served. Without an answer this raises, whatever `on_error` is."""
        return self._run(converse(self._ours(), calls.release(), Options(**options)))

    def ready(self, **options: Unpack[CallOptions]) -> bool:
        """Return whether the service can be reached and has a release; asked once, without retries.

        Raises:
            BadAnswer: where something else is at the address.
            ApiError: where the service refuses to say.
        """
        return self._run(is_ready(self._ours(), calls.ready(), Options(**options)))

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
