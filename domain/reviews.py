"""What people decided in a review: an append-only journal, and what of it stands.

A line is on disk, synced, before its writer hears that it is. Nothing is ever taken out: an undo is a line of its own.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

from pydantic import Field, TypeAdapter, ValidationError

from domain.files import sync_folder
from domain.understanding import Specificity

__all__ = ["Damage", "Decision", "Entry", "Journal", "Skip", "Standing", "Undo", "rater_name"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What one rater expects for one query.

    Attributes:
        id: Chosen by the writer, so that a line which is sent twice is written once.
        query: In normal form.
        rater: Who decided.
        time: When, with its zone.
        categories: Expected ids, the first one first; empty where the right answer is to abstain.
        acceptable: Further ids that are not wrong.
        specificity: None where the rater did not say.
        reason: In the rater's words; may be empty.
        shown: Digest of what the sources had said.
        blind: Whether the rater decided without knowing which source said what.
        adjudicates: Whether the rater saw the decisions of others, which differ, and settles the query.
    """

    action: Literal["decide"] = "decide"
    id: str
    query: str
    rater: str
    time: datetime
    categories: tuple[str, ...]
    acceptable: tuple[str, ...] = ()
    specificity: Specificity | None = None
    reason: str = ""
    shown: str = ""
    blind: bool = True
    adjudicates: bool = False


@dataclass(frozen=True, kw_only=True)
class Skip:
    """A rater put a query off."""

    action: Literal["skip"] = "skip"
    id: str
    query: str
    rater: str
    time: datetime
    shown: str = ""
    adjudicates: bool = False


@dataclass(frozen=True, kw_only=True)
class Undo:
    """A rater took back the line `withdraws`, one of their own; what stood before it stands again."""

    action: Literal["undo"] = "undo"
    id: str
    withdraws: str
    rater: str
    time: datetime


Entry = Decision | Skip | Undo
_adapter: TypeAdapter[Entry] = TypeAdapter(Annotated[Entry, Field(discriminator="action")])


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A line (1-based) that is no entry and is left out; a crash while it was written leaves such a one."""

    line: int
    detail: str


class Standing:
    """What stands of a journal: the last line on each query by each rater that was not withdrawn.

    Decisions that adjudicate stand beside the rater's independent one, which they do not replace.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        entries = tuple(entries)
        self._owners = {entry.id: entry.rater for entry in entries}
        self.withdrawn = frozenset(
            entry.withdraws
            for entry in entries
            if isinstance(entry, Undo) and self._owners.get(entry.withdraws) == entry.rater
        )
        self._last: dict[tuple[str, str, bool], Decision | Skip] = {}
        for entry in entries:
            if not isinstance(entry, Undo) and entry.id not in self.withdrawn:
                key = (entry.query, entry.rater, entry.adjudicates)
                # The newest key goes last, which `last` relies on.
                self._last.pop(key, None)
                self._last[key] = entry

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """All decisions that stand, in the order in which they were made."""
        return tuple(entry for entry in self._last.values() if isinstance(entry, Decision))

    def get(self, query: str, rater: str, *, adjudicates: bool = False) -> Decision | Skip | None:
        """Return what a rater said last on a query."""
        return self._last.get((query, rater, adjudicates))

    def last(self, rater: str, *, adjudicates: bool = False) -> Decision | Skip | None:
        """Return the newest line of a rater that stands."""
        mine = (e for e in reversed(self._last.values()) if e.rater == rater and e.adjudicates == adjudicates)
        return next(mine, None)

    def owner(self, entry_id: str) -> str | None:
        """Return who wrote a line, or None where there is no such line."""
        return self._owners.get(entry_id)


class Journal:
    """The file of a review, for any number of threads and processes at once.

    Args:
        path: The file, made with the first entry. What other processes append is seen.

    Raises:
        OSError: from every method, when the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = threading.Lock()
        self._read: list[Entry | Damage] = []
        self._place = (0, 0)  # inode, and bytes read of it
        self._open_end = False
        self._standing = Standing(())

    @property
    def standing(self) -> Standing:
        """What stands now."""
        self._refresh()
        return self._standing

    @property
    def damaged(self) -> tuple[Damage, ...]:
        """The lines that cannot be read."""
        self._refresh()
        return tuple(entry for entry in self._read if isinstance(entry, Damage))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All lines that can be read, in order."""
        self._refresh()
        return tuple(entry for entry in self._read if not isinstance(entry, Damage))

    def append(self, entry: Entry) -> None:
        """Write one entry; it is on disk when this returns. An entry whose id is there already is not written again."""
        with self._thread:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.path.exists()
            with self.path.open("a+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._catch_up(file)
                if self._standing.owner(entry.id) is not None:
                    return
                # What a crash cut off keeps its line, and the next one begins on its own.
                line = b"\n" * self._open_end + _adapter.dump_json(entry) + b"\n"
                self._write(file, line)
                self._catch_up(file)
            if is_new:
                sync_folder(self.path.parent)

    @staticmethod
    def _write(file: BinaryIO, line: bytes) -> None:
        end = os.fstat(file.fileno()).st_size
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            # Nobody was told that these bytes are there.
            os.ftruncate(file.fileno(), end)
            raise

    def _refresh(self) -> None:
        with self._thread:
            try:
                with self.path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_SH)
                    self._catch_up(file)
            except FileNotFoundError:
                self._forget()

    def _forget(self) -> None:
        self._read, self._place, self._open_end = [], (0, 0), False
        self._standing = Standing(())

    def _catch_up(self, file: BinaryIO) -> None:
        """Read what has come since; everything, where this is another file than before."""
        found = os.fstat(file.fileno())
        inode, done = self._place
        if (found.st_ino, found.st_size) == self._place:
            return
        if found.st_ino != inode or found.st_size < done or self._open_end:
            self._forget()
            done = 0
        file.seek(done)
        data = file.read()
        lines = data.split(b"\n")
        self._open_end = bool(lines[-1])
        for line in lines if self._open_end else lines[:-1]:
            self._read.append(_entry(line, len(self._read) + 1, cut_off=self._open_end and line is lines[-1]))
        self._place = (found.st_ino, done + len(data))
        self._standing = Standing(entry for entry in self._read if not isinstance(entry, Damage))


def _entry(line: bytes, number: int, *, cut_off: bool) -> Entry | Damage:
    try:
        return _adapter.validate_json(line)
    except ValidationError as error:
        if cut_off:
            return Damage(line=number, detail="cut off, as by a crash; it was never confirmed")
        return Damage(line=number, detail=f"no entry: {error.errors()[0]['msg'][:100]}")


def rater_name(text: str) -> str:
    """Return the name of a rater with single spaces.

    Raises:
        ValueError: when it is empty, over 60 characters, or holds what cannot be printed.
    """
    name = " ".join(text.split())
    if not 0 < len(name) <= 60 or not name.isprintable():
        raise ValueError("a rater needs a name of 1 to 60 printable characters")
    return name
