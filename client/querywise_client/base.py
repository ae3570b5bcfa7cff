"""What both clients are made of: settings, and the connections of one process."""

from __future__ import annotations

import os
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import httpx

from querywise_client.conversation import Link
from querywise_client.errors import ClientClosed, QuerywiseError
from querywise_client.settings import ApiKey, OnError, Settings, base_address

__all__ = ["KEEPALIVE", "BaseClient"]

TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)

KEEPALIVE = 4.0
"""Seconds an idle connection is kept. The service keeps it for 75, but a proxy in front may close it sooner: Apache
httpd after five, unless it is told otherwise. A request over a connection that the other side is just closing is lost
and sent again, so this side is to close first."""


class BaseClient(ABC, Generic[TransportT]):
    """What `Client` and `AsyncClient` share.

    Args:
        base_url: Where the service is, such as ``http://querywise:8080``; a path before ``/v1`` may follow.
        api_key: Sent as ``Authorization: Bearer KEY``; or a function that returns it, asked at every request. What it
            raises, the call raises, whatever ``on_error`` is.
        timeout: Seconds that a call may take in all, connecting, retries and pauses included.
        connect_timeout: Seconds of these that making a connection may take.
        batch_timeout: As ``timeout``, for each request of a batch and for `embed`.
        retries: Times that a request is sent again at most, in the time that the call has.
        on_error: ``raise``: a call without an answer raises its error. ``empty``: understanding, discovery and
            suggestions come back empty instead, with the reason ``degraded``, and the search goes on without.
        on_failure: Called with the error of every call that has no answer, whatever ``on_error`` is: for metrics.
        headers: Sent with every request.
        cache_size: Understandings that are kept as the headers of their answers allow; with 0 none is, and queries
            are posted, so that they are in no address that is logged on the way.
        pause_after: Calls in a row that find nobody, after which calls fail at once; with 0 they never do.
        pause_seconds: How long they do so, before one of them looks again.
        max_connections: Connections at once; a call beyond them waits for one to be free.
        verify: Whose certificates are trusted: as Python has it, a context's, or with False anybody's.
        transport: Takes the place of httpx's own, for a proxy or a test; closed with the client.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: ApiKey | None = None,
        timeout: float = 0.25,
        connect_timeout: float = 0.1,
        batch_timeout: float = 10.0,
        retries: int = 2,
        on_error: OnError = "raise",
        on_failure: Callable[[QuerywiseError], object] | None = None,
        headers: Mapping[str, str] | None = None,
        cache_size: int = 0,
        pause_after: int = 5,
        pause_seconds: float = 1.0,
        max_connections: int = 100,
        verify: ssl.SSLContext | bool = True,
        transport: TransportT | None = None,
    ) -> None:
        self._address = base_address(base_url)
        self._settings = Settings(
            api_key=api_key,
            timeout=timeout,
            connect_timeout=connect_timeout,
            batch_timeout=batch_timeout,
            retries=retries,
            on_error=on_error,
            on_failure=on_failure,
            headers=dict(headers or {}),
            cache_size=cache_size,
            pause_after=pause_after,
            pause_seconds=pause_seconds,
        )
        # A context takes tens of milliseconds to make, and an address without TLS needs none.
        self._verify = verify if self._address.startswith("https:") else False
        self._max_connections = max_connections
        self._given: TransportT | None = transport
        self._closed = False
        self._left_behind: list[TransportT] = []
        self._connect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"

    @abstractmethod
    def _open(self) -> TransportT:
        """Return the transport of httpx."""

    def _connect(self) -> None:
        self._process = os.getpid()
        self._link = Link(self._address, self._settings)
        self._transport: TransportT = self._open() if self._given is None else self._given

    def _ours(self) -> Link:
        """Return the link of this process, with connections of its own.

        A process forked from the one that made the client shares its sockets, and would take its parent's answers.
        """
        if self._closed:
            raise ClientClosed("The client is closed.")
        if self._process != os.getpid():
            self._left_behind.append(self._transport)  # the parent's to close
            self._connect()
        return self._link
