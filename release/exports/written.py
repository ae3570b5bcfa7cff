"""The files of an export as they are written: nothing of them is held but the line at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["File", "Written"]


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of an export.

    Attributes:
        name: Its name.
        lines: Its lines without their ends, or the parts of a document that are one each.
    """

    name: str
    lines: Iterable[str]


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files of an engine, to be read in order, each to its end before the next.

    Attributes:
        files: Them.
        unwritable: Ids of rules that the format has no way to write; all are there when the files have been read.
    """

    files: Iterator[File]
    unwritable: list[str] = field(default_factory=list)
