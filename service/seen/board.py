"""What the worker processes of one service tell of themselves: a slab of shared memory each, read by all.

A slab is a small file that its worker maps, holds a lock on for life, and alone writes. Whoever maps it too reads what
the worker has counted and which release it serves, without asking it. A worker that dies leaves the lock; the one
that takes its place takes the slab, and counts on from where it was, so that no sum over the slabs ever falls.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

__all__ = ["COUNTERS", "GAUGES", "Board", "Slab", "Slot"]

COUNTERS: Final = 4096
"""Counters of a slab; they outlive its worker."""

GAUGES: Final = 64
"""Gauges of a slab; each worker begins with all at zero."""

_WORDS: Final = 16
_PID, _STARTED, _RELEASE, _NOTE = range(4)
_RELEASE_BYTES: Final = 64
_NOTE_BYTES: Final = 512
_RELEASE_AT: Final = _WORDS * 8
_NOTE_AT: Final = _RELEASE_AT + 2 * _RELEASE_BYTES
_GAUGES_AT: Final = _NOTE_AT + 2 * _NOTE_BYTES
_COUNTERS_AT: Final = _GAUGES_AT + 8 * GAUGES
_SIZE: Final = _COUNTERS_AT + 8 * COUNTERS
_TRIES: Final = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Slab:
    """What one worker tells of itself, or told before it died.

    Attributes:
        index: Of the slab, from 0.
        pid: Of the worker, or 0 where there has been none.
        alive: Whether it runs.
        started: When it took the slab, in seconds since 1970.
        release: The release it serves, or "" while it has none.
        note: What else it has to say, such as why it refused a release.
        counters: (COUNTERS,) uint64, a copy.
        gauges: (GAUGES,) uint64, a copy.
    """

    index: int
    pid: int
    alive: bool
    started: float
    release: str
    note: str
    counters: npt.NDArray[np.uint64]
    gauges: npt.NDArray[np.uint64]


class Slot:
    """The slab of this process, to be written by it alone.

    Attributes:
        index: Of the slab.
        counters: To be added to in place; a read by another process sees each either before or after.
        gauges: To be set in place.
    """

    def __init__(self, index: int, memory: mmap.mmap, descriptor: int | None = None) -> None:
        self.index = index
        self._memory = memory
        self._descriptor = descriptor
        with memoryview(memory) as whole:
            self._words = whole[:_RELEASE_AT].cast("Q")
            self.gauges = whole[_GAUGES_AT:_COUNTERS_AT].cast("Q")
            self.counters = whole[_COUNTERS_AT:_SIZE].cast("Q")
        self.release = self.note = ""
        for i in range(GAUGES):
            self.gauges[i] = 0
        self._words[_STARTED] = time.time_ns()
        self._words[_PID] = os.getpid()

    @classmethod
    def alone(cls) -> Self:
        """Return a slab that no other process sees, for a service of one process."""
        return cls(0, mmap.mmap(-1, _SIZE))

    @property
    def release(self) -> str:
        """The release that this process serves, or "" while it has none."""
        return _text(self._memory, _RELEASE, _RELEASE_AT, _RELEASE_BYTES)

    @release.setter
    def release(self, release: str) -> None:
        self._write(release, _RELEASE, _RELEASE_AT, _RELEASE_BYTES)

    @property
    def note(self) -> str:
        """What else this process has to say; cut at 512 bytes."""
        return _text(self._memory, _NOTE, _NOTE_AT, _NOTE_BYTES)

    @note.setter
    def note(self, note: str) -> None:
        self._write(note, _NOTE, _NOTE_AT, _NOTE_BYTES)

    def read(self) -> Slab:
        """Return what a reader of this slab would see now."""
        return _read(self.index, self._memory, alive=True)

    def close(self) -> None:
        """Leave the slab to another; writing to it afterwards is an error. Closing again does nothing."""
        for view in (self._words, self.gauges, self.counters):
            view.release()
        self._memory.close()
        if self._descriptor is not None:
            os.close(self._descriptor)  # and the lock with it, now that the map is gone too
            self._descriptor = None

    def _write(self, text: str, turn: int, start: int, size: int) -> None:
        # Into the half that nobody reads, which then is the one that is read: no reader sees a text half written.
        half = 1 - self._words[turn] % 2
        cut = text.encode("utf-8", "replace")[:size]
        begin = start + half * size
        self._memory[begin : begin + size] = cut.ljust(size, b"\0")
        self._words[turn] += 1


class Board:
    """All slabs of one service, to be read. They lie in a folder that is private to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, slots: int) -> Self:
        """Make the slabs of `slots` workers, all zero; their room is set aside, so that writing can never fail.

        Raises:
            OSError: where the folder cannot be written, or has no room.
        """
        for index in range(slots):
            os.close(_make(folder, index))
        return cls(folder)

    @staticmethod
    def attach(folder: Path) -> Slot:
        """Take a slab that no living process has, or make a further one.

        Raises:
            OSError: where the folder cannot be written, or has no room.
        """
        index = 0
        while True:
            try:
                descriptor = os.open(_path(folder, index), os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                try:
                    descriptor = _make(folder, index)
                except FileExistsError:
                    continue  # another worker made it at the same time
            if _lock(descriptor):
                return Slot(index, mmap.mmap(descriptor, _SIZE), descriptor)
            os.close(descriptor)
            index += 1

    def slabs(self) -> Iterator[Slab]:
        """Yield what every worker tells, those that died and were not replaced included."""
        for index in count():
            try:
                descriptor = os.open(_path(self.folder, index), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                with mmap.mmap(descriptor, _SIZE, access=mmap.ACCESS_READ) as memory:
                    slab = _read(index, memory, alive=not _is_free(descriptor))
            except ValueError:
                continue  # another worker is making it, and it has not its size yet
            finally:
                os.close(descriptor)
            if slab.pid:
                yield slab


def _path(folder: Path, index: int) -> Path:
    return folder / f"slab-{index}"


def _make(folder: Path, index: int) -> int:
    """Make a slab and return its descriptor, locked: nobody takes it before it is whole."""
    path = _path(folder, index)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # Written and not left as a hole: a hole that the disk has no room for would end the process later.
        os.write(descriptor, bytes(_SIZE))
    except OSError:
        os.close(descriptor)
        path.unlink(missing_ok=True)
        raise
    return descriptor


def _lock(descriptor: int) -> bool:
    """Take the slab for this process, if no other has it and it is whole."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not _is_free(descriptor):
                return False
            time.sleep(0.001)
        else:
            return os.fstat(descriptor).st_size == _SIZE
    return False


def _is_free(descriptor: int) -> bool:
    """Whether no worker has the slab; another reader, who looks at the same time, keeps nobody out for long."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _read(index: int, memory: mmap.mmap, *, alive: bool) -> Slab:
    words = np.frombuffer(memory, np.uint64, _WORDS).copy()
    return Slab(
        index=index,
        pid=int(words[_PID]),
        alive=alive,
        started=int(words[_STARTED]) / 1e9,
        release=_text(memory, _RELEASE, _RELEASE_AT, _RELEASE_BYTES),
        note=_text(memory, _NOTE, _NOTE_AT, _NOTE_BYTES),
        counters=np.frombuffer(memory, np.uint64, COUNTERS, _COUNTERS_AT).copy(),
        gauges=np.frombuffer(memory, np.uint64, GAUGES, _GAUGES_AT).copy(),
    )


def _text(memory: mmap.mmap, turn: int, start: int, size: int) -> str:
    """Read a text that another process may be writing."""
    while True:
        before = memory[8 * turn : 8 * turn + 8]
        begin = start + int.from_bytes(before, sys.byteorder) % 2 * size
        text = memory[begin : begin + size]
        if memory[8 * turn : 8 * turn + 8] == before:
            return text.rstrip(b"\0").decode("utf-8", "ignore")
