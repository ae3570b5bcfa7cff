"""More load than can be answered: what is still answered in time, with shedding and without, in one run.

Run: python benchmarks/overload.py [--seconds 8] [--connections 400] [--json]

The capacity is measured before each stretch of load, for a noisy machine has another one every minute: 16 connections
that each ask again when they are answered. Then requests come at fixed times, at half of it, twice and three times it,
and at half again, whatever has been answered by then, as those of shoppers do; the two services take turns. Each
request takes a connection that is free, up to the number given, and else waits for one; its latency counts from when
it was due, so that nothing is left out that waits. After two seconds a client gives up. A request is a batch of 16
unknown queries of 220 characters, accents and signs: a millisecond or two of normalisation and little to send, so that
one load generator in Python can ask for three times what a core answers.

The first two seconds of each stretch, in which the share to shed is found, are left out but for recovery.
*Goodput* is answers within 250 ms, as a share of the capacity: 100% is all that could be had. *Shed* are 503s.
*Recovery* is the time from the fall of the load until the last 503 or late answer among what was due after it.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.serve import build  # noqa: E402

QUERIES = 16
CLOSED = 16
DEADLINE = 0.250
GIVES_UP = 2.0
SETTLES = 2.0
TURNS = ((0.5,), (2.0,), (3.0, 0.5))
MODES = {"0": "without shedding", "50": "shedding at 50 ms"}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request: when it was due, its status (0: given up), and its seconds from then."""

    due: float
    status: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What one stretch of load came to; shares are of the capacity or of the requests."""

    factor: float
    offered: float
    goodput: float
    shed: float
    given_up: float
    p50_ms: float
    p99_ms: float
    recovery: float


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.answered: asyncio.Future[int] | None = None
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        size = end + 4 + int(head.partition(b"content-length: ")[2].partition(b"\r")[0])
        if len(self._buffer) >= size:
            del self._buffer[:size]
            self._done(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._done(0)

    def _done(self, status: int) -> None:
        if self.answered is not None and not self.answered.done():
            self.answered.set_result(status)


class Pool:
    """Connections to one server, opened as they are needed."""

    def __init__(self, port: int, most: int) -> None:
        self._port = port
        self._free: deque[Client] = deque()
        self._slots = asyncio.Semaphore(most)

    async def ask(self, request: bytes) -> int:
        async with self._slots:
            client = self._free.popleft() if self._free else None
            loop = asyncio.get_running_loop()
            if client is None or client.transport.is_closing():
                _, client = await loop.create_connection(Client, "127.0.0.1", self._port)
            client.answered = loop.create_future()
            client.transport.write(request)
            try:
                status = await client.answered
            except asyncio.CancelledError:
                client.transport.abort()
                raise
            self._free.append(client)
            return status

    def close(self) -> None:
        for client in self._free:
            client.transport.abort()


def request_of(i: int) -> bytes:
    body = json.dumps({"queries": [f"{i * QUERIES + j} " + "Crème-brûlée! " * 16 for j in range(QUERIES)]}).encode()
    head = b"POST /v1/understand/batch HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


REQUESTS = [request_of(i) for i in range(64)]


async def capacity_of(port: int, seconds: float) -> float:
    pool, count, until = Pool(port, CLOSED), 0, time.perf_counter() + seconds

    async def client(i: int) -> None:
        nonlocal count
        while time.perf_counter() < until:
            assert await pool.ask(REQUESTS[i]) == 200
            count += 1

    await asyncio.gather(*map(client, range(CLOSED)))
    pool.close()
    return count / seconds


async def offer(pool: Pool, rate: float, seconds: float) -> list[Sent]:
    """Send requests at fixed times, and return them all."""
    sent: list[Sent] = []
    tasks: set[asyncio.Task[None]] = set()

    async def one(i: int, due: float) -> None:
        try:
            status = await asyncio.wait_for(pool.ask(REQUESTS[i % len(REQUESTS)]), GIVES_UP)
        except (TimeoutError, OSError):
            status = 0
        sent.append(Sent(due=due, status=status, seconds=time.perf_counter() - due))

    began, i = time.perf_counter(), 0
    while (now := time.perf_counter()) < began + seconds:
        while (due := began + i / rate) <= now:
            task = asyncio.create_task(one(i, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            i += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    return sorted(sent, key=lambda each: each.due)


def stretch_of(sent: list[Sent], factor: float, capacity: float, seconds: float) -> Stretch:
    settled = [each for each in sent if each.due >= sent[0].due + SETTLES]
    answered = sorted(each.seconds for each in settled if each.status == 200)
    bad = [each.due - sent[0].due for each in sent if each.status != 200 or each.seconds > DEADLINE]

    def at(share: float) -> float:
        return answered[int(len(answered) * share)] * 1000 if answered else float("nan")

    return Stretch(
        factor=factor,
        offered=len(sent) / seconds / capacity,
        goodput=sum(each <= DEADLINE for each in answered) / (seconds - SETTLES) / capacity,
        shed=sum(each.status == 503 for each in settled) / len(settled),
        given_up=sum(each.status == 0 for each in settled) / len(settled),
        p50_ms=at(0.5),
        p99_ms=at(0.99),
        recovery=max(bad, default=0.0),
    )


@contextmanager
def serving(release: Path, shed_ms: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "service", str(release), "--port", str(port), "--shed-ms", shed_ms]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            for _ in range(600):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).read()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


async def run(port: int, factors: tuple[float, ...], connections: int, seconds: float) -> list[Stretch]:
    """Measure the capacity as it is now, and offer shares of it one after another."""
    capacity = await capacity_of(port, 2)
    pool, stretches = Pool(port, connections), []
    for factor in factors:
        sent = await offer(pool, capacity * factor, seconds)
        stretches.append(stretch_of(sent, factor, capacity, seconds))
    pool.close()
    return stretches


def main() -> None:
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each stretch")
    parser.add_argument("--connections", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table: dict[str, list[Stretch]] = {}
    with tempfile.TemporaryDirectory() as folder:
        release = build(Path(folder) / "releases")
        with ExitStack() as stack:
            ports = {mode: stack.enter_context(serving(release, mode)) for mode in MODES}
            for port in ports.values():
                uvloop.run(capacity_of(port, 1))  # warms up
            for factors, (mode, port) in itertools.product(TURNS, ports.items()):
                table.setdefault(mode, []).extend(uvloop.run(run(port, factors, options.connections, options.seconds)))
    if options.json:
        rows = [{"shed_ms": mode, **dataclasses.asdict(each)} for mode, found in table.items() for each in found]
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    lines = ["| load | | goodput | shed | given up | p50 ms | p99 ms |", "|---" * 7 + "|"]
    for i, factor in enumerate(factor for factors in TURNS for factor in factors):
        for mode, title in MODES.items():
            each = table[mode][i]
            name = f"{factor:g} x capacity" + (", again" if i == len(table["0"]) - 1 else "")
            numbers = (
                f"{each.goodput:.0%} | {each.shed:.0%} | {each.given_up:.0%} | {each.p50_ms:.0f} | {each.p99_ms:.0f}"
            )
            lines.append(f"| {name} | {title} | {numbers} |")
    lines += ["", *(f"Recovery {title}: {table[mode][-1].recovery:.1f} s" for mode, title in MODES.items())]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
