"""Which look at a release this is: an append-only file that outlives crashes and is shared by processes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from domain.errors import UserError
from domain.files import sync_folder

__all__ = ["Look", "Looks"]


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at one release, from 1, and the digest of what it saw."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    candidate: str
    digest: str
    look: Annotated[int, Field(ge=1)]


_adapter: TypeAdapter[Look] = TypeAdapter(Look)


class Looks:
    """The looks in one file, JSON Lines.

    A look is on disk before anybody hears its number, so that no crash gives the same level twice. What is left of a
    line that was being written when its process ended was never heard of, and goes.

    Args:
        path: The file; made with its folder when the first look is taken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, candidate: str, digest: str) -> int:
        """Return the number of a look, and remember it.

        The same evidence again is the same look. Processes wait for one another.

        Args:
            candidate: What is looked at, by its content.
            digest: The evidence, as `digest_of` names it.

        Raises:
            UserError: the file cannot be written, or is damaged: without a look that is missing from it, more than
                alpha could be spent.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                return self._take(file, candidate, digest)
        except OSError as error:
            raise UserError(
                f"{self._path} cannot be written: {error.strerror}", hint="a look that is not kept cannot be taken"
            ) from error

    def of(self, candidate: str) -> tuple[Look, ...]:
        """Return the looks that were taken at a release, oldest first.

        Raises:
            UserError: the file is damaged.
        """
        if not self._path.exists():
            return ()
        with self._path.open("rb") as file:
            whole, _ = _split(file.read())
            return tuple(look for look in self._parse(whole) if look.candidate == candidate)

    def _take(self, file: BinaryIO, candidate: str, digest: str) -> int:
        taken = [look for look in self._read(file) if look.candidate == candidate]
        for look in taken:
            if look.digest == digest:
                return look.look
        new = Look(candidate=candidate, digest=digest, look=max((look.look for look in taken), default=0) + 1)
        file.write(_adapter.dump_json(new) + b"\n")
        file.flush()
        os.fsync(file.fileno())
        sync_folder(self._path.parent)
        return new.look

    def _read(self, file: BinaryIO) -> list[Look]:
        file.seek(0)
        whole, torn = _split(file.read())
        if torn:
            file.truncate(file.tell() - len(torn))
        return self._parse(whole)

    def _parse(self, lines: Sequence[bytes]) -> list[Look]:
        looks = []
        for number, line in enumerate(lines, start=1):
            try:
                looks.append(_adapter.validate_json(line))
            except ValidationError:
                raise UserError(
                    f"{self._path} is damaged at line {number}",
                    hint="restore it from a backup; it says how much of alpha each release has spent",
                ) from None
        return looks


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    *whole, torn = data.split(b"\n")
    return whole, torn
