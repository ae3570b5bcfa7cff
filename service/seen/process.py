"""What a worker says of itself: its memory, processor time and open files, and what waits in it."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.seen.board import Slot
from service.seen.series import Gauge, gauge_at

__all__ = ["beat"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM, _DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")


@dataclass(frozen=True, kw_only=True)
class _Memory:
    """Bytes that are resident, and those of them that no file stands behind."""

    resident: int
    private: int


def beat(slot: Slot, *, waiting: int, one_in: int) -> None:
    """Write how this process does into its slab.

    Args:
        slot: The slab.
        waiting: Queries that wait.
        one_in: One in so many answers is looked at for drift.
    """
    memory = _memory()
    says: dict[Gauge, int] = {
        "waiting": waiting,
        "cpu_ns": time.process_time_ns(),
        "resident_bytes": memory.resident,
        "private_bytes": memory.private,
        "open_files": _open_files(),
        "sampled": one_in,
    }
    for gauge, value in says.items():
        slot.gauges[gauge_at(gauge)] = value


def _memory() -> _Memory:
    try:
        _, resident, shared = (int(pages) * _PAGE for pages in _STATM.read_text().split()[:3])
    except (OSError, ValueError):
        # There is no /proc: the most there ever was is all that can be had, in kilobytes but on macOS.
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return _Memory(resident=most, private=most)
    return _Memory(resident=resident, private=resident - shared)


def _open_files() -> int:
    try:
        return len(os.listdir(_DESCRIPTORS))
    except OSError:
        return 0
