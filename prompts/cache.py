"""Completions on disk, by the hash of the request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diskcache import Cache, JSONDisk
from diskcache.core import MODE_PICKLE

from domain.errors import ModelError

__all__ = ["CompletionCache"]

# Synchronous in full: what is kept outlives a loss of power.
_SETTINGS = {"eviction_policy": "none", "size_limit": 2**40, "sqlite_synchronous": 2}


class _JSONOnly(JSONDisk):  # type: ignore[misc]  # diskcache has no types
    """Rows as JSON. diskcache unpickles a row that says it is a pickle: whoever wrote the file would run code here."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Read a row."""
        if mode == MODE_PICKLE:
            raise ModelError(f"{self._directory} holds a pickle", hint="remove the folder: it was not written by us")
        return super().fetch(mode, filename, value, read)


class CompletionCache:
    """A diskcache of JSON values (never pickle), shared by processes; nothing is evicted: every line was paid for."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._cache = Cache(str(folder), disk=_JSONOnly, **_SETTINGS)

    def get(self, key: str) -> dict[str, Any] | None:
        """Return what is kept under a key."""
        found: dict[str, Any] | None = self._cache.get(key)
        return found

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep a value; it is on disk when this returns."""
        self._cache.set(key, value)

    def __contains__(self, key: str) -> bool:
        return key in self._cache

    def close(self) -> None:
        """Close the files."""
        self._cache.close()
