"""HTTP requests a second on one core: Querywise's head path beside bare ASGI, frameworks and other stores, in one run.

Run: python benchmarks/serve.py [--answers 1000000] [--keep DIR] [--servers bare querywise ...] [--loads 16 256@10000]
     [--redis-server PROGRAM] [--seconds 1] [--rounds 5] [--json]

Every server answers about 1 KB of JSON to one of 500 queries in turn, which are spread over all answers; one worker on
one core. The bare application is the ceiling: uvicorn as it comes, and it sends constant bytes; of a POST it reads the
body and looks at nothing. Querywise is the service as it is run, with its counts, headers and limits, except that it
turns nobody away (`--shed-ms 0`). A load is a number of connections, each of which asks again as soon as it has its
answer, or `connections@rate`, where they pause so that there are about so many requests a second. Latency under the
first is the number of connections over the throughput, whatever the server; under the second it is what a client sees.

The servers take turns of a second, so that a noisy neighbour hits all of them; the table has medians, and the median of
the ratios of neighbouring turns. The share of the ceiling is of requests in a second of the server's processor time,
which other work on the machine disturbs less than the clock; on an idle machine the two agree. What Redis itself takes
is not in it. Server and load (wrk) keep to a core each where there are two. Redis needs `pip install redis hiredis` and
a redis-server, granian `pip install granian`.
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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote_plus

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.serve_peers import stores  # noqa: E402

QUERIES = 10_000
SENT = 500
Method = Literal["GET", "POST"]
METHODS: tuple[Method, ...] = ("GET", "POST")
SERVERS = {
    "bare": "bare ASGI on uvicorn: the ceiling",
    "querywise": "**Querywise, head path**",
    "starlette": "Starlette route, constant bytes",
    "fastapi": "FastAPI route, constant pydantic model",
    "redis": "FastAPI route, pydantic model, Redis",
    "diskcache": "FastAPI route, pydantic model, diskcache",
    "granian-bare": "bare ASGI on granian",
    "granian-querywise": "Querywise on granian",
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one stretch of load came to; requests by the clock, and by the processor time the server used."""

    per_second: float
    per_cpu_second: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How much is asked: on so many connections, as fast as they are answered or at a rate."""

    connections: int
    rate: int | None

    @staticmethod
    def of(text: str) -> Asked:
        connections, _, rate = text.partition("@")
        return Asked(connections=int(connections), rate=int(rate) if rate else None)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time used so far by all threads, in steps of nanoseconds."""
        # granian answers in a process of its own.
        parents = Path(f"/proc/{self.pid}/task").glob("*/children")
        pids = [self.pid, *(int(child) for parent in parents for child in parent.read_text().split())]
        threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def query_of(i: int) -> str:
    """Return one of the queries that there is an answer for."""
    return f"Organic Apple Juice {i} ml"


def build(releases: Path) -> Path:
    """Build a release of `QUERIES` answers of about 1 KB."""
    from domain import Taxonomy, normalise
    from domain.label import Label, Provenance
    from domain.taxonomy import Node
    from domain.understanding import Annotation, Category, Discovery, Rewrite, Understanding
    from release import build_release

    names = ("Groceries", "Beverages", "Juices", "Apple Juice")
    nodes = [Node(category_id=f"c{i}", parent_id=f"c{i - 1}" if i else None, name=name) for i, name in enumerate(names)]
    provenance = Provenance(model="none", prompt="none", key="", context="", dropped={})
    products = tuple(f"p{i}" for i in range(6))

    def labels() -> Iterator[Label]:
        for i in range(QUERIES):
            query = normalise(query_of(i))
            answer = Understanding(
                query=query,
                normalized=query,
                source="head",
                reason="precomputed",
                release="",
                categories=(
                    Category(id="c3", path=names, confidence=0.97),
                    Category(id="c2", path=names[:3], confidence=0.6),
                ),
                annotations=(Annotation(text="organic", start=0, end=7, type="dietary", value="Organic"),),
                rewrites=(Rewrite(query="apple juice", type="broader", confidence=0.93),),
                substitutes=(Discovery(label="Other juices", query="juice", category_id="c2", product_ids=products),),
                complements=(Discovery(label="For breakfast", query="cereal", category_id="c0", product_ids=products),),
                next_queries=("orange juice", "apple cider", "sparkling water"),
                specificity="specific",
            )
            yield Label(query=query, tier="head", searches=1, understanding=answer, provenance=provenance)

    return build_release(
        shop="benchmark",
        taxonomy=Taxonomy(nodes),
        product_ids=products,
        labels=labels(),
        fingerprints={},
        index=None,
        releases=releases,
        created=datetime.now(UTC),
    )


def command_of(name: str, release: Path, port: int) -> list[str]:
    """Return what runs one of the servers."""
    if name == "querywise":
        return [sys.executable, "-m", "service", str(release), "--port", str(port), "--shed-ms", "0"]
    if name.startswith("granian"):
        options = ["--interface", "asgi", "--loop", "uvloop", "--no-ws", "--log-level", "warning", "--factory"]
        made = f"benchmarks.serve_peers:{name.replace('-', '_')}"
        return [sys.executable, "-m", "granian", *options, "--port", str(port), made]
    return [sys.executable, "-m", "benchmarks.serve_peers", name, str(port)]


