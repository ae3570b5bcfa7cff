"""What is being served, and who works out what was not precomputed: the event loop itself, or a thread beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from release import Release
from service.batching import Batcher, TurnBatcher
from service.problems import Problem
from service.seen.board import Slot
from service.settings import Settings

__all__ = ["Serving"]

_SLICE: Final = 32
"""Texts of a batch that the model reads between two chances for other requests: some two milliseconds."""

_MOST_WAITING: Final = 32
"""Queries that wait for retrieval in one process."""

_MOST_CALLS: Final = 8
"""Calls of the student, each full, that may wait to begin."""

T = TypeVar("T")


class _Term:
    """The time that a release is in service.

    Attributes:
        users: Requests that use the release and have let others have a turn meanwhile.
        batcher: Of its student: in the event loop, or beside it.
    """

    def __init__(self, batcher: Batcher | TurnBatcher) -> None:
        self.users = 0
        self.batcher = batcher


class Serving:
    """One release at a time, or None until there is one, with a thread for what takes long.

    A request takes the release once and is answered by it to the end, whatever is served by then. What is done with
    it within one turn of the event loop needs no more than `release`; whoever awaits meanwhile holds it with `hold`,
    and a release that another one follows is closed when the last of them is done.

    On the CPU the student answers in the event loop, for handing a query to a thread costs as much as the answer; what
    has come in one turn of the loop it answers together. A search by retrieval takes milliseconds and has the thread,
    and so has the student where it waits for more to come.

    Args:
        release: Stays the caller's to close, as does one that is set as the attribute `release`.
        settings: How the student works.

    Attributes:
        release: What is served.
        slot: Where this process tells the others what it serves, or None where there are no others.
    """

    def __init__(self, release: Release | None = None, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self.release = release
        self.slot: Slot | None = None
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retrieval")
        # Giving a large store back takes milliseconds, which no request should wait for.
        self._closer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="closing")
        self._most_waiting = _MOST_CALLS * (_SLICE if self._settings.wait_us is None else self._settings.batch_max)
        self._terms: dict[Release, _Term] = {}
        self._owned: set[Release] = set()

    def get(self) -> Release:
        """Return the release, or raise the problem that there is none yet."""
        if self.release is None:
            raise Problem("not-ready", "The service is starting, or its release could not be loaded.")
        return self.release

    def swap(self, release: Release) -> None:
        """Serve a release from now on, and close it when it is served no more and its last request is done.

        In the thread of the event loop only.
        """
        before, self.release = self.release, release
        self._owned.add(release)
        if self.slot is not None:
            self.slot.release = release.id
        if before is not None and before is not release:
            self._leave(before)

    @contextmanager
    def hold(self, release: Release | None = None) -> Iterator[Release]:
        """Use a release over several turns of the event loop: the one that is served now, unless one is given.

        One that is given must not have been awaited upon since it was taken.

        Raises:
            Problem: as `get`.
        """
        held = release or self.get()
        term = self._term(held)
        term.users += 1
        try:
            yield held
        finally:
            term.users -= 1
            self._leave(held)

    @property
    def held(self) -> int:
        """How many releases are open here: the one served, and those whose requests are not done."""
        return len(self._owned)

    @property
    def waiting(self) -> int:
        """How many queries wait for student or retrieval."""
        return self._waiting + sum(len(term.batcher) for term in self._terms.values())

    async def miss(self, release: Release, raw: str, normalised: str) -> bytes:
        """Answer a query that has no precomputed answer.

        While too many queries wait, further ones are answered at once, degraded: a late answer helps no search page.

        Raises:
            UnicodeEncodeError: where `raw` has half of a surrogate pair.
        """
        if not release.has_student and not release.retrieves:
            return release.fallback_answer(raw, normalised)
        with self.hold(release):
            if not release.retrieves:
                batcher = self._term(release).batcher
                if len(batcher) >= self._most_waiting:
                    return release.degraded_answer(raw, normalised)
                raw.encode()  # here, where it fails alone
                return await batcher.answer(raw, normalised)
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
        """Do work on `count` texts in slices, in order; other requests get their turn in between.

        The caller holds what the work uses.
        """
        loop = asyncio.get_running_loop()
        done = []
        for start in range(0, count, _SLICE):
            part = slice(start, start + _SLICE)
            if self._settings.wait_us is None:
                done.append(work(part))
                await asyncio.sleep(0)
            else:
                done.append(await loop.run_in_executor(self._thread, work, part))
        return done

    def close(self) -> None:
        """Let go of all releases, once the search that is running is done."""
        self.release = None
        for term in self._terms.values():
            if isinstance(term.batcher, Batcher):
                term.batcher.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._closer.shutdown(wait=True)
        self._terms.clear()
        while self._owned:
            self._owned.pop().close()

    def _term(self, release: Release) -> _Term:
        term = self._terms.get(release)
        if term is None:
            wait_us, answer = self._settings.wait_us, release.fallback_answers
            batcher: Batcher | TurnBatcher = TurnBatcher(answer, most=min(_SLICE, self._settings.batch_max))
            if wait_us is not None and release.has_student:
                batcher = Batcher(answer, self._thread, most=self._settings.batch_max, wait_us=wait_us)
            term = self._terms[release] = _Term(batcher)
        return term

    def _leave(self, release: Release) -> None:
        """Close a release that is served no more, unless a request still uses it."""
        if release is self.release:
            return
        term = self._terms.get(release)
        if term is not None and term.users:
            return
        self._terms.pop(release, None)
        if release in self._owned:
            self._owned.remove(release)
            self._closer.submit(release.close)
