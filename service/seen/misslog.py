"""The miss log: queries that no precomputed answer was there for, kept for the next run that labels.

A line is ``{"query", "searches", "source", "reason", "confidence", "release", "day"}``, and `querywise label --queries`
reads the first two. Nobody waits for it: what its thread cannot keep up with, or cannot write, is counted and lost.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from domain.privacy import personal_data
from service.seen.series import Event

__all__ = ["Miss", "MissLog", "merged", "read_misses"]

_HELD: Final = 20_000
_QUERIES: Final = 20_000
_WAKE: Final = 0.5
_PARTS: Final = 4
_POLITE: Final = 50
_ALL: Final = 1 << 32

_log = logging.getLogger(__name__)


class Count(Protocol):
    """Counts events."""

    def __call__(self, event: Event, times: int = 1) -> None:
        """Count one so many times."""


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A query in normal form that was not answered from the head.

    Attributes:
        query: The query.
        searches: How often it was asked.
        source: Who answered it last.
        reason: Why.
        confidence: Of its first category, or None where there is none.
        release: That answered it last.
        day: Of the last time, in UTC.
    """

    query: str
    searches: int
    source: str
    reason: str
    confidence: float | None
    release: str
    day: str

    def line(self) -> bytes:
        """Return the line of the log, its end included."""
        return json.dumps(vars(self), ensure_ascii=False).encode() + b"\n"


class MissLog:
    """Keeps misses in ``FOLDER/misses-NAME.jsonl`` and up to three older files beside it.

    A query is written once a minute at most, with how often it was asked; a file that is full is merged to one line a
    query, and put aside where that does not help. Queries with personal data are left out whole.

    Args:
        folder: Made when it is absent, for its owner alone to read.
        name: Of this worker's file; no other process writes to it.
        count: Counts what becomes of the misses.
        share: Of all queries, the share that is kept, in [0, 1]; a query is in it or not, however often it is asked.
        most_bytes: Of this worker's files together.
        every: Seconds between two writes.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        count: Count,
        share: float = 1.0,
        most_bytes: int = 64 << 20,
        every: float = 60.0,
    ) -> None:
        self._folder = folder
        self._path = folder / f"misses-{name}.jsonl"
        self._count = count
        self._below = int(share * _ALL)
        self._most = max(1, most_bytes // _PARTS)
        self._every = every
        self._held: deque[bytes] = deque()
        self._misses: dict[str, Miss] = {}
        self._failed = False
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

    def _work(self) -> None:
        due = time.monotonic() + self._every
        while not self._stop.wait(_WAKE):
            try:
                self._take()
                if time.monotonic() >= due or len(self._misses) >= _QUERIES:
                    due = time.monotonic() + self._every
                    self._write()
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
        elif personal_data(fields["query"]):
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
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(sum(map(len, lines)))
            _append(self._path, b"".join(lines))
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

    def _lines(self) -> list[bytes]:
        """Return the lines to write: all, or the most asked of more than a file holds."""
        lines: list[bytes] = []
        size = 0
        for miss in sorted(self._misses.values(), key=lambda miss: -miss.searches):
            line = miss.line()
            size += len(line)
            if size > self._most:
                break
            lines.append(line)
        return lines

    def _lose(self) -> None:
        if self._misses:
            self._count("miss_failed", len(self._misses))
            self._misses.clear()

    def _make_room(self, more: int) -> None:
        if not self._path.exists() or self._path.stat().st_size + more <= self._most:
            return
        lines = b"".join(miss.line() for miss in merged(read_misses(self._path)))
        scratch = self._path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        _append(scratch, lines)
        scratch.replace(self._path)
        if len(lines) + more <= self._most and len(lines) <= self._most // 2:
            return
        older = [self._path.with_suffix(f".{i}.jsonl") for i in range(1, _PARTS)]
        for target, source in zip(reversed(older), [*reversed(older[:-1]), self._path], strict=True):
            if source.exists():
                source.replace(target)


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


def _append(path: Path, lines: bytes) -> None:
    """Append whole lines or nothing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def read_misses(path: Path) -> Iterable[Miss]:
    """Yield the misses of a file; a line that is none, such as one cut off by a crash, is passed over."""
    with path.open("rb") as file:
        for i, line in enumerate(file):
            if i % _POLITE == _POLITE - 1:
                time.sleep(0)
            try:
                yield Miss(**json.loads(line))
            except (ValueError, TypeError):
                continue


def merged(misses: Iterable[Miss]) -> Iterable[Miss]:
    """Return one miss for each query: the last of it, with all its searches."""
    found: dict[str, Miss] = {}
    for miss in misses:
        before = found.pop(miss.query, None)
        found[miss.query] = replace(miss, searches=miss.searches + before.searches) if before else miss
    return found.values()
