"""The files of the miss log: queries that no precomputed answer was there for, kept for the next run that labels.

A line is ``{"query", "searches", "source", "reason", "confidence", "release", "day"}``, and `querywise label --queries`
reads the first two. Lines are in the order of their days, in each file.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
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
    """``FOLDER/misses-N.jsonl`` and up to three older files beside it.

    N is the first number that no other process has, of this service or another; that of one that died is free again.
    A file that is full is merged to one line a query, and put aside where that does not help.

    Args:
        folder: Made when it is absent, for its owner alone to read.
        most_bytes: Of these files together.
        days: For which a line is kept.

    Attributes:
        room: Bytes of one file.
    """

    def __init__(self, folder: Path, *, most_bytes: int, days: int) -> None:
        self.room = max(1, most_bytes // _PARTS)
        self._folder = folder
        self._kept = timedelta(days=days)
        self._name = ""
        self._lock: int | None = None

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines of at most one file, all or none.

        Raises:
            OSError: where they cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{self._claim()}.jsonl"
        self._make_room(path, sum(map(len, lines)))
        _append(path, b"".join(lines))

    def forget(self, today: date) -> None:
        """Drop lines that are too old, of our files and of those that no process has any more.

        Raises:
            OSError: where the folder is there and cannot be changed.
        """
        if not self._folder.is_dir():
            return
        first = (today - self._kept).isoformat()
        ours = self._claim()
        for path in self._folder.glob("misses-*.jsonl"):
            name = path.name.partition(".")[0]
            lock = None if name == ours else _lock(self._folder, name)
            try:
                if name == ours or lock is not None:
                    with suppress(FileNotFoundError):  # another worker was first
                        _forget(path, first)
            finally:
                if lock is not None:
                    os.close(lock)

    def close(self) -> None:
        """Leave the files to another process."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _claim(self) -> str:
        """Return how the names of the files begin that this process alone writes to.

        Asked before each write: whoever deletes the folder deletes the lock too, and another process may have the name.
        """
        if self._lock is not None and not _is_at(self._lock, self._folder, self._name):
            self.close()
        numbers = count()
        while self._lock is None:
            self._name = f"misses-{next(numbers)}"
            self._lock = _lock(self._folder, self._name)
        return self._name

    def _make_room(self, path: Path, more: int) -> None:
        if not path.exists() or path.stat().st_size + more <= self.room:
            return
        lines = b"".join(miss.line() for miss in merged(read_misses(path)))
        _replace(path, lines)
        if len(lines) + more <= self.room and len(lines) <= self.room // 2:
            return
        older = [path.with_suffix(f".{i}.jsonl") for i in range(1, _PARTS)]
        for target, source in zip(reversed(older), [*reversed(older[:-1]), path], strict=True):
            if source.exists():
                source.replace(target)


def _lock(folder: Path, name: str) -> int | None:
    """Have the files of a name, until the descriptor is closed; None where another process has them.

    The lock is a file of its own, for theirs are replaced.
    """
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def _is_at(lock: int, folder: Path, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), os.stat(folder / f"{name}.lock"))
    except FileNotFoundError:
        return False


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
