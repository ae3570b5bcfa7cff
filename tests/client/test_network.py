"""What the client that blocks makes of names, slow connections and TLS."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from querywise_client import Client, ConnectionFailed, Timeout
from tests.client.answering import understanding

MILK = understanding("milk")


@pytest.fixture
def silent() -> Iterator[Callable[[str, int], int]]:
    """Makes an address to which a connection is neither made nor refused; returns its port."""
    with contextlib.ExitStack() as opened:

        def make(host: str, port: int) -> int:
            listening = opened.enter_context(socket.create_server((host, port), backlog=0))
            for _ in range(4):  # what waits to be accepted; Linux takes one, and drops the others
                waiting = opened.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listening.getsockname())
            return int(listening.getsockname()[1])

        yield make


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names that the system's resolver knows besides its own, with their addresses."""
    known: dict[str, list[str]] = {}
    look_up = socket.getaddrinfo

    def resolve(host: str, port: int, *args: int, **more: int) -> list[object]:
        return [found for address in known.get(host, [host]) for found in look_up(address, port, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return known


def test_addresses_that_do_not_answer_share_the_time(silent, names):
    names["querywise"] = ["127.0.0.1"] * 8
    with Client(f"http://querywise:{silent('127.0.0.1', 0)}", connect_timeout=10, retries=0) as client:
        before = time.monotonic()
        with pytest.raises(Timeout):
            client.understand("milk", timeout=0.5)
        assert 0.49 < time.monotonic() - before < 2.5


def test_the_next_address_is_tried(rogue, silent, names):
    rogue.behaviours = [MILK]
    port = int(rogue.address.rpartition(":")[2])
    names["querywise"] = ["127.0.0.2", "127.0.0.1"]
    silent("127.0.0.2", port)
    with Client(f"http://querywise:{port}", connect_timeout=0.5, timeout=30, retries=0) as client:
        assert [client.understand("milk").source for _ in range(2)] == ["head", "head"]
    assert rogue.connections == 1


def test_a_name_that_nobody_knows(ask, monkeypatch):
    def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ConnectionFailed, match=r"^The connection failed: Name or service not known\.$"):
        ask("http://querywise:8080", "understand", "milk")


def test_a_request_that_is_taken_slowly(ask):
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 262_144)

        def take() -> None:
            connection, _ = listening.accept()
            with connection:
                while not over.wait(0.03) and connection.recv(262_144):
                    pass

        thread = threading.Thread(target=take)
        thread.start()
        before = time.monotonic()
        with pytest.raises(Timeout):
            ask(
                f"http://127.0.0.1:{listening.getsockname()[1]}",
                "embed", ["x" * 1_000_000] * 30, kind="query", timeout=0.5,
            )  # fmt: skip
        taken = time.monotonic() - before
        over.set()
        thread.join()
    assert 0.49 < taken < 2.5


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls(ask, rogue, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem"
    subprocess.run(command.split(), check=True, capture_output=True, cwd=tmp_path)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    rogue.server.socket = serving.wrap_socket(rogue.server.socket, server_side=True)
    rogue.behaviours = [MILK]
    address = rogue.address.replace("http://127.0.0.1", "https://localhost")
    trusting = ssl.create_default_context(cafile=certificate)
    assert ask(address, "understand", "milk", client={"verify": trusting}).source == "head"
    with pytest.raises(ConnectionFailed):
        ask(address, "understand", "milk", client={"retries": 0})
