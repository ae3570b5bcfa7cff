"""The lock under which verdicts and the links to releases change."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["changing"]


@contextmanager
def changing(releases: Path) -> Iterator[None]:
    """Let nobody else change a verdict or a link meanwhile; not to be nested.

    Builders have a lock of their own, which they hold for minutes: going back must not wait for that.
    """
    with (releases / ".gate.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
