"""Completions on disk, by the hash of the request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from diskcache import Cache, JSONDisk

__all__ = ["CompletionCache"]


class CompletionCache:
    """A diskcache of JSON values (never pickle), shared by processes; nothing is evicted: every line was paid for."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._cache = Cache(str(folder), disk=JSONDisk, eviction_policy="none", size_limit=2**40)

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
