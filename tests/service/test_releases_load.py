"""Releases that change under load: every request is answered, and by the release that its answer names."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from release.current import move


@dataclass
class Load:
    """What came back while the releases changed."""

    two: Any
    port: int
    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    running: bool = True

    async def keep(self, shift: int) -> None:
        """Send one request after another over one connection; a connection that breaks is counted and replaced."""
        requests = list(self.requests())
        i = shift
        while self.running:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                self.lost += 1
                await asyncio.sleep(0.01)
                continue
            try:
                while self.running:
                    data, check = requests[i % len(requests)]
                    i += 1
                    writer.write(data)
                    head = await reader.readuntil(b"\r\n\r\n")
                    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                    check(head, await reader.readexactly(size))
            except (OSError, asyncio.IncompleteReadError):
                self.lost += 1
            finally:
                writer.close()

    @property
    def queries(self) -> list[str]:
        return list(self.two.answers[self.two.names[0]])

    def requests(self) -> Iterator[tuple[bytes, Callable[[bytes, bytes], None]]]:
        for query in self.queries:
            get = f"GET /v1/understand?q={quote(query)} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
            yield get, lambda head, body, query=query: self.one(query, head, body)
            yield (
                self.post("/v1/understand", {"query": query}),
                lambda head, body, query=query: self.one(query, head, body),
            )
            yield self.post("/v1/understand/batch", {"queries": self.queries * 3}), self.batch
        if b'"tail"' in self.two.answers[self.two.names[0]]["sure"]:
            yield self.post("/v1/embed", {"texts": ["sure"] * 4, "kind": "query"}), self.ok
        yield self.post("/v1/discover", {"query": "protein"}), self.ok

    def post(self, path: str, document: Any) -> bytes:
        body = json.dumps(document).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    def ok(self, head: bytes, body: bytes) -> str:
        if not head.startswith(b"HTTP/1.1 200"):
            self.wrong.append(f"{head!r} {body[:200]!r}")
            return ""
        document = json.loads(body)
        name: str = document.get("results", [document])[0]["release"]
        self.answered[name] += 1
        return name

    def one(self, query: str, head: bytes, body: bytes) -> None:
        name = self.ok(head, body)
        if name and body != self.two.answers[name][query]:
            self.wrong.append(f"{query!r} by {name}: {body[:200]!r}")

    def batch(self, head: bytes, body: bytes) -> None:
        name = self.ok(head, body)
        expected = [self.two.answers[name][query] for query in self.queries] * 3 if name else []
        if name and body != b'{"results":[' + b",".join(expected) + b"]}":
            self.wrong.append(f"a batch by {name}: {body[:200]!r}")


async def follows(two: Any, port: int, reloads: int) -> None:
    """Let the link lead to the other release, as soon as it leads there to the next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for i in range(1, reloads + 1):
        name = two.names[i % 2]
        move(two.releases, name)
        until, served = time.monotonic() + 20, b""
        while name.encode() not in served:
            assert time.monotonic() < until, f"reload {i} does not come: {served!r}"
            await asyncio.sleep(0.002)
            writer.write(b"GET /v1/understand?q=protein HTTP/1.1\r\nhost: a\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            served = await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
    writer.close()


async def reload_under_load(two: Any, port: int, reloads: int) -> Load:
    """Reload while four clients ask all the time."""
    load = Load(two=two, port=port)
    async with asyncio.TaskGroup() as group:
        for shift in range(4):
            group.create_task(load.keep(shift * 7))
        await follows(two, port, reloads)
        load.running = False
    return load


@pytest.mark.parametrize(
    ("shop", "reloads", "options"),
    [
        ("two_plain", 500, ()),
        ("two_learned", 20, ()),
        ("two_learned", 20, ("--batch-wait-us", "0", "--batch-max", "8")),
    ],
    ids=["head", "student", "student in batches"],
)
def test_500_reloads_under_load(request, run_service, shop, reloads, options):
    two = request.getfixturevalue(shop)
    move(two.releases, two.names[0])
    with run_service(two.releases, "--follow-seconds", "0.01", "--shed-ms", "0", *options) as port:
        load = asyncio.run(reload_under_load(two, port, reloads))
    assert load.wrong == [] and load.lost == 0
    assert min(load.answered[name] for name in two.names) > reloads / 2


def workers_of(port: int) -> list[int]:
    """Return the workers of the service that was started for a port."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"\0--port\0{port}\0".encode() in (folder / "cmdline").read_bytes():
                children = [int(pid) for pid in (folder / "task" / folder.name / "children").read_text().split()]
                names = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
                return [pid for pid, name in names.items() if b"spawn_main" in name]
    return []


async def kill_one(two: Any, port: int) -> Load:
    """Move the link back and forth under load; meanwhile one worker of two is killed, and another takes its place."""
    load = Load(two=two, port=port)
    before = workers_of(port)
    async with asyncio.TaskGroup() as group:
        for shift in range(6):
            group.create_task(load.keep(shift * 5))
        for i in range(1, 400):
            move(two.releases, two.names[i % 2])
            await asyncio.sleep(0.05)
            if i == 10:
                os.kill(before[0], signal.SIGKILL)
            if i > 20 and i % 10 == 0 and len(now := workers_of(port)) == 2 and before[0] not in now:
                break
        load.running = False
    return load


def test_a_worker_is_killed_while_releases_change(two_plain, run_service):
    move(two_plain.releases, two_plain.names[0])
    options = ("--workers", "2", "--follow-seconds", "0.02", "--shed-ms", "0")
    with run_service(two_plain.releases, *options) as port:
        before = workers_of(port)
        assert len(before) == 2
        load = asyncio.run(kill_one(two_plain, port))
        after = workers_of(port)
        assert len(after) == 2 and before[0] not in after
    # What was under way at the killed worker is lost, one request a connection at most; none is wrong.
    assert load.wrong == [] and load.lost <= 6
    assert min(load.answered[name] for name in two_plain.names) > 10
