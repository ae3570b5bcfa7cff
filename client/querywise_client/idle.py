"""Connections that nobody uses at the moment."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic
from typing import Generic, TypeVar

__all__ = ["IdleLanes"]

LaneT = TypeVar("LaneT")


class IdleLanes(Generic[LaneT]):
    """Lanes that were given back, in the order of that; threads may share it.

    A lane looks at the age of its connection only when it is asked to send, so whoever gives lanes back is to close
    those that are `late`.

    Args:
        keepalive: Seconds after which one that nobody took is late.
    """

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[LaneT]] = []

    def take(self) -> LaneT | None:
        """Return the one used last, so that with little to do the others stay idle and are closed; None without any."""
        with self._lock:
            return self._waiting.pop().lane if self._waiting else None

    def put(self, lane: LaneT) -> None:
        """Take one back."""
        with self._lock:
            self._waiting.append(_Waiting(lane=lane, since=monotonic()))

    def late(self) -> list[LaneT]:
        """Take out those that nobody used for too long."""
        late: list[LaneT] = []
        before = monotonic() - self._keepalive
        with self._lock:
            while self._waiting and self._waiting[0].since < before:
                late.append(self._waiting.pop(0).lane)
        return late

    def all(self) -> list[LaneT]:
        """Take out every one."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return [waiting.lane for waiting in taken]


@dataclass(frozen=True, kw_only=True)
class _Waiting(Generic[LaneT]):
    """A lane, and the time since when it waits."""

    lane: LaneT
    since: float
