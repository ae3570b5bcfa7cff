"""How long `/v1/discover` and `/v1/suggest` take at 200 requests a second on one core.

Run: python benchmarks/discover.py [--release FOLDER] [--rate 200] [--seconds 10] [--rounds 3] [--cores 0,1] [--json]

The service as it is run, one worker on one core, and a client on the other where there are two. Requests arrive at
random (exponential gaps) whether or not earlier ones are answered; a latency begins when its request is due, and ends
with the last byte of the answer. Without `--release` the
release is made up: 100,000 products in 1,110 categories, and 2,000 queries with eight ideas of twelve products for each
list. A page has 500 products of five categories. With a release that has a student, queries that borrow are asked too.
The kinds of request take turns; the table has medians over the rounds, and the worst of all.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
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
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SHOWN = 500
PRODUCTS = 100_000
QUERIES = 2_000
PAGES = 200
CONNECTIONS = 32


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a turn came to; the share of its core that the server was busy, and latencies in ms."""

    busy: float
    p50_ms: float
    p99_ms: float
    worst_ms: float


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Queries to ask, and pages to ask them for."""

    queries: Sequence[str]
    borrowing: Sequence[str]
    pages: Sequence[Sequence[str]]


def build(releases: Path) -> Path:
    """Build a release of made-up content, and return its folder."""
    from domain.discovery import Content, Suggestion
    from domain.label import Label, Provenance
    from domain.taxonomy import Node, Taxonomy
    from domain.understanding import Category, Discovery, Understanding
    from release import CatalogueProduct, build_release

    dice = random.Random(7)
    ids: list[tuple[str, str | None]] = [(f"d{i}", None) for i in range(10)]
    ids += [(f"a{i}", f"d{i % 10}") for i in range(100)] + [(f"c{i}", f"a{i % 100}") for i in range(1000)]
    taxonomy = Taxonomy(Node(category_id=i, parent_id=above, name=f"Category {i}") for i, above in ids)

    def ideas(number: int) -> tuple[Discovery, ...]:
        return tuple(
            Discovery(
                label=f"Idea {number}-{i}",
                query=f"idea {number} {i}",
                category_id=f"c{leaf}",
                product_ids=tuple(f"product-{leaf + 1000 * n}" for n in range(12)),
            )
            for i, leaf in enumerate(dice.sample(range(1000), 8))
        )

    def label(number: int) -> Label:
        category = Category(id=f"c{number % 1000}", path=taxonomy.path(f"c{number % 1000}"), confidence=0.9)
        answer = Understanding(
            query="",
            normalized=f"query {number}",
            source="head",
            reason="precomputed",
            release="",
            categories=(category,),
        )
        origin = Provenance(model="none", prompt="none", key="none", context="none", dropped={})
        return Label(query=answer.normalized, tier="head", searches=1, understanding=answer, provenance=origin)

    def content(number: int) -> Content:
        suggestions = [Suggestion(query=f"next {i}", kind="next" if i % 2 else "exploratory") for i in range(10)]
        return Content(
            query=f"query {number}",
            substitutes=ideas(number),
            complements=ideas(number),
            suggestions=tuple(suggestions),
        )

    return build_release(
        shop="benchmark",
        taxonomy=taxonomy,
        products=(
            CatalogueProduct(product_id=f"product-{i}", category_id=f"c{i % 1000}", title=f"Product {i}")
            for i in range(PRODUCTS)
        ),
        labels=map(label, range(QUERIES)),
        contents=map(content, range(QUERIES)),
        fingerprints={},
        index=None,
        releases=releases,
        created=datetime(2026, 11, 22, tzinfo=UTC),
    )


def asked_of(folder: Path) -> Asked:
    """Return what to ask of a release: pages of products that it serves, and of some that nobody knows."""
    from release import open_release
    from release.manifest import read_served_ids

    dice = random.Random(11)
    with open_release(folder) as release:
        contents = list(release.contents or ())[:QUERIES]
        if not contents:
            raise SystemExit(f"{folder} has no discovery content")
        queries = [content.query for content in contents]
        near = (
            [f"{query} {dice.choice(('large', 'new', 'for two'))}" for query in queries] if release.has_student else []
        )
        borrowing = [query for query in near if release.discover(query).borrowed_from]
    served = read_served_ids(folder).products
    if served[0].startswith("product-"):  # made up: a page has a category by its number
        pages = [
            [f"product-{leaf + 1000 * (n % 100)}" for leaf in dice.sample(range(1000), 5) for n in range(100)]
            for _ in range(PAGES)
        ]
    else:
        pages = [[*dice.choices(served, k=SHOWN - 20), *(f"unknown {i}" for i in range(20))] for _ in range(PAGES)]
    return Asked(queries=queries, borrowing=borrowing, pages=pages)


@contextmanager
def serving(release: Path, core: int) -> Iterator[tuple[int, int]]:
    """Run the service on a free port of this machine, and yield port and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*_pinned(core), sys.executable, "-m", "service", str(release), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            for _ in range(400):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1).read()
                    break
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.05)
            yield port, process.pid
        finally:
            process.terminate()


