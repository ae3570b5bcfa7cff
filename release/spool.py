"""Values on their way into a store: on disk until all of them are there, their keys and places in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from release.head import write_head

__all__ = ["Spool"]


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int


class Spool:
    """Values by key, in the order they came; some 300 bytes of memory for each.

    Args:
        file: Empty, open for writing and reading, and nobody else's.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = 0
        self._written = 0
        self._places: dict[bytes, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def keys(self) -> Set[bytes]:
        """The keys of all values."""
        return self._places.keys()

    def add(self, key: bytes, value: bytes) -> bool:
        """Keep a value, and return whether its key is new; otherwise the first one stays."""
        if key in self._places:
            return False
        self._places[key] = _Place(self._end, len(value))
        self._file.write(value)
        self._end += len(value)
        return True

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, or None."""
        place = self._places.get(key)
        return None if place is None else self._read(place)

    def values(self) -> Iterator[bytes]:
        """Iterate over all values, in the order they came."""
        return map(self._read, self._places.values())

    def write(
        self,
        path: Path,
        *,
        keys: Iterable[bytes] | None = None,
        change: Callable[[bytes], bytes] = bytes,
        growth: int = 0,
    ) -> None:
        """Write a store, as `release.head` has them.

        Args:
            path: The file; must not exist.
            keys: Of which values; of all where it is None.
            change: Makes what is stored of a value.
            growth: By how many bytes that may be more.
        """
        chosen = sorted(self._places if keys is None else keys)
        lengths = [self._places[key].length for key in chosen]
        entries = ((key, change(self._read(self._places[key]))) for key in chosen)
        write_head(
            path,
            entries,
            total=len(chosen),
            largest=max(lengths, default=0) + growth,
            size=sum(lengths) + sum(map(len, chosen)) + len(chosen) * growth,
        )

    def _read(self, place: _Place) -> bytes:
        if self._written < self._end:
            self._file.flush()
            self._written = self._end
        return os.pread(self._file.fileno(), place.length, place.offset)
