"""What a worker tells the others of a release that it refused, as a text in its slab."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Self

__all__ = ["Note"]


@dataclass(frozen=True, kw_only=True)
class Note:
    """Why a release is refused.

    Attributes:
        release: Its id, or "" where none was found.
        reason: Why; the last words may be missing, for a slab has little room.
        at: When, in seconds by `time.monotonic`, which is one clock for all processes of a machine.
    """

    release: str
    reason: str
    at: float = field(default_factory=time.monotonic)

    @classmethod
    def read(cls, text: str) -> Self | None:
        """Return what `text` gave, or None where nothing is refused."""
        if not text:
            return None
        at, release, reason = text.split("\n", 2)
        return cls(release=release, reason=reason, at=float(at))

    @property
    def text(self) -> str:
        """The note in the form that `read` takes."""
        return f"{self.at!r}\n{self.release}\n{self.reason}"
