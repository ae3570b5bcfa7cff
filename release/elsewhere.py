"""A folder elsewhere, by a URL that fsspec takes: an object store, a web server, another file system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from domain.errors import ReleaseError, UserError

__all__ = ["Elsewhere", "is_url"]

_BLOCK: Final = 1 << 20
_STREAMED: Final = frozenset(("http", "https"))


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
        except (ImportError, ValueError) as error:
            raise UserError(f"{self.shown} cannot be used: {error}", hint="install what fsspec asks for") from error
        self._root = root.rstrip("/")
        # Many web servers send a file from its beginning only.
        self._how = {"block_size": 0} if parts.scheme in _STREAMED else {}

    def read(self, *parts: str, most: int) -> bytes:
        """Return a small file.

        Raises:
            ReleaseError: where it cannot be read, or is larger.
        """
        with self._naming("cannot be read", parts), self._files.open(self._path(parts), "rb", **self._how) as file:
            data: bytes = file.read(most + 1)
        if len(data) > most:
            raise ReleaseError(f"{self.shown}/{'/'.join(parts)} has over {most:,} bytes")
        return data

    def read_from(self, start: int, *parts: str) -> Iterator[bytes]:
        """Yield the bytes of a file from some place on.

        Raises:
            ReleaseError: where it cannot be read.
        """
        with self._naming("cannot be read", parts), self._files.open(self._path(parts), "rb", **self._how) as file:
            if start:
                self._go_to(file, start)
            while block := file.read(_BLOCK):
                yield block

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
            self._files.makedirs(self._path(parts[:-1]), exist_ok=True)
            self._files.put_file(str(file), self._path(parts))

    def _path(self, parts: tuple[str, ...]) -> str:
        return "/".join((self._root, *parts))

    def _go_to(self, file: Any, start: int) -> None:
        if not self._how:
            file.seek(start)
            return
        while start > 0 and (skipped := len(file.read(min(start, _BLOCK)))):
            start -= skipped

    @contextmanager
    def _naming(self, problem: str, parts: tuple[str, ...]) -> Iterator[None]:
        """Say which file it was: what the libraries of object stores raise has no root in common."""
        try:
            yield
        except ReleaseError:
            raise
        except Exception as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
            raise ReleaseError(f"{self.shown}/{'/'.join(parts)} {problem}: {reason}") from error
