"""The processes of a service: which there are, and what each of them takes."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Sample", "sample_of", "workers_of"]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one process takes.

    Attributes:
        at: When, on the clock of `time.monotonic`.
        pid: The process.
        private: Bytes that it has written and shares with nobody; what it maps of files, and only reads, is not in it.
        files: Descriptors that are no sockets.
        sockets: Descriptors that are.
        maps: Files of LMDB that are mapped.
        threads: Threads.
    """

    at: float
    pid: int
    private: int
    files: int
    sockets: int
    maps: int
    threads: int


def workers_of(parent: int) -> list[int]:
    """Return the workers of a service, by the process that keeps them."""
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found


def sample_of(pid: int) -> Sample | None:
    """Return what a process takes now, or None where there is no such process any more."""
    folder = Path(f"/proc/{pid}")
    try:
        memory = dict(line.split(":") for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
        maps = {line.split()[-1] for line in (folder / "maps").read_text().splitlines() if line.endswith(".lmdb")}
        sockets = files = 0
        for name in os.listdir(folder / "fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                is_socket = os.readlink(folder / "fd" / name).startswith("socket:")
                sockets, files = sockets + is_socket, files + (not is_socket)
        return Sample(
            at=time.monotonic(),
            pid=pid,
            private=int(memory["Private_Dirty"].split()[0]) * 1024,
            files=files,
            sockets=sockets,
            maps=len(maps),
            threads=len(os.listdir(folder / "task")),
        )
    except (OSError, KeyError):
        return None
