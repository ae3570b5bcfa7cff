"""The head store: one LMDB file from normalised query to the value of its answer.

The file is written once, in key order, and never changed; it is memory-mapped read-only and without locks, so any
number of processes share one copy of it in the page cache and nothing beside it is ever written.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import lmdb

from domain.errors import ReleaseError

__all__ = ["HeadStore", "key_of", "write_head"]

_LONGEST_KEY = 511
_PAGE = 4096
_OPEN_HERE = "already open in this process"
_LETTING_GO = 5.0
"""Seconds that unmapping a large file may take."""


def key_of(normalised: str) -> bytes:
    """Return the key of a normalised query: its UTF-8, or a digest where that is longer than LMDB takes.

    The digest follows a byte that UTF-8 never has, so no query can be mistaken for another one's digest.
    """
    key = normalised.encode()
    return key if len(key) <= _LONGEST_KEY else b"\xff" + hashlib.sha256(key).digest()


def write_head(path: Path, entries: Iterable[tuple[bytes, bytes]], *, total: int, largest: int, size: int) -> None:
    """Write a head store.

    Args:
        path: The file; must not exist.
        entries: Pairs of key and value, in ascending order of keys.
        total: How many there are.
        largest: Bytes of the largest value.
        size: Bytes of all keys and values together.
    """
    # A value beyond half a page takes whole pages of its own, so the worst case is one page over for each entry.
    map_size = 2 * size + total * (_PAGE + 64) + 2 * largest + (1 << 20)
    scratch = path.with_name(path.name + ".scratch")
    try:
        with _open(scratch, map_size=map_size, lock=False, sync=False, metasync=False) as store:
            with store.begin(write=True) as transaction:
                for key, value in entries:
                    if not transaction.put(key, value, append=True, overwrite=False):
                        raise AssertionError("keys of a head store must ascend")
            # Compacting leaves out the free pages, and makes equal entries give equal files.
            store.copy(os.fspath(path), compact=True)
    finally:
        scratch.unlink(missing_ok=True)


def _open(path: Path, **settings: Any) -> Any:
    return lmdb.open(os.fspath(path), subdir=False, **settings)


class _Mapping:
    """An open environment. LMDB refuses to map a file twice in one process, so readers of one file share it."""

    def __init__(self, path: Path) -> None:
        until = time.monotonic() + _LETTING_GO
        while True:
            try:
                # Answers are looked up at random: reading ahead would only evict others from the page cache.
                self.environment = _open(path, readonly=True, lock=False, create=False, readahead=False)
                return
            except lmdb.Error as error:
                # Another thread, which had it open, is about to unmap it: nobody else can have it, see `_map`.
                if _OPEN_HERE not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(0.001)


_mappings: WeakValueDictionary[tuple[int, int], _Mapping] = WeakValueDictionary()
_guard = threading.Lock()


def _map(path: Path) -> _Mapping:
    status = path.stat()
    identity = (status.st_dev, status.st_ino)
    with _guard:
        mapping = _mappings.get(identity)
        if mapping is None:
            mapping = _mappings[identity] = _Mapping(path)
        return mapping


class HeadStore:
    """A head store open for reading, from any thread; after a fork, open it again."""

    def __init__(self, path: Path) -> None:
        try:
            self._mapping: _Mapping | None = _map(path)
        except (lmdb.Error, OSError) as error:
            raise ReleaseError(f"{path} cannot be opened: {error}", hint="build a new release") from error
        self._of_thread = threading.local()

    def __len__(self) -> int:
        return int(self._environment().stat()["entries"])

    def get(self, normalised: str) -> bytes | None:
        """Return the value for a normalised query; the bytes are a copy, and outlive the store."""
        try:
            get = self._of_thread.get
        except AttributeError:
            # The file never changes, so each thread can keep one transaction for good.
            get = self._of_thread.get = self._environment().begin().get
        # As key_of does, without a call that would be felt.
        key = normalised.encode()
        value: bytes | None = get(key if len(key) <= _LONGEST_KEY else key_of(normalised))
        return value

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Iterate over keys and values in the order of keys."""
        with self._environment().begin() as transaction:
            yield from transaction.cursor()

    def close(self) -> None:
        """Unmap the file once no other reader of this process has it open. Closing again does nothing."""
        self._of_thread = threading.local()
        self._mapping = None

    def _environment(self) -> Any:
        if self._mapping is None:
            raise ReleaseError("the release is closed")
        return self._mapping.environment
