"""The files of a shop's labels: where they are, and how a run's answers become one whole file."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from pydantic import TypeAdapter, ValidationError

from domain.files import replace_atomically
from domain.label import Label, label_adapter
from domain.shop import Shop
from prompts import Failure
from prompts.completion import storable

__all__ = ["Spool", "labels_file", "merge_labels", "read_failures", "write_failures"]

_failure: TypeAdapter[Failure] = TypeAdapter(Failure)


def labels_file(shop: Shop, *, with_context: bool = True, nonce: str = "") -> Path:
    """Return where labels with or without context are kept; independent repeats have files of their own."""
    path = shop.labels_file if with_context else shop.bare_labels_file
    return path.with_name(f"{path.stem}.{hashlib.sha256(nonce.encode()).hexdigest()[:8]}.jsonl") if nonce else path


class Spool:
    """What a run yields, as it comes; labels wait in a file, for a large run is not held in memory.

    Args:
        file: An open file of nobody else's, to write and read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: list[tuple[int, str, int, int]] = []
        self.failures: list[Failure] = []
        self.dropped: Counter[str] = Counter()

    @property
    def labels(self) -> int:
        """How many labels there are."""
        return len(self._places)

    def add(self, result: Label | Failure) -> None:
        """Take in what came of a query."""
        if isinstance(result, Failure):
            # In a provider's words, which may hold half a surrogate pair.
            self.failures.append(replace(result, detail=storable(result.detail)))
            return
        line = label_adapter.dump_json(result) + b"\n"
        self._places.append((-result.searches, result.query, self._file.tell(), len(line)))
        self._file.write(line)
        self.dropped.update(result.provenance.dropped)

    def lines(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield what orders a label, its searches from most to fewest and its query, and its line."""
        for searches, query, at, length in sorted(self._places):
            self._file.seek(at)
            yield searches, query, self._file.read(length)


def merge_labels(path: Path, spool: Spool, kept: Iterable[Label]) -> None:
    """Write the labels of a run and those that are kept of earlier ones, most searched first, all or nothing."""
    rest = sorted((-label.searches, label.query, label_adapter.dump_json(label) + b"\n") for label in kept)
    with replace_atomically(path) as file:
        for *_, line in heapq.merge(spool.lines(), rest):
            file.write(line)


def write_failures(labels: Path, failures: Iterable[Failure]) -> None:
    """Write the queries without a label beside a labels file, all or nothing."""
    with replace_atomically(_failures_file(labels)) as file:
        for failure in failures:
            file.write(_failure.dump_json(failure) + b"\n")


def read_failures(labels: Path) -> list[Failure]:
    """Return the queries that the run that wrote a labels file left without a label of its own."""
    path = _failures_file(labels)
    if not path.is_file():
        return []
    try:
        return [_failure.validate_json(line) for line in path.read_bytes().splitlines()]
    except ValidationError:
        # Of another version: what failed then is asked like any other query that has no label.
        return []


def _failures_file(labels: Path) -> Path:
    return labels.with_suffix(".failures.jsonl")
