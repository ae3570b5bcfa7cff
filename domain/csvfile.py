"""Records of a CSV file, one at a time, each with the line on which it starts."""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from domain.errors import ShopError
from domain.lines import MAX_LINE, open_bytes
from domain.quarantine import Reason

__all__ = ["Record", "read_header", "read_records"]

_MAX_LINES: Final = 1000
"""Lines of one record: past that a quote was never closed, and only its own line is rejected."""

_DELIMITERS: Final = ",;\t"
_escaped = re.compile("[\udc80-\udcff]").search


@dataclass(frozen=True, kw_only=True)
class Record:
    """One record: its fields in the order of the header, or the problem it has; ``text`` is the record as it stands."""

    line: int
    fields: list[str]
    problem: Reason | None
    text: str


def read_header(path: Path) -> list[str]:
    """Return the names of the columns; an empty list for an empty file.

    Raises:
        ShopError: the header is not UTF-8, holds a name twice, or is no CSV.
    """
    with open_bytes(path) as file:
        return _header(_first_line(file)[0], path)


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records after the header; blank lines are none. The delimiter is what the header uses: , ; or tab."""
    csv.field_size_limit(MAX_LINE)
    with open_bytes(path) as file:
        first, number = _first_line(file)
        width = len(_header(first, path))
        lines = _Lines(file, after=number)
        while True:
            reader = csv.reader(lines, delimiter=_delimiter(first), strict=True)
            try:
                for fields in reader:
                    line, text = lines.take()
                    if fields:
                        yield Record(line=line, fields=fields, problem=_problem(fields, width), text=text)
            except (csv.Error, _RecordTooLong):
                line, text = lines.take_first()
                yield Record(line=line, fields=[], problem=Reason.MALFORMED_CSV, text=text)
                continue
            return


def _first_line(file: BinaryIO) -> tuple[bytes, int]:
    """Return the first line that is not blank, and its number; an empty one where there is none."""
    number = 1
    while (line := file.readline(MAX_LINE)) and not line.removeprefix(BOM_UTF8).strip():
        number += 1
    return line, number


class _RecordTooLong(Exception):
    pass


class _Lines:
    """Lines for `csv.reader`; it remembers those of the record being read, so that the rest can be read anew."""

    def __init__(self, file: BinaryIO, *, after: int) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._line = after + 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self._taken) >= _MAX_LINES:
            raise _RecordTooLong
        # A byte that is not UTF-8 becomes a lone surrogate, by which the record is known afterwards.
        text = (
            self._again.popleft() if self._again else self._file.readline(MAX_LINE).decode("utf-8", "surrogateescape")
        )
        if not text:
            raise StopIteration
        self._taken.append(text)
        return text

    def take(self) -> tuple[int, str]:
        line, text = self._line, "".join(self._taken)
        self._line += len(self._taken)
        self._taken = []
        return line, text

    def take_first(self) -> tuple[int, str]:
        line, text = self._line, self._taken[0]
        self._again.extendleft(reversed(self._taken[1:]))
        self._line += 1
        self._taken = []
        return line, text


def _header(line: bytes, path: Path) -> list[str]:
    try:
        names = next(csv.reader([line.decode()], delimiter=_delimiter(line), strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise ShopError(f"{path}: the header cannot be read: {error}", hint="save it as CSV in UTF-8") from None
    names = [name.strip() for name in names]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ShopError(f"{path}: column {min(twice)!r} is there twice")
    return names


def _delimiter(header: bytes) -> str:
    return max(_DELIMITERS, key=lambda sign: header.count(sign.encode()))


def _problem(fields: list[str], width: int) -> Reason | None:
    if any(map(_escaped, fields)):
        return Reason.NOT_UTF8
    if any("\0" in value for value in fields):
        return Reason.NUL_BYTE
    return None if len(fields) == width else Reason.MALFORMED_CSV
