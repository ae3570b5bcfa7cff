"""Opens releases for all workers of one service: the first of them to see one verifies it, and the others trust that.

What was found is kept in a file of the service's own folder, under a lock: the release that was accepted last, for
workers that start later, and the one that was refused last, so that all refuse it for one reason. Both are known by
the times and sizes of their files too: a folder that is changed is another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from domain.errors import ReleaseError
from release import LoadRetriever, Release, open_release
from release.student import Provider

__all__ = ["Opener", "Place", "place_of"]

_FOUND: Final = "releases.json"
_LOCK: Final = "releases.lock"
_WARMED: Final = 8


@dataclass(frozen=True, kw_only=True)
class Place:
    """A release folder as it was at one moment; ``stamp`` is another one once any file of it has changed."""

    folder: Path
    stamp: str


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    place: Place
    reason: str
    hint: str


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the workers know: what is served and of which shop, and what was refused; ``turn`` counts the changes."""

    turn: int = 0
    accepted: Place | None = None
    shop: str | None = None
    refused: _Refusal | None = None


_found: Final[TypeAdapter[_Found]] = TypeAdapter(_Found)


def place_of(path: Path) -> Place:
    """Follow a path to the release folder that it leads to now; reads names and times only.

    Raises:
        ReleaseError: where it leads to none, or the folder cannot be read.
    """
    try:
        folder = path.resolve(strict=True)
        digest = hashlib.sha256()
        for directory, names, files in os.walk(folder, onerror=_raise):
            names.sort()
            for name in sorted(files):
                status = os.stat(os.path.join(directory, name), follow_symlinks=False)
                digest.update(f"{directory}/{name} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}".encode())
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it leads in a circle"
        raise ReleaseError(f"{path} leads to no release: {reason}", hint="promote a release") from error
    return Place(folder=folder, stamp=digest.hexdigest())


def _raise(error: OSError) -> None:
    raise error


class Opener:
    """Opens releases of one shop. Use it from one thread at a time.

    Args:
        provider: Where their students run.
        load_retriever: As `release.open_release` takes it.
        shared: A folder that all workers of the service have, and nobody else; None where there is one worker.
    """

    def __init__(
        self, *, provider: Provider = "cpu", load_retriever: LoadRetriever | None = None, shared: Path | None = None
    ) -> None:
        self._provider = provider
        self._load_retriever = load_retriever
        self._shared = shared
        self._own = _Found()

    @property
    def accepted(self) -> Place | None:
        """What was opened last by any worker, or None."""
        return self._read().accepted

    def turn_of(self, place: Place) -> int:
        """Return a number that is another one once the place is to be tried again, whatever was found.

        That is so once another worker has opened it, or was asked to try again.
        """
        found = self._read()
        return found.turn if found.accepted == place else 0

    def forget(self) -> None:
        """Let every worker try again what was refused, when it looks next."""
        with self._alone():
            found = self._read()
            self._write(replace(found, refused=None, turn=found.turn + 1))

    def open(self, place: Place) -> Release:
        """Open a release and answer some queries with it, so that the first shopper does not wait for that.

        Every byte is read and compared with its digest, unless that was done and found right when it was accepted.

        Raises:
            ReleaseError: as `release.open_release`, or as it did when another worker opened this place; also where the
                release is of another shop than the one that is served.
        """
        with self._alone():
            found = self._read()
            if found.refused is not None and found.refused.place == place:
                raise ReleaseError(found.refused.reason, hint=found.refused.hint)
            if found.accepted != place:
                try:
                    release = self._open(place, found.shop, verify=True)
                except ReleaseError as error:
                    refusal = _Refusal(place=place, reason=str(error), hint=error.hint)
                    self._write(replace(found, refused=refusal))
                    raise
                self._write(_Found(turn=found.turn + 1, accepted=place, shop=release.manifest.shop))
                return release
        return self._open(place, found.shop, verify=False)

    def _open(self, place: Place, shop: str | None, *, verify: bool) -> Release:
        release = open_release(
            place.folder, load_retriever=self._load_retriever, verify=verify, provider=self._provider
        )
        try:
            if shop not in (None, release.manifest.shop):
                raise ReleaseError(
                    f"{release.id} is of the shop {release.manifest.shop!r}, and {shop!r} is served",
                    hint="start a service of its own for another shop",
                )
            queries = list(release.manifest.examples[:_WARMED]) or ["a"]
            release.understand(queries)
            if release.has_student:
                release.understand_unseen(queries)
        except BaseException:
            release.close()
            raise
        return release

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other worker open a release it does not know meanwhile; one that dies does not keep the others out."""
        if self._shared is None:
            yield
            return
        lock = os.open(self._shared / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _read(self) -> _Found:
        if self._shared is None:
            return self._own
        try:
            return _found.validate_json((self._shared / _FOUND).read_bytes())
        except FileNotFoundError:
            return _Found()

    def _write(self, found: _Found) -> None:
        if self._shared is None:
            self._own = found
            return
        fresh = self._shared / f".{_FOUND}.{os.getpid()}"
        fresh.write_bytes(_found.dump_json(found))
        fresh.replace(self._shared / _FOUND)
