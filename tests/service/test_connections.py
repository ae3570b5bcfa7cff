"""The service as a process, among clients that are slow, hostile, many, or not meant to be there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.access.keys import Key, make_secret, write_keys

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sprinkles-for-cornelia"
"""Stands in queries, and must not stand in what the service writes."""


@dataclass(frozen=True, kw_only=True)
class Served:
    port: int
    admin_port: int
    process: subprocess.Popen[bytes]
    output: Path
    read: str = ""
    admin: str = ""

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def ask(self, path: str, *, key: str = "", port: int | None = None, data: bytes | None = None) -> tuple[int, Any]:
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(f"http://127.0.0.1:{port or self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    return number


@contextmanager
def serving(release: Path, output: Path, *options: str, **more: Any) -> Iterator[Served]:
    """Run the service with all that it writes in a file."""
    port, admin_port = _free_port(), _free_port()
    command = [sys.executable, "-m", "service", str(release), "--port", str(port), *options]
    command += ["--admin-port", str(admin_port)] if more else []
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    served = Served(port=port, admin_port=admin_port, process=process, output=output, **more)
    try:
        for _ in range(1200):
            assert process.poll() is None, output.read_text()
            try:
                if served.ask("/readyz")[0] == 200:
                    break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        yield served
    finally:
        process.terminate()
        process.wait(timeout=30)
        assert "Traceback" not in output.read_text()


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service with every limit set, and small ones."""
    place = tmp_path_factory.mktemp("served")
    read, admin = make_secret(), make_secret()
    made = datetime.now(UTC)
    write_keys(
        place / "keys.json",
        [
            Key(name="web", role="read", prefix=read.prefix, digest=read.digest, created=made),
            Key(name="ops", role="admin", prefix=admin.prefix, digest=admin.digest, created=made),
        ],
    )
    options = ("--keys", str(place / "keys.json"), "--head-seconds", "0.5", "--body-seconds", "0.5")
    options += ("--max-connections", "30", "--workers", "2")
    with serving(folder, place / "output", *options, read=read.secret, admin=admin.secret) as running:
        yield running
    text = (place / "output").read_text()
    assert not [secret for secret in (SECRET, read.secret[3:], admin.secret[3:], "qw_nobody") if secret in text]


