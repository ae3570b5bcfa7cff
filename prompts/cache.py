"""Completions on disk, by the hash of the request, shared by any number of processes."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diskcache import Cache, JSONDisk
from diskcache.core import MODE_PICKLE

from domain.errors import ModelError
from prompts.completion import Completion, completion_adapter, to_line

__all__ = ["CompletionCache"]

_GIGABYTE = 10**9
_SETTINGS = {
    # Synchronous in full, and no value in a file of its own: what is kept outlives a loss of power.
    "sqlite_synchronous": 2,
    "disk_min_file_size": 2**30,
    # Nothing goes while a run is on: it may be what the run has just paid for. `trim` makes room afterwards.
    "cull_limit": 0,
    "eviction_policy": "least-recently-stored",
}
_LOOK_AGAIN = 0.05  # seconds between two looks at whether another process is done with a request


class _JSONOnly(JSONDisk):  # type: ignore[misc]  # diskcache has no types
    """Rows as JSON. diskcache unpickles a row that says it is a pickle: whoever wrote the file would run code here."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """Read a row."""
        if mode == MODE_PICKLE:
            raise ModelError(f"{self._directory} holds a pickle", hint="remove the folder: it was not written by us")
        return super().fetch(mode, filename, value, read)


@dataclass
class _Claim:
    """Tasks of this process that hold or wait for one key."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    tasks: int = 0


class CompletionCache:
    """A diskcache of completions as JSON, never pickle; a context manager.

    Args:
        folder: Where it is; made if needed.
        gigabytes: What `trim` leaves at most.
    """

    def __init__(self, folder: Path, *, gigabytes: float = 20.0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._cache = Cache(str(folder), disk=_JSONOnly, size_limit=int(gigabytes * _GIGABYTE), **_SETTINGS)
        # One descriptor as long as the cache is open: closing any would give up every claim of this process.
        self._claims = (folder / "claims.lock").open("wb")
        self._claimed: dict[str, _Claim] = {}

    def __enter__(self) -> CompletionCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, key: str) -> Completion | None:
        """Return what is kept under a key."""
        found: dict[str, Any] | None = self._cache.get(key)
        return None if found is None else completion_adapter.validate_python(found)

    def put(self, completions: Iterable[Completion]) -> None:
        """Keep completions, all or none; they are on disk when this returns."""
        with self._cache.transact(retry=True):
            for completion in completions:
                self._cache.set(completion.key, to_line(completion), retry=True)

    def discard(self, keys: Iterable[str]) -> int:
        """Forget completions, so that they are asked for again; return how many there were."""
        with self._cache.transact(retry=True):
            return sum(self._cache.delete(key, retry=True) for key in keys)

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[None]:
        """Hold the sole right to ask for a completion, among all tasks and processes that share the folder.

        Look at `get` again inside: another may have asked meanwhile. The right of a process that dies ends with it.
        """
        claim = self._claimed.setdefault(key, _Claim())
        claim.tasks += 1
        try:
            async with claim.lock:
                place = int(key[:15], 16)
                while not self._try(place):
                    await asyncio.sleep(_LOOK_AGAIN)
                try:
                    yield
                finally:
                    fcntl.lockf(self._claims, fcntl.LOCK_UN, 1, place)
        finally:
            claim.tasks -= 1
            if not claim.tasks:
                del self._claimed[key]

    def _try(self, place: int) -> bool:
        """Lock one byte of a file that holds none, which the system gives back when the process ends."""
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def trim(self) -> int:
        """Make room: forget what was stored longest ago while the cache is over its size; return how many went."""
        return int(self._cache.cull(retry=True))

    def __contains__(self, key: str) -> bool:
        return key in self._cache

    def close(self) -> None:
        """Close the files."""
        self._cache.close()
        self._claims.close()
