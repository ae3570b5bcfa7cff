"""Asks a second release what was answered by the first, away from the requests, and counts what it says otherwise."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import TypeAdapter

from domain.privacy import redact
from domain.understanding import Understanding, understanding_adapter
from release import Release

__all__ = ["Difference", "Differences", "Differing", "Shadow", "differences_of"]

Difference = Literal["source", "category", "rewrites", "annotations"]
"""In what two answers differ: who gave them, their category ids in order, their rewrites, their spans."""

_WAITING: Final = 256
_EXAMPLES: Final = 50
_LINES_A_SECOND: Final = 10
_BETWEEN: Final = 1.0
_BATCH: Final = b'{"results":'

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Differing:
    """One query that two releases answer otherwise; ``query`` is null unless queries are logged."""

    query: str | None
    kinds: tuple[Difference, ...]
    sources: tuple[str, str]
    categories: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What a release says otherwise than the one that is served, since that one is.

    Attributes:
        release: The one that is served.
        other: The one that is asked in its shadow.
        compared: Answers that were compared.
        differing: Those that differ.
        kinds: Those that differ in each way; an answer may differ in several.
        dropped: Answers that were not compared, because too many waited; since the workers began.
        examples: Some that differ, the latest last.
    """

    release: str
    other: str
    compared: int = 0
    differing: int = 0
    kinds: dict[Difference, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(get_args(Difference), 0))
    dropped: int = 0
    examples: tuple[Differing, ...] = ()

    def plus(self, more: Differences) -> Differences:
        """Return the sum of what two workers found."""
        return dataclasses.replace(
            self,
            compared=self.compared + more.compared,
            differing=self.differing + more.differing,
            kinds={kind: count + more.kinds[kind] for kind, count in self.kinds.items()},
            dropped=self.dropped + more.dropped,
            examples=(*self.examples, *more.examples)[-_EXAMPLES:],
        )


differences_adapter: Final[TypeAdapter[Differences]] = TypeAdapter(Differences)
_batch: Final[TypeAdapter[dict[str, list[Understanding]]]] = TypeAdapter(dict[str, list[Understanding]])


def differences_of(one: Understanding, other: Understanding) -> tuple[Difference, ...]:
    """Return in what two answers to one query differ."""
    found: list[tuple[Difference, bool]] = [
        ("source", one.source != other.source),
        ("category", [each.id for each in one.categories] != [each.id for each in other.categories]),
        ("rewrites", {each.query for each in one.rewrites} != {each.query for each in other.rewrites}),
        ("annotations", _spans(one) != _spans(other)),
    ]
    return tuple(kind for kind, differs in found if differs)


def _spans(answer: Understanding) -> set[tuple[Any, ...]]:
    return {(each.start, each.end, each.type, each.value) for each in answer.annotations}


def _count_of(answer: bytes) -> int:
    """Return how many understandings are in an answer; within a string the quotes of the name would be escaped."""
    return answer.count(b'"normalized":') if answer.startswith(_BATCH) else 1