@contextmanager
def serving(name: str, release: Path) -> Iterator[Server]:
    """Run one of the servers on a free port of this machine, and yield it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"BENCHMARK_RELEASE": str(release)}
    with subprocess.Popen([*_pinned(0), *command_of(name, release, port)], cwd=ROOT, env=environment) as process:
        try:
            address = f"http://127.0.0.1:{port}/v1/understand"
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"{address}?q={quote_plus(query_of(0))}", timeout=1).read()
                    break
                except urllib.error.HTTPError:
                    raise
                except OSError:
                    time.sleep(0.05)
            yield Server(address=address, pid=process.pid)
        finally:
            process.terminate()


def _pinned(core: int) -> list[str]:
    alone = (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None
    return [] if alone else ["taskset", "-c", str(core)]


def measure(server: Server, method: Method, asked: Asked, seconds: int, scratch: Path) -> Load:
    """Load a server for some seconds."""
    script = scratch / f"{method}-{asked.rate}.lua"
    script.write_text(_lua(method, asked))
    command = ["wrk", "-t1", f"-c{asked.connections}", f"-d{seconds}s", "--latency", "-s", str(script), server.address]
    before = server.cpu_seconds()
    output = subprocess.run([*_pinned(1), *command], capture_output=True, text=True, check=True).stdout
    used = server.cpu_seconds() - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"the server refused requests:\n{output}")
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", output), dict[str, float]()
    for share, value, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", output):
        took[share] = float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
    assert count, output
    total = int(count[1])
    return Load(per_second=total / float(count[2]), per_cpu_second=total / used, p50_ms=took["50"], p99_ms=took["99"])


def _queries() -> list[str]:
    return [query_of(i * (QUERIES // SENT)) for i in range(SENT)]


def _lua(method: Method, asked: Asked) -> str:
    if method == "GET":
        paths = ",".join(json.dumps(f"/v1/understand?q={quote_plus(query)}") for query in _queries())
        make = "wrk.format('GET', sent[i])"
    else:
        paths = ",".join(json.dumps(json.dumps({"query": query})) for query in _queries())
        make = "wrk.format('POST', nil, {['content-type']='application/json'}, sent[i])"
    lines = f"""local sent = {{{paths}}}
local ready, n = {{}}, 0
init = function(args) for i = 1, #sent do ready[i] = {make} end end
request = function() n = n % #ready + 1; return ready[n] end
"""
    if asked.rate is None:
        return lines
    # On average so long, in milliseconds, that all connections together ask at the rate.
    return lines + f"delay = function() return math.random(0, {2 * 1000 * asked.connections // asked.rate}) end\n"


def main() -> None:
    global QUERIES
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1, help="of load for each server, method and round; at most 10")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--answers", type=int, default=QUERIES)
    parser.add_argument("--keep", type=Path, help="folder in which release and stores stay, for the next time")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=["bare", "querywise", "starlette", "fastapi"])
    parser.add_argument("--loads", nargs="+", type=Asked.of, default=[Asked.of("16")], metavar="CONNECTIONS[@RATE]")
    parser.add_argument("--redis-server", default=shutil.which("redis-server"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt-get install wrk")
    names = list(dict.fromkeys(["bare", *options.servers]))
    QUERIES = options.answers
    turns = list(itertools.product(options.loads, METHODS, names))
    loads: dict[tuple[Asked, Method, str], list[Load]] = {turn: [] for turn in turns}
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = options.keep or Path(scratch)
        found = [path.parent for path in folder.glob("releases/20*/manifest.json")]
        release = found[0] if found else build(folder / "releases")
        stack.enter_context(stores(release, folder, names, options.redis_server))
        servers = {name: stack.enter_context(serving(name, release)) for name in names}
        for number in range(-1, options.rounds):
            for asked, method, name in turns:
                load = measure(servers[name], method, asked, min(options.seconds, 10), Path(scratch))
                if number >= 0:  # the first round warms up
                    loads[asked, method, name].append(load)
    rows = [row(turn, loads[turn], loads[*turn[:2], "bare"]) for turn in turns]
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    sys.stdout.write("| connections | method | server | requests/s | a CPU second | of ceiling | p50 ms | p99 ms |\n")
    sys.stdout.write("|---" * 8 + "|\n")
    for each in rows:
        figures = f"{each['per_second']:,.0f} | {each['per_cpu_second']:,.0f} | {each['of_ceiling']:.0%}"
        latency = f"{each['p50_ms']:.2f} | {each['p99_ms']:.2f}"
        sys.stdout.write(f"| {each['load']} | {each['method']} | {each['server']} | {figures} | {latency} |\n")


def row(turn: tuple[Asked, Method, str], loads: list[Load], ceilings: list[Load]) -> dict[str, Any]:
    """Return what a server came to under one load: medians over the rounds, and the median of the ratios in each."""
    asked, method, name = turn
    medians = {
        field.name: statistics.median(getattr(load, field.name) for load in loads) for field in dataclasses.fields(Load)
    }
    ratios = [mine.per_cpu_second / theirs.per_cpu_second for mine, theirs in zip(loads, ceilings, strict=True)]
    load = f"{asked.connections} at {asked.rate:,}/s" if asked.rate else str(asked.connections)
    told = {"load": load, "method": method, "server": SERVERS[name], "of_ceiling": statistics.median(ratios)}
    return told | medians | {"lowest": min(ratios), "highest": max(ratios)}


if __name__ == "__main__":
    main()
