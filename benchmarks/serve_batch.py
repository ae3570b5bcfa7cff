"""What a batch of 1,000 mixed queries takes over HTTP, and the private memory of each further worker.

Run: python benchmarks/serve_batch.py --release FOLDER [--tail FILE] [--searches FILE] [--workers 3] [--rounds 30]

Half of a batch are queries with a precomputed answer, in turn with as many of a file that have none; without a file
the other half are made of the words of the first. Another batch is of the searches of a log, a query a line as they
came, drawn at random. Times are by the clock of the client, and of the processor of the one
worker that is asked. Then so many workers are started on the same release and asked for some 20,000 precomputed answers
each, and what they have for themselves is read from `/proc/PID/smaps_rollup`: pages of the files they map are shared.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.serve import Server  # noqa: E402

SIZE = 1_000
READ = 20_000


@contextmanager
def serving(release: Path, workers: int) -> Iterator[Server]:
    """Run the service on a free port of this machine, and yield it once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--workers", str(workers), "--shed-ms", "0"]
    with subprocess.Popen([sys.executable, "-m", "service", str(release), *options], cwd=ROOT) as process:
        try:
            until = time.monotonic() + 60
            while not _is_ready(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("the service did not start")
                time.sleep(0.05)
            yield Server(address=f"127.0.0.1:{port}", pid=process.pid)
        finally:
            process.terminate()


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def queries_of(release: Path, tail: Path | None) -> tuple[list[str], list[str]]:
    """Return queries with a precomputed answer, and as many without one."""
    from domain import normalise
    from release import open_release
    from release.head import HeadStore
    from release.manifest import HEAD

    keys = [key.decode() for key, _ in itertools.islice(HeadStore(release / HEAD), READ) if len(key) < 256]
    draw = random.Random(0)
    if tail is None:
        words = sorted({word for key in keys for word in key.split()})
        lines = (" ".join(draw.sample(words, 3)) for _ in range(20 * SIZE))
    else:
        lines = iter(tail.read_text().splitlines())
    with open_release(release, verify=False) as opened:
        forms = dict.fromkeys(filter(None, map(normalise, lines)))
        unknown = [form for form in forms if len(form) <= 256 and opened.head_bytes(form) is None]
    return keys, unknown[: SIZE // 2]


def unknown_share(release: Path, queries: list[str]) -> float:
    """Return the share of queries that have no precomputed answer."""
    from domain import normalise
    from release import open_release

    with open_release(release, verify=False) as opened:
        return sum(opened.head_bytes(normalise(query)) is None for query in queries) / len(queries)


def batch_milliseconds(release: Path, body: bytes, rounds: int) -> tuple[list[float], list[float]]:
    """Return what a batch took, round by round, by the clock and of the worker's processor time."""
    by_clock, by_processor = [], []
    with serving(release, 1) as server:
        connection = http.client.HTTPConnection(server.address, timeout=60)
        for number in range(-3, rounds):
            before, began = server.cpu_seconds(), time.perf_counter()
            connection.request("POST", "/v1/understand/batch", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            size, took = len(answer.read()), time.perf_counter() - began
            if answer.status != 200 or not size:
                raise SystemExit(f"the batch was answered by {answer.status}")
            if number >= 0:  # the first three warm up
                by_clock.append(1000 * took)
                by_processor.append(1000 * (server.cpu_seconds() - before))
        connection.close()
    return by_clock, by_processor


def private_megabytes(release: Path, known: list[str], workers: int) -> list[float]:
    """Return the private memory of each worker, once all have answered much."""
    with serving(release, workers) as server:
        for start in range(0, READ * workers, SIZE):
            some = [known[(start + i) % len(known)] for i in range(SIZE)]
            connection = http.client.HTTPConnection(server.address, timeout=60)  # a new one, for any of the workers
            body = json.dumps({"queries": some}).encode()
            connection.request("POST", "/v1/understand/batch", body, {"content-type": "application/json"})
            connection.getresponse().read()
            connection.close()
        found = []
        for parent in Path(f"/proc/{server.pid}/task").glob("*/children"):
            for pid in parent.read_text().split():
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                if b"resource_tracker" not in command:
                    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                    found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--tail", type=Path, help="file with a query a line")
    parser.add_argument("--searches", type=Path, help="file with a search a line")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    release = options.release.resolve()
    known, unknown = queries_of(release, options.tail)
    head = [known[i % len(known)] for i in range(SIZE)]
    mixed = [query for pair in zip(head, unknown, strict=False) for query in pair]
    sys.stdout.write("| batch | p50 ms | p90 ms | processor ms |\n|---|---|---|---|\n")
    batches = {"precomputed": head, "half and half": mixed}
    if options.searches:
        searched = random.Random(0).sample(options.searches.read_text().splitlines(), SIZE)
        batches[f"as they come, {unknown_share(release, searched):.1%} unknown"] = searched
    for name, queries in batches.items():
        took, used = batch_milliseconds(release, json.dumps({"queries": queries}).encode(), options.rounds)
        took.sort()
        figures = f"{statistics.median(took):.1f} | {took[int(0.9 * len(took))]:.1f} | {statistics.median(used):.1f}"
        sys.stdout.write(f"| {len(queries):,}, {name} | {figures} |\n")
    found = private_megabytes(release, known, options.workers)
    sys.stdout.write(f"\nprivate MB of {len(found)} workers: {', '.join(f'{each:.0f}' for each in found)}\n")


if __name__ == "__main__":
    main()