class Shadow:
    """Asks the second release in a thread of its own, at most half of the time; what it has no time for is dropped.

    Args:
        release: The second one; stays the caller's to close, after this is.
        served: Returns the id of the release that is served.
        log_queries: Whether examples and log may have the queries, personal data taken out.
        board: Where every worker keeps what it found; None where there is one.
    """

    def __init__(
        self, release: Release, served: Callable[[], str], *, log_queries: bool = False, board: Path | None = None
    ) -> None:
        self._release = release
        self._served = served
        self._log_queries = log_queries
        self._board = board
        self._name = f"differences-{release.id}-{os.getpid()}.json"
        self._found = Differences(release="", other=release.id)
        self._dropped = 0
        # Two counts, for each is written by one thread alone.
        self._offered = 0
        self._taken = 0
        self._queue: deque[bytes] = deque()
        self._wake = threading.Event()
        self._closed = False
        self._lines: deque[float] = deque(maxlen=_LINES_A_SECOND)
        self._thread: threading.Thread | None = None

    def offer(self, answer: bytes) -> None:
        """Take an answer that was sent, one or a batch of them, or drop it; never waits."""
        count = _count_of(answer)
        if self._offered - self._taken >= _WAITING:
            self._dropped += count
            return
        self._offered += count
        self._queue.append(answer)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
            self._thread.start()
        self._wake.set()

    def found(self) -> Differences:
        """Return what all workers found about the release that is served, others up to a second ago."""
        found = Differences(release=self._served(), other=self._release.id)
        for more in (self._own(), *self._kept()):
            if more.release == found.release:
                found = found.plus(more)
            else:
                found = dataclasses.replace(found, dropped=found.dropped + more.dropped)
        return found

    def _own(self) -> Differences:
        return dataclasses.replace(self._found, dropped=self._dropped)

    def close(self) -> None:
        """Ask no more."""
        self._closed = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _kept(self) -> Iterable[Differences]:
        if self._board is None:
            return
        for path in self._board.glob(f"differences-{self._release.id}-*.json"):
            if path.name != self._name:
                yield differences_adapter.validate_json(path.read_bytes())

    def _work(self) -> None:
        written = 0.0
        while not self._closed:
            if not self._wake.wait(_BETWEEN):
                continue
            self._wake.clear()
            while self._queue and not self._closed:
                began = time.monotonic()
                answer = self._queue.popleft()
                self._taken += _count_of(answer)
                try:
                    self._compare(answer)
                except Exception as error:
                    _log.error("an answer could not be compared: %s", type(error).__name__)
                now = time.monotonic()
                if self._board is not None and now - written > _BETWEEN:
                    self._write()
                    written = now
                time.sleep(now - began)  # as long for the requests as was taken from them
            self._write()

    def _compare(self, answer: bytes) -> None:
        served = self._served()
        several = answer.startswith(_BATCH)
        ours = _batch.validate_json(answer)["results"] if several else [understanding_adapter.validate_json(answer)]
        for one in ours:
            # What was answered before another release was taken into service is compared with nothing.
            if one.release == served and served != self._release.id:
                self._count(one, *self._release.understand([one.query]))

    def _count(self, one: Understanding, other: Understanding) -> None:
        found = self._found
        if one.release != found.release:
            found = Differences(release=one.release, other=self._release.id)
        kinds = differences_of(one, other)
        examples = found.examples
        if kinds:
            differing = Differing(
                query=redact(one.query) if self._log_queries else None,
                kinds=kinds,
                sources=(one.source, other.source),
                categories=(tuple(each.id for each in one.categories), tuple(each.id for each in other.categories)),
            )
            examples = (*examples, differing)[-_EXAMPLES:]
            self._say(one.release, differing)
        self._found = dataclasses.replace(
            found,
            compared=found.compared + 1,
            differing=found.differing + bool(kinds),
            kinds={kind: count + (kind in kinds) for kind, count in found.kinds.items()},
            examples=examples,
        )

    def _say(self, release: str, differing: Differing) -> None:
        now = time.monotonic()
        if len(self._lines) == _LINES_A_SECOND and now - self._lines[0] < 1:
            return
        self._lines.append(now)
        first, second = ("+".join(ids) or "none" for ids in differing.categories)
        query = f" for {differing.query!r}" if differing.query is not None else ""
        _log.info(
            "%s differs from %s in %s%s: %s of %s, %s of %s",
            self._release.id, release, ", ".join(differing.kinds), query,
            first, differing.sources[0], second, differing.sources[1],
        )  # fmt: skip

    def _write(self) -> None:
        if self._board is None:
            return
        fresh = self._board / f".{self._name}"
        try:
            fresh.write_bytes(differences_adapter.dump_json(self._own()))
            fresh.replace(self._board / self._name)
        except OSError as error:
            _log.error("what was compared cannot be kept: %s", error.strerror)
