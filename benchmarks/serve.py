"""HTTP requests a second on one core: Querywise's head path beside bare ASGI, Starlette and FastAPI, in one run.

Run: python benchmarks/serve.py [--seconds 1] [--rounds 9] [--json]

Every server answers about 1 KB of JSON, at 16 connections over loopback, one uvicorn worker with the same settings.
The bare application is the ceiling: it sends constant bytes, and for a POST it reads the body and looks at nothing.
Querywise does its whole work: it validates, normalises, looks up one of 10,000 queries and echoes it. The servers take
turns of a second, so that a noisy neighbour hits all of them; the table has medians, and the median of the ratios of
neighbouring turns. Server and load keep to a core each
where there are two. The load generator is wrk where it is installed, else a Python client, itself the bottleneck. The
share of the ceiling is of requests in a second of the server's processor time, which other work on the machine disturbs
less than the clock; on an idle machine the two agree.
"""

import argparse
import asyncio
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
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

CONNECTIONS = 16
QUERIES = 10_000
SENT = 500
Method = Literal["GET", "POST"]
METHODS: tuple[Method, ...] = ("GET", "POST")
SERVERS = {
    "bare": "bare ASGI on uvicorn: the ceiling",
    "querywise": "**Querywise, head path**",
    "starlette": "Starlette route, bytes",
    "fastapi": "FastAPI route, pydantic model",
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one stretch of load came to; requests by the clock, and by the processor time the server used."""

    per_second: float
    per_cpu_second: float
    p99_ms: float


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server."""

    address: str
    pid: int

    def cpu_seconds(self) -> float:
        """Processor time used so far, user and system."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def query_of(i: int) -> str:
    return f"Organic Apple Juice {i} ml"


def build(releases: Path) -> Path:
    """Build a release of 10,000 answers of about 1 KB."""
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


def application(name: str) -> Any:
    """Return one of the servers; runs in a process of its own."""
    from domain.understanding import Understanding, understanding_adapter
    from release import open_release

    folder = Path(os.environ["BENCHMARK_RELEASE"])
    if name == "querywise":
        from service.run import RELEASE_VARIABLE, app_from_environment

        os.environ[RELEASE_VARIABLE] = str(folder)
        return app_from_environment()
    with open_release(folder) as release:
        body = release.answer_bytes(query_of(0))
    length = b"%d" % len(body)
    if name == "bare":

        async def bare(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] == "POST":
                while (await receive()).get("more_body"):
                    pass
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        return bare
    if name == "starlette":
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route

        async def route(request: Request) -> Response:
            await request.body()
            return Response(body, media_type="application/json")

        return Starlette(routes=[Route("/v1/understand", route, methods=["GET", "POST"])])

    from fastapi import FastAPI
    from pydantic import BaseModel

    class Asked(BaseModel):
        query: str

    app, answer = FastAPI(), understanding_adapter.validate_json(body)

    @app.get("/v1/understand")
    async def get(q: str) -> Understanding:
        return dataclasses.replace(answer, query=q)

    @app.post("/v1/understand")
    async def post(asked: Asked) -> Understanding:
        return dataclasses.replace(answer, query=asked.query)

    return app


def run_server(name: str, port: int) -> None:
    import uvicorn

    quiet = {"log_level": "warning", "access_log": False, "proxy_headers": False, "server_header": False, "ws": "none"}
    lifespan: Any = "off" if name.startswith("bare") else "on"
    uvicorn.run(application(name), port=port, http="httptools", loop="uvloop", lifespan=lifespan, **quiet)  # type: ignore[arg-type]


@contextmanager
def serving(name: str, release: Path) -> Iterator[Server]:
    """Run one of the servers on a free port of this machine, and yield it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"BENCHMARK_RELEASE": str(release)}
    command = [*_pinned(0), sys.executable, __file__, "--server", name, "--port", str(port)]
    with subprocess.Popen(command, env=environment) as process:
        try:
            address = f"http://127.0.0.1:{port}/v1/understand"
            for _ in range(200):
                try:
                    urllib.request.urlopen(f"{address}?q=x", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.05)
            yield Server(address=address, pid=process.pid)
        finally:
            process.terminate()


