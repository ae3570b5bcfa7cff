"""The time a call has, counted over everything that is done for it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Final

from querywise_client.errors import Timeout

__all__ = ["Deadline"]

_STEPS: Final = ("connect", "read", "write", "pool")


class Deadline(Mapping[str, float]):
    """What is left of a call's seconds.

    It is also the mapping of timeouts that httpx asks at each step of a request, so that a step gets what those
    before it have left: five short waits do not add up to a long one. Where they have left nothing, asking raises
    `Timeout`.
    """

    def __init__(self, seconds: float, *, connect: float) -> None:
        self.seconds = seconds
        self._connect = connect
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left; negative when there are none."""
        return self._end - time.monotonic()

    def passed(self) -> Timeout:
        """Return the error for a call that has no time left."""
        return Timeout(f"No answer within {self.seconds:g} s.")

    def __getitem__(self, step: str) -> float:
        if step not in _STEPS:
            raise KeyError(step)
        left = self.left
        if left <= 0:
            raise self.passed()
        return min(left, self._connect) if step == "connect" else left

    def __iter__(self) -> Iterator[str]:
        return iter(_STEPS)

    def __len__(self) -> int:
        return len(_STEPS)
