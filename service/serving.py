"""What is being served, and who works out what was not precomputed: the event loop itself, or a thread beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from release import Release
from service.batching import Batcher
from service.problems import Problem
from service.settings import Settings

__all__ = ["Serving"]

_SLICE: Final = 32
"""Texts of a batch that the model reads between two chances for other requests: some two milliseconds."""

_MOST_WAITING: Final = 32
"""Queries that wait for retrieval in one process."""

_MOST_CALLS: Final = 8
"""Calls of the student, each full, that may wait to begin."""

T = TypeVar("T")


class Serving:
    """One release, or None until it is loaded, with a thread for what takes long.

    On the CPU the student answers in the event loop, for handing a query to a thread costs as much as the answer. A
    search by retrieval takes milliseconds and has the thread; so has the student where it answers in batches.
    """

    def __init__(self, release: Release | None = None, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.release = release
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retrieval")
        self._most_waiting = _MOST_CALLS * settings.batch_max
        self._batcher: Batcher | None = None
        if settings.wait_us is not None:
            self._batcher = Batcher(self._answer, self._thread, most=settings.batch_max, wait_us=settings.wait_us)

    def get(self) -> Release:
        """Return the release, or raise the problem that there is none yet."""
        if self.release is None:
            raise Problem("not-ready", "The service is starting, or its release could not be loaded.")
        return self.release

    async def miss(self, release: Release, raw: str, normalised: str) -> bytes:
        """Answer a query that has no precomputed answer.

        While too many queries wait, further ones are answered at once, degraded: a late answer helps no search page.

        Raises:
            UnicodeEncodeError: where `raw` has half of a surrogate pair.
        """
        if self._batcher is not None and release.has_student:
            if len(self._batcher) >= self._most_waiting:
                return release.degraded_answer(raw, normalised)
            raw.encode()  # here, where it fails alone
            return await self._batcher.answer(raw, normalised)
        if not release.retrieves:
            return release.fallback_answer(raw, normalised)
        if self._waiting >= _MOST_WAITING:
            return release.degraded_answer(raw, normalised)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, release.fallback_answer, raw, normalised)
        finally:
            self._waiting -= 1

    async def misses(self, release: Release, raws: Sequence[str], normalised: Sequence[str]) -> list[bytes]:
        """Answer queries that have no precomputed answer, in order; other requests get their turn in between.

        Raises:
            UnicodeEncodeError: as `miss`.
        """
        if release.retrieves:
            return [await self.miss(release, *query) for query in zip(raws, normalised, strict=True)]
        parts = await self.in_slices(len(raws), lambda part: release.fallback_answers(raws[part], normalised[part]))
        return [answer for part in parts for answer in part]

    async def in_slices(self, count: int, work: Callable[[slice], T]) -> list[T]:
        """Do work on `count` texts in slices, in order; other requests get their turn in between."""
        loop = asyncio.get_running_loop()
        done = []
        for start in range(0, count, _SLICE):
            part = slice(start, start + _SLICE)
            if self._batcher is None:
                done.append(work(part))
                await asyncio.sleep(0)
            else:
                done.append(await loop.run_in_executor(self._thread, work, part))
        return done

    def close(self) -> None:
        """Let go of the release, once the search that is running is done."""
        self.release = None
        if self._batcher is not None:
            self._batcher.close()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _answer(self, raws: Sequence[str], normalised: Sequence[str]) -> list[bytes]:
        return self.get().fallback_answers(raws, normalised)
