"""What a worker lets a connection do: how slowly it may speak, how much, and beside how many others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Final, Literal, Protocol, cast, get_args

from uvicorn.config import Config
from uvicorn.server import ServerState

from service.connections.shed import Shedder
from service.settings import Settings

__all__ = ["ConnectionLimits", "ConnectionOutcome", "Watched"]

ConnectionOutcome = Literal[
    "malformed", "head_too_large", "body_too_large", "slow_head", "slow_body", "slow_reader", "too_many", "overloaded"
]
"""Why a request, or a connection, was ended before the service saw it."""

_SECONDS: Final = 1.0
_CLOSE: Final = (b"connection", b"close")

Waiting = Literal["head", "body", "reader"]
"""What a connection keeps the service waiting for."""


class Watched(Protocol):
    """A connection that can be asked what it waits for, and be ended."""

    waiting_since: float
    waiting_for: tuple[Any, ...] | None

    def waits(self) -> tuple[Waiting, Any] | None:
        """Return what is awaited, and something that changes with the request; None where nothing is."""

    def end(self, waiting: Waiting) -> None:
        """End it, for it took too long."""


class ConnectionLimits:
    """The limits of a worker, and what came of them.

    No request pays for the deadlines: once a second all connections are asked what they wait for, so that each has its
    deadline and up to a second more. Only the monotonic clock counts.

    Args:
        settings: Of which it takes the limits.

    Attributes:
        shedder: Says which requests are turned away while there are too many.
        most: Connections that are kept at a time.
        most_bytes: Of a request that is not whole.
        is_closing: Whether each answer is the last of its connection.
        outcomes: How often a limit was met, by which.
    """

    def __init__(self, settings: Settings) -> None:
        self.shedder = Shedder(settings.shed_ms / 1000)
        self.most = settings.max_connections
        self.outcomes: dict[ConnectionOutcome, int] = dict.fromkeys(get_args(ConnectionOutcome), 0)
        # One byte in a chunk of its own takes six.
        self.most_bytes = 8 * max(settings.max_body, settings.max_batch_body)
        self.is_closing = False
        self._seconds: dict[Waiting, float] = {
            "head": settings.head_seconds,
            "body": settings.body_seconds,
            "reader": settings.head_seconds,
        }
        self._loop: asyncio.AbstractEventLoop | None = None
        self._config: Config
        self._state: ServerState | None = None

    def start(self, loop: asyncio.AbstractEventLoop, config: Config, state: ServerState) -> None:
        """Watch an event loop and its connections from now on; a second call for the same loop does nothing."""
        if self._loop is loop:
            return
        self._loop = loop
        self._config, self._state = config, state
        self.shedder.start(loop, lambda: len(state.tasks))
        if self.is_closing:
            self.close()
        every = min(_SECONDS, *self._seconds.values())

        def sweep() -> None:
            loop.call_later(every, sweep)
            self.sweep(cast(Iterable[Watched], state.connections))

        loop.call_later(every, sweep)

    def close(self) -> None:
        """From now on let each answer be the last of its connection."""
        self.is_closing = True
        if self._state is not None and _CLOSE not in self._config.encoded_headers:
            self._config.encoded_headers = [*self._config.encoded_headers, _CLOSE]
            self._state.default_headers = [*self._state.default_headers, _CLOSE]

    def sweep(self, connections: Iterable[Watched], now: float | None = None) -> None:
        """End the connections that have kept the service waiting for too long."""
        now = time.monotonic() if now is None else now
        for connection in list(connections):
            waits = connection.waits()
            if waits is None:
                connection.waiting_for = None
            elif waits != connection.waiting_for:
                connection.waiting_for, connection.waiting_since = waits, now
            elif now - connection.waiting_since >= self._seconds[waits[0]]:
                connection.end(waits[0])