def _read_all(client: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := client.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def _read_one(client: socket.socket) -> bytes:
    """Read one answer, which says how long it is."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = client.recv(65_536)
        assert chunk, "the connection was closed"
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
    while len(body) < length:
        body += client.recv(65_536)
    return head + b"\r\n\r\n" + body


def _problem(received: bytes) -> tuple[int, str, str | None]:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, received
    document = json.loads(body)
    assert int(head.split()[1]) == document["status"]
    return document["status"], document["type"].removeprefix("urn:querywise:problem:"), document["field"]


def test_half_a_head_has_a_deadline_however_it_drips(served: Served) -> None:
    with served.connect() as client:
        client.settimeout(0.1)
        began, received = time.monotonic(), b""
        client.sendall(b"GET /v1/understand?q=" + SECRET.encode() + b" HTTP/1.1\r\nhost: a\r\nx: ")
        while not received and time.monotonic() - began < 8:
            try:
                client.sendall(b"a")
                received = client.recv(65_536)
            except TimeoutError:
                pass
        assert _problem(received) == (408, "request-timeout", None) and b"connection: close" in received
        assert 0.4 < time.monotonic() - began < 6


def test_half_a_body_has_a_deadline(served: Served) -> None:
    with served.connect() as client:
        head = f"POST /v1/understand HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {served.read}\r\n"
        client.sendall(head.encode() + b'content-type: application/json\r\ncontent-length: 999\r\n\r\n{"query": "')
        assert _problem(_read_all(client)) == (408, "request-timeout", None)


def test_a_connection_without_a_request_is_closed_in_silence(served: Served) -> None:
    with served.connect() as client:
        assert _read_all(client) == b""


def test_a_body_that_goes_on_after_its_refusal_is_cut_off(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        with pytest.raises(OSError):  # noqa: PT011
            for _ in range(2000):
                client.sendall(chunk)


def test_a_client_that_reads_nothing_is_cut_off(served: Served) -> None:
    body = json.dumps({"queries": ["protein"] * 1000}).encode()
    head = f"POST /v1/understand/batch HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {served.read}\r\n"
    request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(10)
        client.connect(("127.0.0.1", served.port))
        try:
            for _ in range(40):  # some 20 MB of answers, more than the system keeps for two sockets
                client.sendall(request)
        except OSError:
            pass
        time.sleep(3)
        assert _read_all(client).count(b"HTTP/1.1 200") < 40


def test_a_head_without_end_is_refused(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        received = b""
        try:
            for i in range(5000):
                client.sendall(b"x-%d: " % i + b"a" * 1000 + b"\r\n")
        except OSError:
            pass
        try:
            received = client.recv(65_536)
        except ConnectionResetError:
            pass
        # It may not be read any more: what was sent after the refusal resets the connection.
        assert not received or _problem(received)[:2] == (431, "head-too-large")


def test_a_client_that_keeps_its_connection_is_left_alone(served: Served) -> None:
    with served.connect() as client:
        for _ in range(2):
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            assert _read_one(client).startswith(b"HTTP/1.1 200")
            time.sleep(1.2)  # more than both deadlines: between requests it may be silent
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
        assert _read_one(client).startswith(b"HTTP/1.1 200")


def test_a_connection_is_kept_whose_request_was_refused_before_its_body_came(served: Served) -> None:
    def slow_heads() -> float:
        lines = served.ask("/metrics", key=served.admin, port=served.admin_port)[1].decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if 'reason="slow_head"' in line)

    before = slow_heads()
    with served.connect() as client:
        for _ in range(2):
            client.sendall(b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ncontent-length: 15\r\n\r\n")
            assert _read_one(client).startswith(b"HTTP/1.1 401")
            client.sendall(b'{"query":"tea"}')
            time.sleep(1.7)  # more than both deadlines
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n")
            assert _read_one(client).startswith(b"HTTP/1.1 200")
    time.sleep(1.2)  # counts are up to a second old
    assert slow_heads() == before


def test_more_connections_than_there_may_be_are_refused(served: Served) -> None:
    clients = [served.connect() for _ in range(64)]
    refused = 0
    try:
        time.sleep(0.2)
        for client in clients:
            client.settimeout(0.01)
            try:
                received = client.recv(65_536)
            except TimeoutError:
                continue
            if received:
                refused += 1
                assert _problem(received) == (503, "overloaded", None) and b"retry-after: 1" in received
    finally:
        for client in clients:
            client.close()
    assert refused >= 4  # 64 at two workers of 30 each
    time.sleep(0.2)
    assert served.ask("/healthz")[0] == 200


@pytest.mark.parametrize(
    "data",
    [
        f"GET /{SECRET} HTTP/1.1\r\nbad header {SECRET}\r\n\r\n".encode(),
        f"{SECRET}\r\n\r\n".encode(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_a_problem_document_too(served: Served, data: bytes) -> None:
    with served.connect() as client:
        client.sendall(data)
        assert _problem(_read_all(client))[:2] in ((400, "malformed-request"), (401, "unauthorized"))


def test_rubbish_behind_a_request_takes_nothing_from_its_answer(served: Served) -> None:
    with served.connect() as client:
        head = f"GET /v1/understand?q=protein HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {served.read}\r\n\r\n"
        client.sendall(head.encode() + b"\x00\x01 rubbish\r\n\r\n")
        received = _read_all(client)
    assert received.startswith(b"HTTP/1.1 200") and b'"query":"protein"' in received
    assert received.count(b"HTTP/1.1") == 1


def test_an_upgrade_is_answered_as_if_it_had_not_been_asked_for(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        assert _read_one(client).startswith(b"HTTP/1.1 200")


def test_many_upgrades_in_one_piece_are_each_answered(served: Served) -> None:
    one = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    with served.connect() as client:
        client.sendall(2000 * one + b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert _read_all(client).count(b"HTTP/1.1 200") == 2001


@pytest.mark.parametrize("cut", [0, 20, 150, -30])
def test_a_body_is_read_although_http2_was_asked_for_as_java_does(served: Served, cut: int) -> None:
    body = b'{"query":"protein"}'
    lines = [
        "POST /v1/understand HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", f"Content-Length: {len(body)}",
        "Host: a", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA", "Upgrade: h2c",
        "Content-Type: application/json", f"Authorization: Bearer {served.read}",
    ]  # fmt: skip
    sent = "\r\n".join([*lines, "", ""]).encode() + body
    with served.connect() as client:
        for part in (sent[:cut], sent[cut:]):
            client.sendall(part)
            time.sleep(0.05)
        received = _read_one(client)
        assert received.startswith(b"HTTP/1.1 200") and b'"query":"protein"' in received
        # Two in one piece, and the connection is as good as before.
        client.sendall(sent + b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        received = _read_all(client)
        assert received.count(b"HTTP/1.1 200") == 2
        assert 0 < received.find(b'"query":"protein"') < received.find(b'{"status":"ok"}')


def test_nobody_connects_to_anywhere_else_through_the_service(served: Served) -> None:
    with served.connect() as client:
        client.sendall(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\nrubbish")
        assert _problem(_read_all(client))[:2] == (400, "malformed-request")


def test_administration_has_its_own_port_at_every_worker(served: Served) -> None:
    for _ in range(6):
        assert served.ask("/v1/admin/reload", key=served.admin, data=b"")[0] == 404
        assert served.ask("/metrics", key=served.admin)[0] == 404
        assert served.ask("/v1/admin/nothing", key=served.admin, port=served.admin_port, data=b"")[0] in (404, 405)
        assert served.ask("/v1/admin/reload", key=served.read, port=served.admin_port, data=b"")[0] == 403
        assert served.ask("/v1/admin/reload", port=served.admin_port, data=b"")[0] == 401
        assert served.ask("/metrics", key=served.read, port=served.admin_port)[0] == 200
        assert served.ask("/healthz", port=served.admin_port)[0] == 200


def test_nobody_chooses_a_port_by_a_header(served: Served) -> None:
    with served.connect() as client:
        lines = [
            "GET /metrics HTTP/1.1", f"host: 127.0.0.1:{served.admin_port}", f"authorization: Bearer {served.admin}",
            f"x-forwarded-port: {served.admin_port}", f"forwarded: host=127.0.0.1:{served.admin_port}",
        ]  # fmt: skip
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        assert _read_one(client).startswith(b"HTTP/1.1 404")


def test_queries_and_keys_are_written_nowhere(served: Served) -> None:
    """What the fixture holds against all that the process wrote, once it has ended."""
    for key in (served.read, "qw_nobody", ""):
        for path in (
            f"/v1/understand?q={SECRET}",
            f"/{SECRET}",
            f"/v1/{SECRET}?{SECRET}={SECRET}",
            f"/v1/explain?q={SECRET}",
        ):
            served.ask(path, key=key)
        for path in ("understand", "understand/batch", "discover", "suggest", "embed", f"admin/{SECRET}"):
            for data in ({"query": SECRET}, {"queries": [SECRET]}, {"texts": [SECRET], "kind": SECRET}, SECRET):
                status, _ = served.ask(f"/v1/{path}", key=key, data=json.dumps(data).encode())
                assert status < 500


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200) | st.tuples(st.binary(max_size=9), st.binary(max_size=99)).map(b" /v1/".join))
def test_any_bytes_get_a_problem_or_nothing(served: Served, data: bytes) -> None:
    with served.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        client.settimeout(0.02)
        try:
            received = client.recv(65_536)
        except (TimeoutError, ConnectionResetError):
            return
    if received:
        assert received[:10] == b"HTTP/1.1 4" and b"application/problem+json" in received


def test_a_stop_is_announced_and_what_is_under_way_is_answered(taught_folder: Path, tmp_path: Path) -> None:
    options = ("--drain-seconds", "1", "--batch-wait-us", "100000")
    with serving(taught_folder, tmp_path / "output", *options) as served, served.connect() as slow:
        with served.connect() as kept:
            kept.sendall(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b"connection: close" not in _read_one(kept)
            served.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            assert served.ask("/readyz")[0] == 503 and served.ask("/healthz")[0] == 200
            kept.sendall(b"GET /v1/understand?q=sure HTTP/1.1\r\nhost: a\r\n\r\n")
            received = _read_all(kept)  # to its end: the connection is closed behind the answer
            assert received.startswith(b"HTTP/1.1 200") and b"connection: close" in received
        time.sleep(0.55)
        slow.sendall(b"GET /v1/understand?q=sure HTTP/1.1\r\nhost: a\r\n\r\n")
        assert _read_all(slow).startswith(b"HTTP/1.1 200")
        assert served.process.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_reaches_every_worker(folder: Path, tmp_path: Path, second: signal.Signals) -> None:
    with serving(folder, tmp_path / "output", "--workers", "2", "--drain-seconds", "600") as served:
        served.process.send_signal(signal.SIGTERM)
        while served.ask("/readyz")[0] == 200:
            time.sleep(0.05)
        time.sleep(0.5)  # the other worker has heard it too
        assert served.process.poll() is None
        served.process.send_signal(second)
        assert served.process.wait(timeout=60) == 0


def test_a_store_that_is_deleted_is_served_on(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / folder.name)
    with serving(tmp_path / folder.name, tmp_path / "output") as served:
        before = served.ask("/v1/understand?q=protein")
        shutil.rmtree(tmp_path / folder.name)
        assert served.ask("/v1/understand?q=protein") == before and before[0] == 200
        assert json.loads(served.ask("/v1/understand?q=vernors+soda")[1])["source"] == "head"
        assert served.ask("/readyz")[0] == 200
