"""Answers kept as their headers allow (RFC 9111, as far as one client of one service needs it).

Of the headers that `Vary` may name, one differs between two calls for a query: the shopper's id. The service names it
only while it splits traffic between releases; otherwise one answer is for every shopper.
"""

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

    An answer stands under its path where it is for every shopper, and under path and id where it varies with the id; a
    shopper without one has the empty id. What stands under a path came later than all that vary.

    Args:
        size: Answers; with 0 none is kept.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[tuple[str, ...], Held] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: str, client_id: str) -> Held | None:
        """Return what is held for a shopper, fresh or not: of two answers the one that came later (RFC 9111, 4.1)."""
        with self._lock:
            for key in ((path,), (path, client_id)):
                held = self._held.get(key)
                if held is not None:
                    self._held.move_to_end(key)
                    return held
            return None

    def keep(self, path: str, client_id: str, answer: Any, headers: Mapping[str, str]) -> None:
        """Hold an answer as the headers of its response allow, or of the 304 that renews it.

        A 304 has the `Vary` that an answer would have (RFC 9110, 15.4.5), so it also says whether that has changed.
        """
        control = headers.get("cache-control", "").lower()
        varies = {name.strip() for name in headers.get("vary", "").lower().split(",")}
        etag = headers.get("etag")
        seconds = _seconds(control, headers)
        with self._lock:
            self._held.pop((path,), None)
            self._held.pop((path, client_id), None)
            if not self._size or "no-store" in control or "*" in varies or (seconds <= 0 and etag is None):
                return
            key = (path, client_id) if "x-client-id" in varies else (path,)
            self._held[key] = Held(answer=answer, etag=etag, until=time.monotonic() + seconds)
            if len(self._held) > self._size:
                self._held.popitem(last=False)


def _seconds(control: str, headers: Mapping[str, str]) -> int:
    found = _MAX_AGE.search(control)
    if found is None or "no-cache" in control:
        return 0
    age = headers.get("age", "").strip()
    return int(found[1]) - (int(age) if _DIGITS.fullmatch(age) else 0)
