"""A folder elsewhere, by a URL that fsspec takes: an object store, a web server, another file system."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final
from urllib.parse import urlsplit

from domain.errors import ReleaseError, UserError

__all__ = ["Elsewhere", "is_url"]

_BLOCK: Final = 1 << 20
_AHEAD: Final = 4 << 20
"""Bytes that a library fetches at once: they must be there in time over a slow line, and are held in memory twice."""

_PATIENCE: Final = 30.0
"""Seconds without a byte after which a store does not answer; libraries of object stores try for ten minutes."""

_TICK: Final = 0.2
_MOST_LEFT: Final = 8
_STREAMED: Final = frozenset(("http", "https"))
_FLAT: Final = frozenset(("abfs", "abfss", "az", "gcs", "gs", "oci", "oss", "s3", "s3a", "tos"))
"""Object stores: they have no folders, and asked for one their libraries may create the bucket of a mistyped URL."""


def is_url(text: str) -> bool:
    """Whether a text names a folder elsewhere and not a path."""
    return "://" in text


class Elsewhere:
    """A folder by its URL. fsspec is imported here and nowhere else.

    Args:
        url: As fsspec takes it.

    Attributes:
        shown: The URL without what may be secret in it.

    Raises:
        UserError: where fsspec, or what it needs for the URL, is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ModuleNotFoundError as error:
            raise UserError("releases by URL need fsspec", hint="pip install 'querywise[remote]'") from error
        parts = urlsplit(url)
        self.shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise UserError(f"{self.shown} cannot be used: {error}", hint="install what fsspec asks for") from error
        except ValueError as error:
            hint = "check the URL, and the credentials that its library asks for"
            raise UserError(f"{self.shown} cannot be used: {error}", hint=hint) from error
        self._root = root.rstrip("/")
        self._flat = parts.scheme in _FLAT
        self._streamed = parts.scheme in _STREAMED
        self._stopped = Event()
        self._left: list[Thread] = []

    def stop(self) -> None:
        """Break off what is being read, and read no more. From any thread."""
        self._stopped.set()

    def read(self, *parts: str, most: int) -> bytes:
        """Return a small file.

        Raises:
            ReleaseError: where it cannot be read, or is larger.
        """
        data = b"".join(self._in_time(self._small(most, parts), parts))
        if len(data) > most:
            raise ReleaseError(f"{self.shown}/{'/'.join(parts)} has over {most:,} bytes")
        return data

    def read_from(self, start: int, *parts: str) -> Iterator[bytes]:
        """Yield the bytes of a file from some place on.

        Raises:
            ReleaseError: where it cannot be read.
        """
        return self._in_time(self._blocks(start, parts), parts)

    def written(self, *parts: str) -> str:
        """Return when a file was written last, in any form; an empty text where that cannot be known."""

        def ask() -> Iterator[bytes]:
            with self._naming("cannot be read", parts):
                self._files.invalidate_cache(self._path(parts))
                yield str(self._files.modified(self._path(parts))).encode()

        try:
            return b"".join(self._in_time(ask(), parts)).decode()
        except ReleaseError:
            return ""

    def size(self, *parts: str) -> int | None:
        """Return the bytes of a file, or None where it is not there or may not be asked for."""
        try:
            self._files.invalidate_cache(self._path(parts))
            size: int | None = self._files.info(self._path(parts)).get("size")
        except Exception:
            return None  # to copy what cannot be asked for is no worse
        return size

    def write(self, data: bytes, *parts: str) -> None:
        """Write a small file, whole or not at all.

        Raises:
            ReleaseError: where it cannot be written.
        """
        with self._naming("cannot be written", parts), self._files.transaction:
            self._files.pipe_file(self._path(parts), data)

    def put(self, file: Path, *parts: str) -> None:
        """Copy a file there, with the folders that it stands in.

        Raises:
            ReleaseError: where it cannot be written.
        """
        with self._naming("cannot be written", parts):
            if not self._flat:
                self._files.makedirs(self._path(parts).rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(file), self._path(parts))

    def _path(self, parts: tuple[str, ...]) -> str:
        return "/".join((self._root, *parts))

    def _small(self, most: int, parts: tuple[str, ...]) -> Iterator[bytes]:
        with self._naming("cannot be read", parts):
            if self._streamed:
                left = most + 1
                with self._open(parts) as file:
                    while block := file.read(left):  # a read gets what has arrived, and nothing where nothing is left
                        left -= len(block)
                        yield block
            else:
                # One request, where to open would be two, between which the file may become another one.
                self._files.invalidate_cache(self._path(parts))
                yield self._files.cat_file(self._path(parts), start=0, end=most + 1)

    def _blocks(self, start: int, parts: tuple[str, ...]) -> Iterator[bytes]:
        with self._naming("cannot be read", parts), self._open(parts) as file:
            if start and not self._streamed:
                file.seek(start)
            while self._streamed and start > 0 and (skipped := len(file.read(min(start, _BLOCK)))):
                start -= skipped
            while block := file.read(_BLOCK):
                yield block

    def _open(self, parts: tuple[str, ...]) -> Any:
        self._files.invalidate_cache(self._path(parts))
        # Many web servers send a file from its beginning only: those are read as they come.
        return self._files.open(self._path(parts), "rb", block_size=0 if self._streamed else _AHEAD)

    def _in_time(self, blocks: Iterator[bytes], parts: tuple[str, ...]) -> Iterator[bytes]:
        """Yield the blocks, made one by one in a thread that is left behind when it hangs and dies with the process."""
        where = f"{self.shown}/{'/'.join(parts)}"
        self._left = [thread for thread in self._left if thread.is_alive()]
        if len(self._left) >= _MOST_LEFT:
            raise ReleaseError(f"{where} cannot be read: the store has not answered for long")
        asked, made = SimpleQueue[bool](), SimpleQueue[bytes | Exception | None]()

        def make() -> None:
            try:
                while asked.get():
                    made.put(next(blocks, None))
            except Exception as error:
                made.put(error)

        thread = Thread(target=make, daemon=True, name="elsewhere")
        thread.start()
        self._left.append(thread)
        try:
            while (block := self._next(asked, made, where)) is not None:
                yield block
        finally:
            asked.put(False)

    def _next(self, asked: SimpleQueue[bool], made: SimpleQueue[bytes | Exception | None], where: str) -> bytes | None:
        asked.put(True)
        until = time.monotonic() + _PATIENCE
        while not self._stopped.is_set():
            try:
                found = made.get(timeout=_TICK)
            except Empty:
                if time.monotonic() > until:
                    raise ReleaseError(f"{where} cannot be read: no answer in {_PATIENCE:g} s") from None
                continue
            if isinstance(found, Exception):
                raise found
            return found
        raise ReleaseError("the service is stopping")

    @contextmanager
    def _naming(self, problem: str, parts: tuple[str, ...]) -> Iterator[None]:
        """Say which file it was: what the libraries of object stores raise has no root in common."""
        try:
            yield
        except ReleaseError:
            raise
        except Exception as error:
            raise ReleaseError(f"{self.shown}/{'/'.join(parts)} {problem}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Say what went wrong in words that hold no secret: the message of an error may hold the whole URL."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, FileNotFoundError):
        return "it is not there"
    if isinstance(error, PermissionError):
        return "access is denied"
    status = next((each for name in ("status_code", "status", "code") if (each := getattr(error, name, None))), None)
    return f"{type(error).__name__} ({status})" if isinstance(status, int) else type(error).__name__
