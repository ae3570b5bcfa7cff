"""The files of the miss log: queries that no precomputed answer was there for, kept for the next run that labels.

A line is ``{"query", "searches", "source", "reason", "confidence", "release", "day"}``, and `querywise label --queries`
reads the first two. Lines are in the order of their days, in each file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

__all__ = ["Miss", "MissFiles", "merged", "read_misses"]

_PARTS: Final = 4
_POLITE: Final = 50


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


class MissFiles:
    """``FOLDER/misses-NAME.jsonl`` and up to three older files beside it.

    A file that is full is merged to one line a query, and put aside where that does not help.

    Args:
        folder: Made when it is absent, for its owner alone to read.
        name: Of the worker; no other process writes to its files.
        most_bytes: Of these files together.
        days: For which a line is kept.

    Attributes:
        room: Bytes of one file.
    """

    def __init__(self, folder: Path, name: str, *, most_bytes: int, days: int) -> None:
        self.room = max(1, most_bytes // _PARTS)
        self._folder = folder
        self._path = folder / f"misses-{name}.jsonl"
        self._older = [self._path.with_suffix(f".{i}.jsonl") for i in range(1, _PARTS)]
        self._kept = timedelta(days=days)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines of at most one file, all or none.

        Raises:
            OSError: where they cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(sum(map(len, lines)))
        _append(self._path, b"".join(lines))

    def forget(self, today: date) -> None:
        """Drop lines that are too old, and the files of workers that there are no more, once all of them are.

        Raises:
            OSError: where the folder is there and cannot be changed.
        """
        first = (today - self._kept).isoformat()
        ours = (self._path, *self._older)
        for path in self._folder.glob("misses-*.jsonl"):
            with suppress(FileNotFoundError):  # another worker was first
                if path in ours:
                    _forget(path, first)
                elif datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat() < first:
                    path.unlink()

    def _make_room(self, more: int) -> None:
        if not self._path.exists() or self._path.stat().st_size + more <= self.room:
            return
        lines = b"".join(miss.line() for miss in merged(read_misses(self._path)))
        _replace(self._path, lines)
        if len(lines) + more <= self.room and len(lines) <= self.room // 2:
            return
        for target, source in zip(reversed(self._older), [*reversed(self._older[:-1]), self._path], strict=True):
            if source.exists():
                source.replace(target)


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


def _replace(path: Path, lines: bytes) -> None:
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    _append(scratch, lines)
    scratch.replace(path)


def _forget(path: Path, first: str) -> None:
    """Drop the lines of before a day; they come first, so that the others need not be read."""
    with path.open("rb") as file:
        start = end = 0
        for line in file:
            end += len(line)
            found = _miss_of(line)
            if found is not None and found.day >= first:
                break
            start = end
        if not start:
            return
        file.seek(start)
        rest = file.read()
    if rest:
        _replace(path, rest)
    else:
        path.unlink()


def _miss_of(line: bytes) -> Miss | None:
    try:
        return Miss(**json.loads(line))
    except (ValueError, TypeError):
        return None


def read_misses(path: Path) -> Iterable[Miss]:
    """Yield the misses of a file; a line that is none, such as one cut off by a crash, is passed over."""
    with path.open("rb") as file:
        for i, line in enumerate(file):
            if i % _POLITE == _POLITE - 1:
                time.sleep(0)
            miss = _miss_of(line)
            if miss is not None:
                yield miss


def merged(misses: Iterable[Miss]) -> Iterable[Miss]:
    """Return one miss for each query: the last of it, with all its searches."""
    found: dict[str, Miss] = {}
    for miss in misses:
        before = found.pop(miss.query, None)
        found[miss.query] = replace(miss, searches=miss.searches + before.searches) if before else miss
    return found.values()
