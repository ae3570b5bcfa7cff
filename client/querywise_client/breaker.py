"""Stops asking for a moment when nobody answers.

A service that hangs costs every search the whole time limit; after a few such searches the others should not pay it.
"""

from __future__ import annotations

import time

from querywise_client.errors import Paused

__all__ = ["Breaker"]


class Breaker:
    """Lets calls through until some in a row found nobody, then one in a while, until that one is answered.

    Threads may share it without a lock: at worst two of them go to look instead of one.

    Args:
        failures: Calls in a row; with 0 it never stops any.
        pause: Seconds between two calls that go to look.
    """

    def __init__(self, failures: int, pause: float) -> None:
        self._most = failures
        self._pause = pause
        self._failed = 0
        self._look_at = 0.0

    def admit(self) -> None:
        """Let a call through.

        Raises:
            Paused: where it is not to ask.
        """
        if not self._most or self._failed < self._most:
            return
        now = time.monotonic()
        if now < self._look_at:
            raise Paused("The last calls found nobody; this one did not ask.")
        self._look_at = now + self._pause

    def answered(self) -> None:
        """Note that somebody answered, whatever it was."""
        self._failed = 0

    def failed(self) -> None:
        """Note that nobody did."""
        self._failed += 1
        if self._failed == self._most:
            self._look_at = time.monotonic() + self._pause
