"""Load that is more than can be answered: which share of it is turned away, so that the rest is answered in time.

PIE (Pan et al., RFC 8033), a controller of queues, on the event loop: what it keeps to a target is the time that one
turn of the loop takes, for that is how long a request waits before anybody looks at it. A share of the requests, not
the queue's end, is turned away; the share rises while turns are too long or get longer, and falls again by itself. No
request measures anything: a timer does, a hundred times a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Shedder"]

_TICK: Final = 0.010
_UPDATE: Final = 0.015  # seconds between two updates, for which the RFC gives the gains
# The gains of the RFC at 50 ms, our default; they go with the target, so that every target behaves alike.
_ALPHA: Final = 0.125 * 0.05
_BETA: Final = 1.25 * 0.05
_BURST: Final = 0.15  # seconds for which a delay is no standing one; and two turns at least, however long
_FAR: Final = 2  # times the target: from there on the share rises as fast as it may
_LONGEST: Final = 0.5
_FEW: Final = 20
_ROUNDING: Final = 1e-9
_STEP: Final = 0.02
_DECAY: Final = 0.98
_MOST: Final = 0.98  # a few are always let through: without them nobody would learn that it is over
_LEAST: Final = 0.001

# Below these shares the gains are this much smaller (section 4.2): a single stall must not turn anybody away.
_TUNING: Final = ((1e-6, 2048), (1e-5, 512), (1e-4, 128), (1e-3, 32), (1e-2, 8), (1e-1, 2))


class Shedder:
    """Tells which requests to turn away.

    Args:
        target: Seconds of delay to keep; 0: nobody is turned away, ever.

    Attributes:
        share: Of the requests, that are to be turned away, from 0 to 1.
    """

    def __init__(self, target: float) -> None:
        self.share = 0.0
        self._target = target
        self._wanted = 0.0  # what the controller says, of which very little counts as nothing
        self._delay = 0.0
        self._burst = _BURST
        self._debt = 0.0
        self._ticked = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: Callable[[], int] = lambda: 0

    def start(self, loop: asyncio.AbstractEventLoop, waiting: Callable[[], int]) -> None:
        """Watch an event loop from now on, if there is a target; a second call for the same loop does nothing.

        Args:
            loop: The event loop.
            waiting: How many requests are under way.
        """
        if self._target and self._loop is not loop:
            self._loop, self._waiting = loop, waiting
            self._ticked = time.monotonic()
            loop.call_later(_TICK, self._tick)

    def sheds(self) -> bool:
        """Whether to turn the next request away: of many in a row, the share, evenly."""
        self._debt += self.share
        if self._debt < 1:
            return False
        self._debt -= 1
        return True

    def update(self, delay: float, elapsed: float) -> None:
        """Take in how long the loop takes for a turn, and how long ago it was asked last, in seconds."""
        self._burst = max(0.0, self._burst - min(elapsed, _BURST / 2))
        may_be_a_burst = self._burst > _ROUNDING
        steps = min(elapsed, _LONGEST) / _UPDATE
        gain = next((1 / divisor for most, divisor in _TUNING if self._wanted < most), 1.0)
        above, rise = (delay - self._target) / self._target, (delay - self._delay) / self._target
        change = gain * (_ALPHA * above * steps + _BETA * rise)
        if self._wanted >= 0.1:
            change = min(change, _STEP * steps)
        if delay > _FAR * self._target and not may_be_a_burst:
            change = max(change, _STEP * steps)
        wanted = self._wanted + change
        if delay == 0 and self._delay == 0:
            wanted *= _DECAY**steps
        self._wanted = min(max(wanted, 0.0), _MOST)
        if self._wanted == 0 and delay < self._target / 2 and self._delay < self._target / 2:
            self._burst = _BURST
        self._delay = delay
        self.share = self._wanted if self._wanted >= _LEAST and not may_be_a_burst else 0.0

    def _tick(self) -> None:
        assert self._loop is not None
        now = time.monotonic()
        elapsed, self._ticked = now - self._ticked, now
        late = elapsed - _TICK
        # The timer of an idle loop is a millisecond late at times. And a delay that few share is no queue: the machine
        # has been busy with something else, and turning them away would only leave this process idle.
        self.update(late if late > 0.002 and self._waiting() >= _FEW else 0.0, elapsed)
        self._loop.call_later(_TICK, self._tick)
