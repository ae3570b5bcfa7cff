"""How many requests are in flight, and how often one goes out.

The number in flight follows the provider by additive increase and multiplicative decrease (Chiu, Jain 1989), with the
slow start of TCP (Jacobson 1988): it doubles every round until the provider first turns requests away, is cut to 0.7
(as in RFC 9438) in a round where more than a tenth of them were, and else grows by one. A provider that now and then
turns one away is not asking for less, so a single refusal changes nothing but the request that met it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

__all__ = ["Limiter", "Pace"]

_START = 8
_SMALLEST_ROUND = 20
_TOLERATED = 0.1
_DECREASE = 0.7


class Limiter:
    """Lets in as many as the provider bears.

    Args:
        most: Never more at once.
        clock: Seconds, for the tests.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._window = float(min(_START, most))
        self._doubles = True
        self._in_flight = 0
        self._answered = self._turned_away = 0
        self._cuts = 0
        self._not_before = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def window(self) -> int:
        """How many may be in flight now."""
        return int(self._window)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[int]:
        """Wait for room, and hold it; yields what `answered` and `turned_away` want to know of the request."""
        while self._in_flight >= self.window:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._wake()
                raise
        self._in_flight += 1
        try:
            while (wait := self._not_before - self._clock()) > 0:
                await asyncio.sleep(wait)
            yield self._cuts
        finally:
            self._in_flight -= 1
            self._wake()

    def answered(self, sent: int) -> None:
        """Note that the provider took a request."""
        if sent == self._cuts:
            self._answered += 1
            self._end_of_round()

    def turned_away(self, sent: int, retry_after: float | None) -> None:
        """Note that the provider said there were too many, and for how many seconds it wants none."""
        # What went out before the last cut tells nothing of what is left after it.
        if sent == self._cuts:
            self._turned_away += 1
            self._end_of_round(retry_after or 0.0)

    def _end_of_round(self, pause: float = 0.0) -> None:
        outcomes = self._answered + self._turned_away
        if self._turned_away > _TOLERATED * max(outcomes, _SMALLEST_ROUND):
            self._window = max(1.0, self._window * _DECREASE)
            self._doubles = False
            self._cuts += 1
            self._not_before = max(self._not_before, self._clock() + pause)
        elif outcomes < max(self.window, _SMALLEST_ROUND if self._turned_away else 1):
            return
        else:
            self._window = min(self._most, self._window * 2 if self._doubles else self._window + 1)
        self._answered = self._turned_away = 0
        self._wake()

    def _wake(self) -> None:
        free = self.window - self._in_flight
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1


class Pace:
    """Spaces what is spent evenly, so that no minute sees more than its share.

    Args:
        per_minute: How much may be spent in a minute: requests, or tokens.
    """

    def __init__(self, per_minute: float) -> None:
        self._rate = per_minute / 60
        self._next = 0.0

    async def spend(self, amount: float) -> None:
        """Wait until it is the turn of `amount`."""
        now = time.monotonic()
        start = max(now, self._next)
        self._next = start + amount / self._rate
        await asyncio.sleep(start - now)
