"""What a worker does once a second beside its requests: says how it does, and looks at the answers put aside."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from service.seen.drift import Drift
from service.seen.process import beat
from service.seen.seen import Seen
from service.seen.series import EVENTS, OUTCOMES, TIMED, Event, Timed, answers_at, gauge_at, histogram_at

__all__ = ["Beat"]

_log = logging.getLogger(__name__)

_EVERY: Final = 1.0
_LOOKED_AT: Final = 32
"""Answers that are looked at in a second; with no more than so many, all are."""

_BETWEEN: Final = 0.005
"""Seconds between two of them: they are looked at one by one, for the event loop stands still meanwhile."""

_LEAST_RARE: Final = 1 << 20
_HEAD: Final = slice(histogram_at(TIMED[0]), histogram_at(TIMED[1]) - 1)
_MISSED: Final = slice(answers_at("understand", OUTCOMES[0]), answers_at("batch", OUTCOMES[-1]) + 1)

assert TIMED[0] == Timed(route="understand", source="head")


class Beat:
    """A thread that wakes once a second, and wakes the event loop too: a beat is told only where that goes on.

    Args:
        seen: What the worker counts.
        waiting: Returns how many queries wait.
        drift: Looks at answers that were put aside; None: none are put aside.
        tallies: Return how often events that others count have happened since the worker began; no event is in two.
    """

    def __init__(
        self,
        seen: Seen,
        *,
        waiting: Callable[[], int],
        drift: Drift | None = None,
        tallies: Sequence[Callable[[], Mapping[Event, int]]] = (),
    ) -> None:
        self._seen = seen
        self._waiting = waiting
        self._drift = drift
        self._tallies = tallies
        self._counted: Counter[Event] = Counter()
        self._answered = self._answers()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._one = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="beat", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin; where there is an event loop, in it."""
        self._loop = loop
        self._adapt()
        self.now()
        self._tell()
        self._thread.start()

    def now(self) -> None:
        """Bring up to date what the worker says of itself; from any thread."""
        with self._one:
            self._take_tallies()
            for _ in range(len(self._seen.looks)):
                self._look()
            beat(self._seen.slot, waiting=self._waiting(), one_in=self._seen.one_in)

    def close(self) -> None:
        """End, after a last time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self.now()

    def _work(self) -> None:
        while not self._stop.wait(_EVERY):
            if self._loop is None:
                self._tell()
            else:
                with suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._tell)
            try:
                self._look_at_some()
                self.now()
            except Exception as error:
                # By its type alone: it may quote an answer.
                _log.error("the beat failed: %s", type(error).__name__)
            self._adapt()

    def _look_at_some(self) -> None:
        for _ in range(min(_LOOKED_AT, len(self._seen.looks))):
            with self._one:
                self._look()
            if self._stop.wait(_BETWEEN):
                return

    def _look(self) -> None:
        """Look at an answer that was put aside, unless somebody else was faster."""
        if self._drift is not None and self._seen.looks:
            self._drift.look(self._seen.looks.popleft())

    def _tell(self) -> None:
        self._seen.slot.gauges[gauge_at("beat_ns")] = time.time_ns()

    def _adapt(self) -> None:
        if self._drift is None or not self._drift.compares:
            self._seen.one_in = 0
            return
        answered = self._answers()
        rate, self._answered = (answered - self._answered) / _EVERY, answered
        one_in = 1
        while rate > one_in * _LOOKED_AT and one_in < _LEAST_RARE:
            one_in *= 2
        self._seen.one_in = one_in

    def _answers(self) -> int:
        counters = self._seen.slot.counters
        return sum(counters[_HEAD]) + sum(counters[_MISSED])

    def _take_tallies(self) -> None:
        tallied = Counter[Event]()
        for tally in self._tallies:
            tallied.update(tally())
        for event in EVENTS:
            if tallied[event] > self._counted[event]:
                self._seen.event(event, tallied[event] - self._counted[event])
                self._counted[event] = tallied[event]
