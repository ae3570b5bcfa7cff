"""Values on disk that are written once, in order, and read from the beginning as often as needed."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

__all__ = ["Tape"]

T = TypeVar("T")


class Tape(Generic[T]):
    """A file of values, for this process alone: whoever could write to the file could run code in it.

    Args:
        path: The file; must not exist.
        values: What is written.
    """

    def __init__(self, path: Path, values: Iterable[T]) -> None:
        self._path = path
        with path.open("xb") as file:
            for value in values:
                pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)

    def __iter__(self) -> Iterator[T]:
        with self._path.open("rb") as file:
            while True:
                try:
                    value: T = pickle.load(file)
                except EOFError:
                    return
                yield value
