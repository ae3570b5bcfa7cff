"""How soon a service is ready, and what it costs those who ask when it moves to another release.

Run: python benchmarks/reload.py [--answers 1000000] [--reloads 6]

A release of so many answers of about 1 KB is built and copied, and one worker serves it. First: seconds from the start
of the process to the first 200 of `/readyz`, every byte of the release read and compared with its digest on the way;
its files are in the page cache. Then one client asks for known queries, one after another, while the link is moved back
and forth; the table has the times of requests that ended while a release was being opened, beside those of the others.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running service, and how long it took to be ready."""

    port: int
    ready_s: float
    cpu_s: float


@dataclass(kw_only=True)
class Asking:
    """One client that asks all the time, and keeps when each answer came and how long it took, in seconds."""

    port: int
    ended: list[float] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    stop: bool = False

    def run(self) -> None:
        from benchmarks.serve import query_of

        with socket.create_connection(("127.0.0.1", self.port)) as client:
            i = 0
            while not self.stop:
                i = (i + 7919) % 10_000
                query = query_of(i).replace(" ", "+")
                began = time.perf_counter()
                client.sendall(f"GET /v1/understand?q={query} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                data = b""
                while not data.endswith(b"}"):  # as every answer does, and none has one at the end of a part before
                    data += client.recv(65_536)
                assert data.startswith(b"HTTP/1.1 200"), data
                now = time.perf_counter()
                self.ended.append(now)
                self.took.append(now - began)


@contextmanager
def serving(link: Path) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--follow-seconds", "0.05", "--shed-ms", "0")
    command = [sys.executable, "-m", "service", str(link), "--port", str(port), *options]
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60).close()
                    break
                except OSError:
                    assert process.poll() is None
                    time.sleep(0.005)
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            yield Running(port=port, ready_s=time.perf_counter() - began, cpu_s=cpu_s)
        finally:
            process.terminate()


def loaded(port: int) -> int:
    """Return how many releases the service has loaded."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return int(
        sum(
            float(line.split()[-1])
            for line in lines
            if line.startswith("querywise_release_reloads_total") and '"ok"' in line
        )
    )


def point(link: Path, folder: Path) -> None:
    fresh = link.with_name(".fresh")
    fresh.symlink_to(folder.name)
    fresh.replace(link)


def milliseconds(values: list[float]) -> str:
    ordered = sorted(values)
    picked = [ordered[int(len(ordered) * share)] for share in (0.5, 0.99, 0.999)] + [ordered[-1]]
    return " | ".join(f"{1000 * value:.2f}" for value in picked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000_000)
    parser.add_argument("--reloads", type=int, default=6)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="folder in which the releases stay, for the next time")
    options = parser.parse_args()
    from benchmarks import serve

    serve.QUERIES = options.answers
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        releases, link = folder / "releases", folder / "releases" / "current"
        found = [path for path in releases.glob("20*") if (path / "manifest.json").is_file()]
        first = found[0] if found else serve.build(releases)
        second = releases / "copy"
        if not second.is_dir():
            shutil.copytree(first, second)
        point(link, first)
        starts = []
        for _ in range(options.starts):
            with serving(link) as running:
                starts.append(running)
        size = sum(path.stat().st_size for path in first.rglob("*") if path.is_file())
        sys.stdout.write(f"{options.answers:,} answers, {size / 1e9:.2f} GB\n")
        ready, cpu = (statistics.median(getattr(start, name) for start in starts) for name in ("ready_s", "cpu_s"))
        sys.stdout.write(f"start to ready: {ready:.2f} s, of which {cpu:.2f} s of processor time\n")
        with serving(link) as running:
            asking = Asking(port=running.port)
            client = threading.Thread(target=asking.run)
            client.start()
            time.sleep(3)
            spans = []
            for i in range(options.reloads):
                before, began = loaded(running.port), time.perf_counter()
                point(link, (second, first)[i % 2])
                while loaded(running.port) == before:
                    time.sleep(0.1)
                spans.append((began, time.perf_counter()))
                time.sleep(1)
            asking.stop = True
            client.join()
        during = [t for at, t in zip(asking.ended, asking.took, strict=True) if any(a <= at <= b for a, b in spans)]
        else_ = [t for at, t in zip(asking.ended, asking.took, strict=True) if not any(a <= at <= b for a, b in spans)]
        sys.stdout.write(f"reload: {statistics.median(b - a for a, b in spans):.2f} s (median of {len(spans)})\n\n")
        sys.stdout.write("| requests | p50 ms | p99 ms | p99.9 ms | most ms |\n|---|---|---|---|---|\n")
        sys.stdout.write(f"| {len(else_):,} between reloads | {milliseconds(else_)} |\n")
        sys.stdout.write(f"| {len(during):,} while a release is opened | {milliseconds(during)} |\n")


if __name__ == "__main__":
    main()
