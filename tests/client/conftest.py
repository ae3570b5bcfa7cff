"""The real service with everything a release can have, a server that does what it is told, and either client."""

from __future__ import annotations

import asyncio
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from domain import Taxonomy
from querywise_client import AsyncClient, Client
from tests.service import conftest as service_conftest

Behaviour = bytes | Callable[..., object]


@pytest.fixture(scope="session")
def release_folder(tmp_path_factory: pytest.TempPathFactory, teach: Callable[..., Any]) -> Path:
    """The grocery release with head answers, a student, and discovery content."""
    folder = tmp_path_factory.mktemp("client")
    taxonomy = Taxonomy.from_json((service_conftest.GROCERY / "taxonomy.json").read_bytes())
    return service_conftest._build_with_contents(
        folder / "releases", student=teach(folder / "student", taxonomy).folder
    )


@pytest.fixture(scope="session")
def service(release_folder: Path) -> Iterator[str]:
    """The address of the real service."""
    with service_conftest.running(release_folder) as port:
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True, kw_only=True)
class Asker:
    """Makes a client, blocking or not, asks it once, and closes it."""

    kind: str

    def __call__(
        self, address: str, call: str, *args: Any, client: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        settings = {"timeout": 5.0, "connect_timeout": 2.0} | (client or {})
        if self.kind == "sync":
            with Client(address, **settings) as blocking:
                return getattr(blocking, call)(*args, **options)

        async def ask() -> Any:
            async with AsyncClient(address, **settings) as awaited:
                return await getattr(awaited, call)(*args, **options)

        return asyncio.run(ask())


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Asker:
    return Asker(kind=request.param)


class Rogue:
    """Answers each request with the next of the behaviours, and from then on with the last.

    A behaviour is the bytes of a response; or a function of the connection, which is closed after it; or one of
    connection and request, after which it stays. `ended` is released once for each connection that is over.
    """

    def __init__(self) -> None:
        self.behaviours: list[Behaviour] = []
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self.connections = 0
        self.ended = threading.Semaphore(0)
        rogue = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                rogue.connections += 1
                while (request := _read_request(self.request)) is not None:
                    rogue.times.append(time.monotonic())
                    rogue.requests.append(request)
                    behaviour = rogue.behaviours[min(len(rogue.requests), len(rogue.behaviours)) - 1]
                    if callable(behaviour) and len(signature(behaviour).parameters) == 2:
                        behaviour(self.request, request)
                    elif callable(behaviour):
                        behaviour(self.request)
                        return
                    else:
                        self.request.sendall(behaviour)

            def finish(self) -> None:
                rogue.ended.release()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing: clients that give up are what this is about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.released = threading.Event()

    def hang(self, _: socket) -> None:
        """Keep the connection and say nothing, until the test is over."""
        self.released.wait(10)


def _read_request(connection: socket) -> bytes | None:
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            if not (part := connection.recv(65_536)):
                return None
            data += part
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += connection.recv(65_536)
    except OSError:
        return None
    return head + b"\r\n\r\n" + body


@pytest.fixture
def rogue() -> Iterator[Rogue]:
    made = Rogue()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        made.server.shutdown()
        made.server.server_close()
        thread.join()
