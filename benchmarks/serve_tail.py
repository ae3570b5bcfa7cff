"""HTTP requests a second on the CPU for queries without a precomputed answer, batching off and on, and with one.

Run: python -m benchmarks.serve_tail --release FOLDER --queries FILE [--rate 2000] [--seconds 1] [--rounds 3] [--json]

The release has a student; the file has a query a line, and those with a precomputed answer are left out. Each server is
the service as it is run, one worker on one core; wrk makes the load on the other where there are two. `wait 0` collects
only while a pass is under way, `wait 200` at most 200 microseconds more. Each connection asks again as soon as it has
its answer. With `--rate` so many requests a second are sent over 16 connections when they are due, whatever has been
answered (`benchmarks.open_loop`), and nothing else is measured. The servers take turns of a second, so that a noisy
neighbour hits all of them; the table has medians.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONNECTIONS = (1, 16, 64)
AT_RATE = 16
MOST = 500
SERVERS = {
    "off": [],
    "wait 0": ["--batch-wait-us", "0"],
    "wait 200": ["--batch-wait-us", "200"],
}
TURNS = (("head", "off"), *(("tail", server) for server in SERVERS))


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a turn came to; requests by the clock and by the processor time of the server, and latencies in ms."""

    per_second: float
    per_cpu_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time used so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def queries_of(release: Path, file: Path) -> dict[str, list[str]]:
    """Return up to 500 queries that the release has an answer for, and up to 500 of a file that it has none for."""
    from domain import normalise
    from release import open_release
    from release.head import HeadStore
    from release.manifest import HEAD

    with open_release(release) as opened:
        if not opened.has_student:
            raise SystemExit(f"{release} has no student")
        known = [key.decode() for key, _ in itertools.islice(HeadStore(release / HEAD), 10 * MOST) if len(key) < 256]
        lines = dict.fromkeys(filter(None, map(normalise, file.read_text().splitlines())))
        missing = [query for query in lines if len(query) <= 256 and opened.head_bytes(query) is None]
    if not known or not missing:
        raise SystemExit("the release has no precomputed answer, or the file no query without one")
    return {"head": known[:MOST], "tail": missing[:MOST]}


@contextmanager
def serving(release: Path, options: Sequence[str]) -> Iterator[Server]:
    """Run the service on a free port of this machine, and yield it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *_pinned(0),
        sys.executable,
        "-m",
        "service",
        str(release),
        "--port",
        str(port),
        "--shed-ms",
        "0",
        *options,
    ]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            for _ in range(400):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).read()
                    break
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.05)
            yield Server(port=port, pid=process.pid)
        finally:
            process.terminate()


def _pinned(core: int) -> list[str]:
    alone = (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None
    return [] if alone else ["taskset", "-c", str(core)]


def measure(server: Server, script: Path, connections: int, seconds: int) -> Load:
    """Load a server for some seconds, on as many connections."""
    address = f"http://127.0.0.1:{server.port}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script), address]
    before = server.cpu_seconds()
    output = subprocess.run([*_pinned(1), *command], capture_output=True, text=True, check=True).stdout
    used = server.cpu_seconds() - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"the server refused requests:\n{output}")
    count = re.search(r"(\d+) requests in", output)
    shares = {int(share): _ms(*found) for share, *found in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)\n", output)}
    assert count, output
    total = int(count[1])
    return Load(per_second=total / seconds, per_cpu_second=total / used, p50_ms=shares[50], p99_ms=shares[99])


def measure_at(rate: int, server: Server, queries: Sequence[str], seconds: int) -> Load:
    """Ask so many queries a second of a server for some seconds."""
    from benchmarks.open_loop import waits_at

    requests = [f"GET {_address(query)} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for query in queries]
    before, began = server.cpu_seconds(), time.perf_counter()
    waits = waits_at(server.port, requests, rate=rate, seconds=seconds, connections=AT_RATE)
    took, used = time.perf_counter() - began, server.cpu_seconds() - before
    return Load(
        per_second=len(waits) / took,
        per_cpu_second=len(waits) / used,
        p50_ms=1000 * waits[len(waits) // 2],
        p99_ms=1000 * waits[int(0.99 * len(waits))],
    )


def _ms(value: str, unit: str) -> float:
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def _address(query: str) -> str:
    return f"/v1/understand?q={quote_plus(query)}"


def lua(queries: Sequence[str]) -> str:
    """Return a script for wrk that asks queries in turn."""
    sent = ",".join(json.dumps(_address(query)) for query in queries)
    return f"""local sent = {{{sent}}}
local ready, n = {{}}, 0
init = function(args) for i = 1, #sent do ready[i] = wrk.format('GET', sent[i]) end end
request = function() n = n % #ready + 1; return ready[n] end
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=Path, required=True, help="folder of a release with a student")
    parser.add_argument("--queries", type=Path, required=True, help="file with a query a line")
    parser.add_argument("--rate", type=int, help="requests a second")
    parser.add_argument("--seconds", type=int, default=1, help="of a turn; at most 5")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None and not options.rate:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    release, seconds = options.release.resolve(), min(options.seconds, 5)
    turns = [(*turn, connections) for connections in ((AT_RATE,) if options.rate else CONNECTIONS) for turn in TURNS]
    loads: dict[tuple[str, str, int], list[Load]] = {turn: [] for turn in turns}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        queries = queries_of(release, options.queries)
        script = Path(scratch) / "asked.lua"
        servers = {name: stack.enter_context(serving(release, given)) for name, given in SERVERS.items()}
        if (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(0, {1})
        for number in range(-2, options.rounds):  # the first two warm up
            for turn in turns:
                path, server, connections = turn
                if options.rate:
                    load = measure_at(options.rate, servers[server], queries[path], seconds)
                else:
                    script.write_text(lua(queries[path]))
                    load = measure(servers[server], script, connections, seconds)
                if number >= 0:
                    loads[turn].append(load)
    fields = [field.name for field in dataclasses.fields(Load)]
    medians = {
        turn: Load(**{name: statistics.median(getattr(load, name) for load in found) for name in fields})
        for turn, found in loads.items()
    }
    if options.json:
        rows = [
            {"path": path, "batching": server, "connections": connections, **dataclasses.asdict(load)}
            for (path, server, connections), load in medians.items()
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    sys.stdout.write("| path | batching | connections | requests/s | a CPU second | p50 ms | p99 ms |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    for (path, server, connections), load in medians.items():
        figures = f"{load.per_second:,.0f} | {load.per_cpu_second:,.0f} | {load.p50_ms:.2f} | {load.p99_ms:.2f}"
        sys.stdout.write(f"| {path} | {server} | {connections} | {figures} |\n")


if __name__ == "__main__":
    main()
