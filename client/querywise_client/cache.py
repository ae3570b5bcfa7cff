"""Answers kept as their headers allow (RFC 9111, as far as one client of one service needs it)."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["AnswerCache", "Held"]

_MAX_AGE: Final = re.compile(r"max-age\s*=\s*\"?(\d{1,9})")
_DIGITS: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True, kw_only=True)
class Held:
    """An answer, what to name it by when it is asked whether it still holds, and until when nobody need be asked."""

    answer: Any
    etag: str | None
    until: float

    @property
    def fresh(self) -> bool:
        """Whether it may be given without asking."""
        return time.monotonic() < self.until


class AnswerCache:
    """The answers used last, up to a number, shared by threads.

    Args:
        size: Answers; with 0 none is kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[tuple[str, ...], Held] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...]) -> Held | None:
        """Return what is held under a key, fresh or not."""
        with self._lock:
            held = self._held.get(key)
            if held is not None:
                self._held.move_to_end(key)
            return held

    def keep(self, key: tuple[str, ...], answer: Any, headers: Mapping[str, str]) -> None:
        """Hold an answer as the headers of its response allow, or of the 304 that renews it."""
        control = headers.get("cache-control", "").lower()
        etag = headers.get("etag")
        seconds = _seconds(control, headers)
        with self._lock:
            self._held.pop(key, None)
            if not self._size or "no-store" in control or (seconds <= 0 and etag is None):
                return
            self._held[key] = Held(answer=answer, etag=etag, until=time.monotonic() + seconds)
            if len(self._held) > self._size:
                self._held.popitem(last=False)


def _seconds(control: str, headers: Mapping[str, str]) -> int:
    found = _MAX_AGE.search(control)
    if found is None or "no-cache" in control:
        return 0
    age = headers.get("age", "").strip()
    return int(found[1]) - (int(age) if _DIGITS.fullmatch(age) else 0)