def _pinned(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") and core < (os.cpu_count() or 1) else []


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def requests_of(asked: Asked) -> dict[str, list[bytes]]:
    """Return the requests of each kind, ready to send."""

    def sent(address: str, body: dict[str, object]) -> bytes:
        text = json.dumps(body).encode()
        lines = [
            f"POST {address} HTTP/1.1",
            "host: x",
            "content-type: application/json",
            f"content-length: {len(text)}",
        ]
        return "\r\n".join([*lines, "", ""]).encode() + text

    def beside(queries: Sequence[str], shown: int) -> list[bytes]:
        pages = [list(page[:shown]) for page in asked.pages]
        return [
            sent("/v1/discover", {"query": query, "shown": pages[i % len(pages)], "result_count": i % 20})
            for i, query in enumerate(queries)
        ]

    kinds = {
        f"discover, {SHOWN} shown": beside(asked.queries, SHOWN),
        "discover, none shown": beside(asked.queries, 0),
        f"discover borrowing, {SHOWN} shown": beside(asked.borrowing, SHOWN),
        "suggest": [sent("/v1/suggest", {"query": query}) for query in asked.queries],
    }
    return {kind: found for kind, found in kinds.items() if found}


def load(port: int, pid: int, requests: Sequence[bytes], rate: int, seconds: int) -> Load:
    """Send requests at a rate for some seconds."""
    from benchmarks.open_loop import waits_at

    before, started = cpu_seconds(pid), time.perf_counter()
    waits = waits_at(port, requests, rate=rate, seconds=seconds, connections=CONNECTIONS)
    busy = (cpu_seconds(pid) - before) / (time.perf_counter() - started)
    return Load(
        busy=busy,
        p50_ms=1000 * waits[len(waits) // 2],
        p99_ms=1000 * waits[int(0.99 * len(waits))],
        worst_ms=1000 * waits[-1],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", type=Path, help="folder of a release with discovery content")
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--seconds", type=int, default=10, help="of a turn; at most 60")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default="0,1", help="of the service and of the client")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server_core, client_core = map(int, options.cores.split(","))
    with tempfile.TemporaryDirectory() as scratch:
        release = options.release.resolve() if options.release else build(Path(scratch))
        requests = requests_of(asked_of(release))
        if client_core < (os.cpu_count() or 1):
            os.sched_setaffinity(0, {client_core})
        loads: dict[str, list[Load]] = {kind: [] for kind in requests}
        with serving(release, server_core) as (port, pid):
            for number in range(-1, options.rounds):
                for kind, found in requests.items():
                    seconds = min(options.seconds, 60) if number >= 0 else 1  # the first round warms up
                    turn = load(port, pid, found, options.rate, seconds)
                    if number >= 0:
                        loads[kind].append(turn)
    names = [field.name for field in dataclasses.fields(Load)]
    rows = {
        kind: {
            name: (max if name == "worst_ms" else statistics.median)(getattr(turn, name) for turn in turns)
            for name in names
        }
        for kind, turns in loads.items()
    }
    if options.json:
        sys.stdout.write(
            json.dumps([{"kind": kind, "rate": options.rate, **row} for kind, row in rows.items()], indent=2) + "\n"
        )
        return
    sys.stdout.write(f"| {options.rate} requests/s | core busy | p50 ms | p99 ms | worst ms |\n|---|---|---|---|---|\n")
    for kind, row in rows.items():
        figures = " | ".join(f"{row[name]:.2f}" for name in names[1:])
        sys.stdout.write(f"| {kind} | {row['busy']:.0%} | {figures} |\n")


if __name__ == "__main__":
    main()
