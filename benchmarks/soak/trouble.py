"""What befalls the service: its link is moved as a promotion moves it, and its workers are killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.soak.processes import workers_of
from release.current import move
from release.lock import changing

__all__ = ["Death", "kill_workers", "move_releases"]

_PATIENCE: Final = 5.0
"""Seconds in which another worker has to serve, also after the last death, when no more is asked."""


@dataclass(kw_only=True)
class Death:
    """A worker that was killed.

    Attributes:
        at: When, on the clock of `time.monotonic`.
        pid: The worker.
        life: How long it had run, in seconds.
        back: After how many seconds all workers served again, or None where they did not.
    """

    at: float
    pid: int
    life: float
    back: float | None = None


async def move_releases(
    releases: Path, names: Sequence[str], *, every: float, until: float, moves: list[tuple[float, str]]
) -> None:
    """Make one release after the other the current one; each move is appended with its time."""
    i = 0
    while time.monotonic() + every < until:
        await asyncio.sleep(every)
        i += 1
        name = names[i % len(names)]
        with changing(releases):
            move(releases, name)
        moves.append((time.monotonic(), name))


async def kill_workers(
    parent: int,
    *,
    every: tuple[float, float],
    spare_until: float,
    until: float,
    serving: Callable[[], int],
    deaths: list[Death],
    draw: random.Random,
) -> None:
    """Kill a worker now and then: the younger one, so that the other grows old, and after `spare_until` the older.

    Args:
        parent: The process that keeps the workers.
        every: The least and the most seconds between two deaths.
        spare_until: When, on the clock of `time.monotonic`.
        until: When to stop; whether the last worker that died is replaced is waited for all the same.
        serving: Returns how many workers serve.
        deaths: Each is appended.
        draw: Where chance comes from.
    """
    count = len(workers_of(parent))
    while (now := time.monotonic()) + (wait := draw.uniform(*every)) + every[0] / 2 < until:
        await asyncio.sleep(wait)
        ages = sorted((_age(pid), pid) for pid in workers_of(parent))
        if len(ages) < count:
            continue
        life, pid = ages[0 if now < spare_until else -1]
        os.kill(pid, signal.SIGKILL)
        death = Death(at=time.monotonic(), pid=pid, life=life)
        deaths.append(death)
        while time.monotonic() < death.at + _PATIENCE:
            await asyncio.sleep(0.25)
            workers = workers_of(parent)
            if pid not in workers and len(workers) == count and await asyncio.to_thread(serving) == count:
                death.back = time.monotonic() - death.at
                break


def _age(pid: int) -> float:
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
