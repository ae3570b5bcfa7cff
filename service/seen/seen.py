"""Counts what a worker does; on the path of a precomputed answer that is two reads of the clock and two additions."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from threading import RLock
from time import perf_counter_ns
from typing import Final

from service.seen.board import Slot
from service.seen.series import (
    ANSWERING,
    BOUNDS,
    OUTCOMES,
    ROUTES,
    TIMED,
    Event,
    Outcome,
    Route,
    Timed,
    answers_at,
    event_at,
    histogram_at,
    request_at,
)

__all__ = ["Look", "Seen", "outcome_of", "release_of"]

_HEAD: Final = histogram_at(Timed(route="understand", source="head"))
_SUM: Final = len(BOUNDS) + 1
_HEAD_SUM: Final = _HEAD + _SUM
_TIMES: Final = {timed: histogram_at(timed) for timed in TIMED}
_BY_SOURCE: Final = [_TIMES[Timed(route="understand", source=outcome.source)] for outcome in OUTCOMES]
_BY_ROUTE: Final = {route: _TIMES[Timed(route=route)] for route in ROUTES}
_ANSWERS: Final = {route: answers_at(route, OUTCOMES[0]) for route in ANSWERING}
_UNKNOWN: Final = OUTCOMES.index(Outcome(source="fallback", reason="degraded"))

_NEVER: Final = (1 << 63) - 1
_HELD: Final = 64

_OPENING: Final = b'","source":"'
_OF_TEXT: Final = {f'{each.source}","reason":"{each.reason}"'.encode(): i for i, each in enumerate(OUTCOMES)}
_RELEASE: Final = b'","release":"'
_LONGEST: Final = max(map(len, _OF_TEXT))


def outcome_of(answer: bytes) -> Outcome:
    """Return who gave an answer, and why, from its bytes."""
    return OUTCOMES[_place_of(answer)]


def release_of(answer: bytes) -> str:
    """Return the release that an answer names, or "" where it names none."""
    start = answer.find(_RELEASE) + len(_RELEASE)
    return answer[start : answer.find(b'"', start)].decode() if start >= len(_RELEASE) else ""


def _place_of(answer: bytes) -> int:
    # Inside a JSON string each quote has a backslash before it, so that what opens the field can be nothing else.
    start = answer.find(_OPENING) + len(_OPENING)
    end = answer.find(b'"', answer.find(b'"reason":"', start, start + _LONGEST) + 10) + 1
    return _OF_TEXT.get(answer[start:end], _UNKNOWN)


class Look:
    """An answer that was taken to be looked at later, and how many it stands for."""

    __slots__ = ("answer", "weight")

    def __init__(self, answer: bytes, weight: int) -> None:
        self.answer = answer
        self.weight = weight


class Seen:
    """What one worker counts, into its slab. For the thread of its event loop; `event` for any.

    Attributes:
        slot: The slab.
        looks: Answers to be looked at, the newest 64.
        missed: Told of each answer that is not precomputed; None: nobody is.
    """

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.looks: deque[Look] = deque(maxlen=_HELD)
        self.missed: Callable[[bytes], None] | None = None
        self._counters = slot.counters
        self._mask = _NEVER
        # Reentrant: a signal may have a line logged in the midst of an addition, and that line be dropped.
        self._one = RLock()

    @property
    def one_in(self) -> int:
        """One in so many answers is taken to be looked at; 0: none is."""
        return 0 if self._mask == _NEVER else self._mask + 1

    @one_in.setter
    def one_in(self, one_in: int) -> None:
        """Set it to 0 or a power of two."""
        self._mask = one_in - 1 if one_in else _NEVER

    def head(self, began: int, answer: bytes) -> None:
        """Count a precomputed answer to one query, now that it is sent; `began` as `time.perf_counter_ns` told."""
        took = perf_counter_ns() - began
        counters = self._counters
        at = _HEAD + bisect_left(BOUNDS, took)
        counters[at] = count = counters[at] + 1
        counters[_HEAD_SUM] += took
        if not count & self._mask:
            self.looks.append(Look(answer, self._mask + 1))

    def miss(self, began: int, answer: bytes) -> None:
        """Count an answer to one query that is not precomputed, now that it is sent."""
        place = _place_of(answer)
        at = _ANSWERS["understand"] + place
        self._counters[at] = count = self._counters[at] + 1
        self._time(_BY_SOURCE[place], perf_counter_ns() - began)
        if not count & self._mask:
            self.looks.append(Look(answer, self._mask + 1))
        if self.missed is not None:
            self.missed(answer)

    def batch(self, answers: Iterable[bytes], missed: Iterable[bytes]) -> None:
        """Count the answers of a batch, and tell of those among them that were not precomputed."""
        first = _ANSWERS["batch"]
        for answer in answers:
            at = first + _place_of(answer)
            self._counters[at] = count = self._counters[at] + 1
            if not count & self._mask:
                self.looks.append(Look(answer, self._mask + 1))
        if self.missed is not None:
            for answer in missed:
                self.missed(answer)

    def request(self, route: Route, status: int, began: int) -> None:
        """Count any other request, now that it is answered; of ``/v1/understand`` what has no understanding."""
        self._counters[request_at(route, status)] += 1
        self._time(_BY_ROUTE[route], perf_counter_ns() - began)

    def event(self, event: Event, times: int = 1) -> None:
        """Count something that is no request; from any thread."""
        with self._one:
            self._counters[event_at(event)] += times

    def _time(self, first: int, took: int) -> None:
        self._counters[first + bisect_left(BOUNDS, took)] += 1
        self._counters[first + _SUM] += took