def _pinned(core: int) -> list[str]:
    alone = (os.cpu_count() or 1) < 2 or shutil.which("taskset") is None
    return [] if alone else ["taskset", "-c", str(core)]


def measure(server: Server, method: Method, seconds: int, scratch: Path) -> Load:
    before = server.cpu_seconds()
    load = _wrk if shutil.which("wrk") else _python_load
    count, p99_ms = load(server.address, method, seconds, scratch)
    return Load(per_second=count / seconds, per_cpu_second=count / (server.cpu_seconds() - before), p99_ms=p99_ms)


def _wrk(address: str, method: Method, seconds: int, scratch: Path) -> tuple[int, float]:
    script = scratch / f"{method}.lua"
    script.write_text(_lua(method))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), address]
    output = subprocess.run([*_pinned(1), *command], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"the server refused requests:\n{output}")
    count, worst = re.search(r"(\d+) requests in", output), re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    assert count and worst, output
    return int(count[1]), float(worst[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[worst[2]]


def _queries() -> list[str]:
    return [query_of(i * (QUERIES // SENT)) for i in range(SENT)]


def _lua(method: Method) -> str:
    if method == "GET":
        paths = ",".join(json.dumps(f"/v1/understand?q={query.replace(' ', '+')}") for query in _queries())
        make = "wrk.format('GET', sent[i])"
    else:
        paths = ",".join(json.dumps(json.dumps({"query": query})) for query in _queries())
        make = "wrk.format('POST', nil, {['content-type']='application/json'}, sent[i])"
    return f"""local sent = {{{paths}}}
local ready, n = {{}}, 0
init = function(args) for i = 1, #sent do ready[i] = {make} end end
request = function() n = n % #ready + 1; return ready[n] end
"""


def _python_load(address: str, method: Method, seconds: int, _: Path) -> tuple[int, float]:
    return asyncio.run(_clients(address, method, seconds))


async def _clients(address: str, method: Method, seconds: int) -> tuple[int, float]:
    host, port = address.split("/")[2].split(":")
    requests = []
    for query in _queries():
        if method == "GET":
            requests.append(f"GET /v1/understand?q={query.replace(' ', '+')} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        else:
            body = json.dumps({"query": query})
            head = f"POST /v1/understand HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            requests.append(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
    until = time.perf_counter() + seconds
    times: list[float] = []

    async def client(offset: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (started := time.perf_counter()) < until:
            offset = (offset + 1) % len(requests)
            writer.write(requests[offset])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
            times.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(client(i * 31) for i in range(CONNECTIONS)))
    return len(times), sorted(times)[int(len(times) * 0.99)] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=1, help="of load for each server, method and round; at most 10")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--server", choices=SERVERS, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.server:
        run_server(options.server, options.port)
        return
    seconds = min(options.seconds, 10)
    loads: dict[tuple[str, Method], list[Load]] = {(name, method): [] for name in SERVERS for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        release = build(Path(folder) / "releases")
        with ExitStack() as stack:
            servers = {name: stack.enter_context(serving(name, release)) for name in SERVERS}
            for turn in range(-1, options.rounds):
                for method, name in itertools.product(METHODS, SERVERS):
                    load = measure(servers[name], method, seconds, Path(folder))
                    if turn >= 0:  # the first turn warms up
                        loads[name, method].append(load)
    fields = [field.name for field in dataclasses.fields(Load)]
    medians = {
        key: Load(**{name: statistics.median(getattr(load, name) for load in found) for name in fields})
        for key, found in loads.items()
    }
    if options.json:
        rows = [{"server": n, "method": m, **dataclasses.asdict(load)} for (n, m), load in medians.items()]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    heads = [f"{m}/s | p99 ms | {m}/CPU s | of ceiling" for m in METHODS]
    lines = [f"| server | {' | '.join(heads)} |", "|---" * (1 + 4 * len(METHODS)) + "|"]
    for name, title in SERVERS.items():
        cells = [title]
        for method in METHODS:
            load = medians[name, method]
            share = statistics.median(
                mine.per_cpu_second / ceiling.per_cpu_second
                for mine, ceiling in zip(loads[name, method], loads["bare", method], strict=True)
            )
            cells += [f"{load.per_second:,.0f}", f"{load.p99_ms:.2f}", f"{load.per_cpu_second:,.0f}", f"{share:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
