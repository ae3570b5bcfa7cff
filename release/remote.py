"""Releases in a folder elsewhere: what is current there is brought here, and what is current here is brought there.

There are no links there. A text object ``current`` names the release that is current, and each release is a folder
named by its id, with the files that it has here. Files are written before the manifest that lists them, and the
manifest before ``current`` names it, so whoever reads in the other order finds all that was promised.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Any, BinaryIO, Final

from domain.errors import ReleaseError
from domain.files import sync_folder
from release.current import current_release, list_releases, move, previous_release, whole_release
from release.elsewhere import Elsewhere
from release.lock import changing
from release.manifest import (
    MANIFEST,
    FileDigest,
    Manifest,
    check_files,
    digest_file,
    read_manifest,
    replace_manifest,
)

__all__ = ["Mirror", "push"]

_CURRENT: Final = "current"
_ID: Final = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{6}")
_FETCHING: Final = ".fetching-"
_TICK: Final = 0.05
_BLOCK: Final = 1 << 20
_MOST_NAME: Final = 256
_MOST_MANIFEST: Final = 64 << 20


class _Refused(ReleaseError):
    """What arrived is not what its manifest says; to fetch it again would not help."""


class Mirror:
    """Brings what is current elsewhere into a folder here, in which ``current`` is a link as in any folder of releases.

    Any number of processes may share the folder: one of them fetches, and the others go on with what is there.

    Args:
        url: Of the folder elsewhere, as fsspec takes it.
        folder: Here.
        most_bytes: What the folder may take, with all its releases; older ones are removed for the next.

    Raises:
        UserError: where fsspec, or what it needs for the URL, is not installed.
    """

    def __init__(self, url: str, folder: Path, *, most_bytes: int) -> None:
        self._elsewhere = Elsewhere(url)
        self._folder = folder
        self._most = most_bytes
        self._stopped = Event()
        self._refused: tuple[tuple[bytes, str], str] | None = None

    def stop(self) -> None:
        """Break off what is being fetched; the next process goes on from there. From any thread."""
        self._stopped.set()
        self._elsewhere.stop()

    def fetch(self, keep: Collection[str] = (), *, again: bool = False) -> bool:
        """Let ``current`` here lead to the release that is current elsewhere, once it is here and whole.

        What a broken transfer has left is taken up where it ended, and what is here without all of its files is mended
        so. What arrived whole and is not what its manifest says is not fetched again until the manifest was written
        again, which a push does.

        Args:
            keep: Ids of releases that are not removed, whatever room is needed.
            again: Whether to fetch that again all the same, to compare what is here with its digests, and to wait
                for another process that fetches.

        Returns:
            Whether it was done; not where another process is at it, and there is a release to go on with.

        Raises:
            ReleaseError: where it cannot be had, is not whole, or has no room; ``current`` is what it was.
        """
        try:
            return self._fetch(keep, again)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ReleaseError(f"releases cannot be kept in {self._folder}: {reason}") from error

    def _fetch(self, keep: Collection[str], again: bool) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".fetch.lock").open("wb") as lock:
            if not self._take(lock, wait=again or current_release(self._folder) is None):
                return False
            name = self._elsewhere.read(_CURRENT, most=_MOST_NAME).decode("ascii", "replace").strip()
            if not _ID.fullmatch(name):
                raise ReleaseError(f"{self._elsewhere.shown}/{_CURRENT} names no release")
            described = self._elsewhere.read(name, MANIFEST, most=_MOST_MANIFEST)
            if not self._is_here(name, described, again):
                # Asked before the files are read: what is mended meanwhile is tried again.
                found = (described, self._elsewhere.written(name, MANIFEST))
                if self._refused is not None and self._refused[0] == found and not again:
                    raise ReleaseError(self._refused[1], hint="push the release again")
                try:
                    self._bring(name, described, keep, again)
                except _Refused as error:
                    self._refused = (found, str(error))
                    raise
            with changing(self._folder):
                move(self._folder, name)
        return True

    def _take(self, lock: BinaryIO, *, wait: bool) -> bool:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if not wait:
                    return False
            if self._stopped.wait(_TICK):
                raise ReleaseError("the service is stopping")

    def _is_here(self, name: str, described: bytes, digests: bool) -> bool:
        here = self._folder / name / MANIFEST
        return here.is_file() and here.read_bytes() == described and _is_whole(here.parent, digests)

    def _bring(self, name: str, described: bytes, keep: Collection[str], again: bool) -> None:
        here = self._folder / name
        unfinished = self._folder / f"{_FETCHING}{name}"
        unfinished.mkdir(exist_ok=True)
        (unfinished / MANIFEST).write_bytes(described)
        manifest = _manifest_of(unfinished, name)
        if (here / MANIFEST).is_file() and _is_whole(here, digests=again):
            shutil.rmtree(unfinished)
            if read_manifest(here).files != manifest.files:
                raise _Refused(f"{name} is here with other files", hint=f"remove {here}, or build it anew")
            with changing(self._folder):
                replace_manifest(here, described)  # the same release, with another verdict
            return
        if here.is_dir():  # in part: what is whole of it is not fetched again
            shutil.rmtree(unfinished)
            here.rename(unfinished)
            (unfinished / MANIFEST).write_bytes(described)
        _drop_others(unfinished, manifest)
        self._make_room(manifest, unfinished, keep)
        for file_name, digest in manifest.files.items():
            if not (unfinished / file_name).is_file():
                self._fetch_file(unfinished / file_name, digest, (name, file_name))
        check_files(unfinished, manifest, digests=False)
        for path in unfinished.rglob("*"):
            if path.is_dir():
                sync_folder(path)
        sync_folder(unfinished)
        unfinished.rename(here)
        sync_folder(self._folder)

    def _fetch_file(self, path: Path, digest: FileDigest, parts: tuple[str, str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        for start in dict.fromkeys((part.stat().st_size if part.is_file() else 0, 0)):
            found = self._fetch_from(start, part, digest, parts)
            if found == digest:
                part.rename(path)
                return
            if found.bytes < digest.bytes:
                raise ReleaseError(f"{self._elsewhere.shown}/{'/'.join(parts)} ended early")
            part.unlink()  # what was left of an earlier time may be of another file
        where = f"{self._elsewhere.shown}/{'/'.join(parts)}"
        raise _Refused(f"{where} does not match its digest", hint="remove it there, and push the release again")

    def _fetch_from(self, start: int, part: Path, digest: FileDigest, parts: tuple[str, str]) -> FileDigest:
        """Append to a file what it lacks, and return what it is then; at most one block too much is read."""
        sums, size = hashlib.sha256(), start
        with part.open("r+b" if start else "wb") as file:
            while block := file.read(_BLOCK) if start else b"":
                sums.update(block)
            if size < digest.bytes:
                for block in self._elsewhere.read_from(start, *parts):
                    file.write(block)
                    sums.update(block)
                    size += len(block)
                    if size > digest.bytes:
                        break
            file.flush()
            os.fsync(file.fileno())
        return FileDigest(sha256=sums.hexdigest(), bytes=size)

    def _make_room(self, manifest: Manifest, unfinished: Path, keep: Collection[str]) -> None:
        """Remove what is not served, the oldest first, until the release fits."""
        wanted = sum(file.bytes for file in manifest.files.values())
        for path in self._folder.glob(f"{_FETCHING}*"):
            if path != unfinished:
                shutil.rmtree(path)
        taken = {name: _bytes_in(self._folder / name) for name in list_releases(self._folder)}
        # What was served before stays while there is room for it, for going back.
        previous = previous_release(self._folder)
        removable = [name for name in taken if name not in keep and name != current_release(self._folder)]
        if wanted + sum(taken[name] for name in taken if name not in removable) > self._most:
            raise ReleaseError(
                f"{manifest.release} has {wanted:,} bytes, and {self._folder} may have {self._most:,} in all",
                hint="give the cache room for two releases at least",
            )
        removable.sort(key=lambda name: (name == previous, (self._folder / name).stat().st_mtime))
        for name in removable:
            if sum(taken.values()) + wanted <= self._most:
                break
            # What a killed process leaves of it must not look like a release.
            shutil.rmtree((self._folder / name).rename(self._folder / f"{_FETCHING}{name}"))
            del taken[name]


def _manifest_of(folder: Path, name: str) -> Manifest:
    """Read a manifest that comes from elsewhere, and refuse names that lead out of the folder."""
    try:
        manifest = read_manifest(folder)
    except ReleaseError as error:
        raise _Refused(str(error), hint=error.hint) from error
    if manifest.release != name:
        raise _Refused(f"the folder {name} holds release {manifest.release}", hint="push the release again")
    for file in manifest.files:
        path = PurePosixPath(file)
        inside = path.parts and not path.is_absolute() and ".." not in path.parts
        if not inside or file != path.as_posix() or not file.isprintable():
            raise _Refused(f"{name} has a file of the name {file!r}", hint="push the release again")
    return manifest


def _is_whole(folder: Path, digests: bool) -> bool:
    try:
        check_files(folder, read_manifest(folder), digests=digests)
    except ReleaseError:
        return False
    return True


def _drop_others(folder: Path, manifest: Manifest) -> None:
    """Remove what an earlier time left that is not of this manifest: not all files of a release decide its id."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        whole = name.removesuffix(".part")
        is_begun = whole != name and whole in manifest.files and not (folder / whole).is_file()
        if path.is_file() and name != MANIFEST and not is_begun:
            if name not in manifest.files or digest_file(path) != manifest.files[name]:
                path.unlink()


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def push(releases: Path, url: str) -> str:
    """Copy the current release of a folder to another folder by its URL, let it be current there, and return its id.

    What is there already is not copied again, so that going back is a matter of two small objects; files of it that
    are missing there, or have another size, are.

    Raises:
        ReleaseError: where there is no current release, it does not verify, or it cannot be written.
        UserError: as `Mirror`.
    """
    name = current_release(releases)
    if name is None:
        raise ReleaseError("there is no current release to push", hint="promote one")
    folder, elsewhere = whole_release(releases, name), Elsewhere(url)
    manifest, described = read_manifest(folder), (folder / MANIFEST).read_bytes()
    was_there = _files_there(elsewhere, name) == manifest.files
    for file, digest in manifest.files.items():
        if not was_there or elsewhere.size(name, file) != digest.bytes:
            elsewhere.put(folder / file, name, file)
    elsewhere.write(described, name, MANIFEST)
    elsewhere.write(f"{name}\n".encode(), _CURRENT)
    return name


def _files_there(elsewhere: Elsewhere, name: str) -> dict[str, Any] | None:
    """Return the files of a release that is elsewhere already, or None; its manifest came after all of them."""
    try:
        described = json.loads(elsewhere.read(name, MANIFEST, most=_MOST_MANIFEST))
        return {file: FileDigest(**digest) for file, digest in described["files"].items()}
    except (ReleaseError, ValueError, KeyError, TypeError, AttributeError):
        return None
