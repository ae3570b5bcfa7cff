"""Queries that arrive together, answered in one pass through the model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import NamedTuple

from service.problems import Problem

__all__ = ["Batcher", "TurnBatcher"]

Answer = Callable[[Sequence[str], Sequence[str]], list[bytes]]


class TurnBatcher:
    """Answers the queries that have come in one turn of the event loop in one call, in the loop itself.

    Nobody waits for others who may come: a query alone is answered by itself. The busier the loop, the more queries
    have come while it was at work, and the less each of them costs.

    Args:
        answer: Answers queries, as sent and normalised, in order.
        most: Queries of one call; others have a turn between two calls.
    """

    def __init__(self, answer: Answer, *, most: int) -> None:
        self._answer = answer
        self._most = most
        self._queue: deque[_Asked] = deque()

    def __len__(self) -> int:
        """How many queries wait for a call."""
        return len(self._queue)

    async def answer(self, raw: str, normalised: str) -> bytes:
        """Answer one query."""
        loop = asyncio.get_running_loop()
        asked = _Asked(raw, normalised, loop.create_future())
        self._queue.append(asked)
        if len(self._queue) == 1:
            loop.call_soon(self._work, loop)
        return await asked.answer

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        taken = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        if self._queue:
            loop.call_soon(self._work, loop)
        # Nobody waits for the others: the service stops, and has cancelled their requests.
        waiting = [asked for asked in taken if not asked.answer.done()]
        if not waiting:
            return
        try:
            answers = self._answer([asked.raw for asked in waiting], [asked.normalised for asked in waiting])
        except Exception as error:
            for asked in waiting:
                asked.answer.set_exception(error)
            return
        for asked, answer in zip(waiting, answers, strict=True):
            asked.answer.set_result(answer)


class _Asked(NamedTuple):
    raw: str
    normalised: str
    answer: asyncio.Future[bytes]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Waiting:
    raw: str
    normalised: str
    due: float
    answer: asyncio.Future[bytes]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pass:
    taken: Sequence[_Waiting]
    answers: Sequence[bytes | Exception]


class Batcher:
    """Collects queries until there are enough or the first has waited long enough, and answers them in one call.

    What comes while a call is under way is collected for the next. The collecting itself waits in the thread, because
    an event loop keeps time in milliseconds.

    Args:
        answer: Answers queries, as sent and normalised, in order; called in the thread.
        thread: Of one worker.
        most: Queries of one call.
        wait_us: How long the first query of a call waits for others, in microseconds.
    """

    def __init__(self, answer: Answer, thread: Executor, *, most: int, wait_us: int) -> None:
        self._answer = answer
        self._thread = thread
        self._most = most
        self._wait = wait_us / 1e6
        self._queue: deque[_Waiting] = deque()
        self._enough = threading.Event()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False

    def __len__(self) -> int:
        """How many queries wait for a call to begin."""
        return len(self._queue)

    async def answer(self, raw: str, normalised: str) -> bytes:
        """Answer one query.

        Raises:
            Problem: when the service stops before the query's turn.
        """
        if self._closed:
            raise _stopping()
        loop = asyncio.get_running_loop()
        due = time.perf_counter() + self._wait
        waiting = _Waiting(raw=raw, normalised=normalised, due=due, answer=loop.create_future())
        self._queue.append(waiting)
        if len(self._queue) >= self._most:
            self._enough.set()
        if self._worker is None:
            self._worker = loop.create_task(self._work(loop))
        return await waiting.answer

    def close(self) -> None:
        """Refuse what waits and what comes; a call that has begun still answers its queries."""
        self._closed = True
        while (waiting := self._next()) is not None:
            if not waiting.answer.done():
                waiting.answer.set_exception(_stopping())
        self._enough.set()

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._queue:
                done = await loop.run_in_executor(self._thread, self._pass)
                for waiting, answer in zip(done.taken, done.answers, strict=True):
                    if waiting.answer.done():
                        continue  # its request was cancelled
                    if isinstance(answer, Exception):
                        waiting.answer.set_exception(answer)
                    else:
                        waiting.answer.set_result(answer)
        finally:
            self._worker = None

    def _pass(self) -> _Pass:
        if self._queue and len(self._queue) < self._most:
            self._enough.wait(max(0.0, self._queue[0].due - time.perf_counter()))
        self._enough.clear()
        taken: list[_Waiting] = []
        while len(taken) < self._most and (waiting := self._next()) is not None:
            if not waiting.answer.cancelled():
                taken.append(waiting)
        if not taken:
            return _Pass(taken=(), answers=())
        try:
            answers = self._answer([each.raw for each in taken], [each.normalised for each in taken])
        except Exception as error:
            # Each of them fails for itself, and the next call begins as if nothing had been.
            return _Pass(taken=taken, answers=[error] * len(taken))
        return _Pass(taken=taken, answers=answers)

    def _next(self) -> _Waiting | None:
        try:
            return self._queue.popleft()
        except IndexError:
            return None


def _stopping() -> Problem:
    return Problem("not-ready", "The service is stopping.")
