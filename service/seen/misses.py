"""Keeps misses while the service answers, in the files of `service.seen.misslog`.

Nobody waits for it: what its thread cannot keep up with, or cannot write, is counted and lost.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import zlib
from collections import deque
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from domain.privacy import MOST_READ, personal_data
from service.seen.misslog import Miss, MissFiles
from service.seen.series import Event

__all__ = ["MissLog"]

_HELD: Final = 20_000
_QUERIES: Final = 20_000
_WAKE: Final = 0.5
_POLITE: Final = 50
_ALL: Final = 1 << 32

_log = logging.getLogger(__name__)


class Count(Protocol):
    """Counts events."""

    def __call__(self, event: Event, times: int = 1) -> None:
        """Count one so many times."""


class MissLog:
    """Keeps the misses of one worker.

    A query is written once in `every` seconds at most, with how often it was asked. Queries with personal data are left
    out whole, as are those too long to be searched for it.

    Args:
        folder: As `MissFiles` takes it.
        count: Counts what becomes of the misses.
        share: Of all queries, the share that is kept, in [0, 1]; a query is in it or not, however often it is asked.
        most_bytes: As `MissFiles` takes it.
        days: As `MissFiles` takes it.
        every: Seconds between two writes, which a worker that is killed takes with it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        count: Count,
        share: float = 1.0,
        most_bytes: int = 64 << 20,
        days: int = 30,
        every: float = 10.0,
    ) -> None:
        self._files = MissFiles(folder, most_bytes=most_bytes, days=days)
        self._count = count
        self._below = int(share * _ALL)
        self._every = every
        self._held: deque[bytes] = deque()
        self._misses: dict[str, Miss] = {}
        self._failed = False
        self._forgot: date | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="misses", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def offer(self, answer: bytes) -> None:
        """Take note of an answer that was not precomputed; from the event loop, and never waits."""
        if len(self._held) >= _HELD:
            self._count("miss_dropped")
        else:
            self._held.append(answer)

    def close(self) -> None:
        """Write what is left, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._take()
        self._write()
        self._lose()
        self._files.close()

    def _work(self) -> None:
        due = time.monotonic() + self._every
        while not self._stop.wait(_WAKE):
            try:
                self._take()
                if time.monotonic() >= due or len(self._misses) >= _QUERIES:
                    due = time.monotonic() + self._every
                    self._write()
                    self._forget(datetime.now(UTC).date())
            except Exception as error:
                # By its type alone: it may quote a query.
                _log.error("the miss log failed: %s", type(error).__name__)

    def _take(self) -> None:
        for i in range(len(self._held)):
            self._add(self._held.popleft())
            if i % _POLITE == _POLITE - 1:
                time.sleep(0)  # the event loop may want its turn

    def _add(self, answer: bytes) -> None:
        fields = json.loads(answer)
        query = fields["normalized"]
        if not query:
            return
        known = self._misses.get(query)
        if known is not None:
            self._misses[query] = replace(_miss(fields), searches=known.searches + 1)
            self._count("miss_repeated")
        elif zlib.crc32(query.encode("utf-8", "surrogatepass")) >= self._below:
            self._count("miss_sampled_out")
        elif len(fields["query"]) > MOST_READ or personal_data(fields["query"]):
            # As it was typed: the normal form of an address is just words.
            self._count("miss_personal")
        else:
            if len(self._misses) >= _QUERIES:
                self._lose()
            self._misses[query] = _miss(fields)

    def _write(self) -> None:
        if not self._misses:
            return
        lines = self._lines()
        try:
            self._files.append(lines)
        except OSError as error:
            if not self._failed:
                _log.error("the miss log cannot be written: %s", error.strerror or type(error).__name__)
            self._failed = True
            return
        if self._failed:
            _log.warning("the miss log can be written again")
        self._failed = False
        self._count("miss_kept", len(lines))
        self._count("miss_failed", len(self._misses) - len(lines))
        self._misses.clear()

    def _forget(self, today: date) -> None:
        """Forget what is too old, once a day; a disk that does not let it is asked again tomorrow."""
        if today != self._forgot:
            self._forgot = today
            self._files.forget(today)

    def _lines(self) -> list[bytes]:
        """Return the lines to write: all, or the most asked of more than a file holds."""
        lines: list[bytes] = []
        size = 0
        for miss in sorted(self._misses.values(), key=lambda miss: -miss.searches):
            line = miss.line()
            size += len(line)
            if size > self._files.room:
                break
            lines.append(line)
        return lines

    def _lose(self) -> None:
        if self._misses:
            self._count("miss_failed", len(self._misses))
            self._misses.clear()


def _miss(fields: dict[str, Any]) -> Miss:
    first = next(iter(fields["categories"]), None)
    return Miss(
        query=fields["normalized"],
        searches=1,
        source=fields["source"],
        reason=fields["reason"],
        confidence=first["confidence"] if first else None,
        release=fields["release"],
        day=datetime.now(UTC).date().isoformat(),
    )
