"""The service that is soaked, in processes of its own, with all that it writes in one folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.soak.accounts import Counted, counted_in
from benchmarks.soak.processes import workers_of

__all__ = ["Running", "serving"]

_ROOT: Final = Path(__file__).resolve().parents[2]


class Running:
    """A running service.

    Attributes:
        port: Where it listens.
        process: Its parent process.
        folder: Where it writes: `requests.log`, `errors.log`, `misses` and `tmp`.
        asked: Requests sent from here, by route and status.
        broken: Further ones whose connection broke; all are for metrics.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.port = port
        self.process = process
        self.folder = folder
        self.asked: Counter[tuple[str, int]] = Counter()
        self.broken = 0

    def counted(self, *, last: bool = False) -> Counted:
        """Return what the service counts; the last time this request itself is not to be found in any of it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        if not last:
            self.asked["metrics", 200] += 1
        return counted_in(text)

    def workers_serving(self) -> int:
        """Return how many workers serve a release."""
        try:
            counted = self.counted()
        except OSError:
            self.broken += 1
            return 0
        prefix = "release_workers "
        return sum(count for name, count in counted.others.items() if name.startswith(prefix) and name != prefix)


@contextmanager
def serving(releases: Path, folder: Path, *, workers: int, log: bool, options: Sequence[str]) -> Iterator[Running]:
    """Serve what is current, until the service has stopped; raises RuntimeError where it does not start."""
    (folder / "tmp").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "service", str(releases), "--port", str(port), "--workers", str(workers)]
    command += ["--misses", str(folder / "misses"), "--log-format", "json", *options]
    command += ["--log-requests"] if log else []
    environment = os.environ | {"PYTHONPATH": str(_ROOT), "TMPDIR": str(folder / "tmp")}
    with (
        (folder / "requests.log").open("ab") as lines,
        (folder / "errors.log").open("ab") as errors,
        subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=lines, stderr=errors) as process,
    ):
        running = Running(port, process, folder)
        try:
            until = time.monotonic() + 120
            while running.workers_serving() < workers:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"the service does not start: {(folder / 'errors.log').read_text()}")
                time.sleep(0.2)
            yield running
        finally:
            children = workers_of(process.pid)
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                for pid in children:
                    os.kill(pid, 9)
                raise RuntimeError("the service did not stop within 30 s") from None
