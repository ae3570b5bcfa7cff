"""Stopping without a failed request: first not ready, then deaf, then gone."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["draining"]


@contextmanager
def draining(seconds: float, begin: Callable[[], None]) -> Iterator[None]:
    """Between the signal to stop and the stop, go on for a while: balancers look at ``/readyz`` and leave.

    A second signal stops at once. Nothing is done where there is no time to wait, or outside the main thread, which
    alone hears signals.

    Args:
        seconds: How long to go on.
        begin: Is called, in the event loop, when the signal has come.
    """
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)
    heard = False

    def stop() -> None:
        if callable(before):
            before(signal.SIGTERM, None)

    def start() -> None:
        begin()
        loop.call_later(seconds, stop)

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        if heard:
            stop()
        else:
            heard = True
            loop.call_soon_threadsafe(start)

    signal.signal(signal.SIGTERM, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
