"""What becomes of a call when the other side is slow, overloaded, broken, or not Querywise at all."""

from __future__ import annotations

import asyncio
import email.utils
import os
import pickle
import socket
import struct
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from querywise_client import (
    ApiError,
    AsyncClient,
    BadAnswer,
    Client,
    ConnectionFailed,
    Forbidden,
    Paused,
    QuerywiseError,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
    Unauthorized,
)
from tests.client.answering import problem, response, understanding

MILK = understanding("milk")
BUSY = problem(503, "overloaded")


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: socket.socket) -> None:
    """Close without a word, as a server does with a connection that was idle for too long."""
    connection.shutdown(socket.SHUT_RDWR)


def truncate(connection: socket.socket) -> None:
    connection.sendall(MILK[:-10])
    connection.shutdown(socket.SHUT_RDWR)


def trickle(start: bytes, rest: bytes) -> Callable[[socket.socket], None]:
    """Send the rest of an answer a byte at a time, each soon enough for a limit on one wait."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        for i in range(len(rest)):
            connection.sendall(rest[i : i + 1])
            time.sleep(0.05)

    return send


HEAD, _, BODY = MILK.partition(b"\r\n\r\n")
TRICKLES = {
    "headers": trickle(b"HTTP/1.1 200 OK\r\n", b"x: " + b"y" * 100 + b"\r\n" + HEAD),
    "chunk size": trickle(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"2;" + b"e" * 100),
    "body": trickle(HEAD + b"\r\n\r\n", BODY),
}


def speak_ssh(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    connection.close()


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    for _ in range(80):
        connection.sendall(b" " * 1_000_000)
    connection.close()


@pytest.mark.parametrize("first", [reset, close, truncate, BUSY, problem(502, "x"), problem(504, "x")])
def test_what_may_pass_is_tried_again(ask, rogue, first):
    rogue.behaviours = [first, MILK]
    assert ask(rogue.address, "understand", "milk").source == "head"
    assert len(rogue.requests) == 2


@pytest.mark.parametrize(
    ("behaviour", "error", "requests"),
    [
        (reset, ConnectionFailed, 3),
        (truncate, ConnectionFailed, 3),
        (BUSY, ServiceUnavailable, 3),
        (problem(429, "too-many-requests"), TooManyRequests, 1),
        (problem(500, "internal-error"), ApiError, 1),
        (problem(401, "unauthorized"), Unauthorized, 1),
        (problem(403, "forbidden"), Forbidden, 1),
        (problem(404, "not-found"), ApiError, 1),
        (response(b"<html>", 200), BadAnswer, 1),
        (response(b"\xff\xfe", 200), BadAnswer, 1),
        (response(b"[" * 100_000, 200), BadAnswer, 1),
        (response(b'{"query": NaN}', 200), BadAnswer, 1),
        (response(b"9" * 10_000, 200), BadAnswer, 1),
        (response(b"{}", 200), BadAnswer, 1),
        (response(b"", 204), BadAnswer, 1),
        (response(b"", 304), BadAnswer, 1),
        (understanding("another query"), BadAnswer, 1),
        (understanding("milk", categories={}), BadAnswer, 1),
        (understanding("milk", categories=[{"id": 7, "path": [], "confidence": 1}]), BadAnswer, 1),
        (response(b"", 307, location="http://127.0.0.1:1/v1/understand"), BadAnswer, 1),
        (response(b"", 299), BadAnswer, 1),
        (speak_ssh, ConnectionFailed, 3),
        (flood, BadAnswer, 1),
    ],
)
def test_each_trouble_has_its_error_and_its_empty_answer(ask, rogue, behaviour, error, requests):
    rogue.behaviours = [behaviour]
    failures: list[QuerywiseError] = []
    with pytest.raises(error) as caught:
        ask(rogue.address, "understand", "milk", client={"on_failure": failures.append})
    assert type(caught.value) is error and len(rogue.requests) == requests
    assert failures == [caught.value]
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert "milk" not in str(caught.value)
    if behaviour is not flood:
        empty = ask(rogue.address, "understand", "milk", on_error="empty")
        assert (empty.query, empty.normalized, empty.source, empty.reason) == ("milk", "milk", "fallback", "degraded")
        assert (empty.release, empty.categories, empty.rewrites) == ("", (), ())


@pytest.mark.parametrize("page", [b"<html>Bad gateway for milk</html>", b"[]", b'{"type": 1, "title": "x"}', b'"x"'])
def test_a_refusal_by_something_in_between(ask, rogue, page):
    rogue.behaviours = [response(page, 502, content_type="text/html")]
    with pytest.raises(ServiceUnavailable) as caught:
        ask(rogue.address, "understand", "milk", client={"retries": 0})
    assert (caught.value.type, caught.value.title, caught.value.field) == ("about:blank", "Bad Gateway", None)


def test_nobody_there(ask):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ConnectionFailed) as caught:
            ask(address, "understand", "milk")
        assert isinstance(caught.value, ConnectionError)
        assert str(caught.value) == "The connection failed: Connection refused."
        assert ask(address, "ready") is False
        assert ask(address, "discover", "milk", on_error="empty").reason == "degraded"
        assert ask(address, "suggest", "milk", on_error="empty").suggestions == ()
        with pytest.raises(ConnectionFailed):
            ask(address, "release", client={"on_error": "empty"})


@pytest.mark.parametrize("answer", [problem(503, "not-ready"), response(b"", 502)])
def test_not_ready(ask, rogue, answer):
    rogue.behaviours = [answer]
    assert ask(rogue.address, "ready") is False
    assert len(rogue.requests) == 1


def test_something_else_is_not_ready_but_wrong(ask, rogue):
    rogue.behaviours = [problem(404, "not-found")]
    with pytest.raises(ApiError):
        ask(rogue.address, "ready")


@pytest.mark.parametrize("behaviour", ["hang", *TRICKLES])
def test_the_time_is_kept(ask, rogue, behaviour):
    rogue.behaviours = [TRICKLES.get(behaviour, rogue.hang)]
    before = time.monotonic()
    with pytest.raises(Timeout) as caught:
        ask(rogue.address, "understand", "milk", timeout=0.3)
    assert 0.29 < time.monotonic() - before < 1.5
    assert isinstance(caught.value, TimeoutError) and str(caught.value) == "No answer within 0.3 s."
    assert len(rogue.requests) == 1


def test_retries_and_pauses_share_the_time(ask, rogue):
    rogue.behaviours = [reset]
    before = time.monotonic()
    with pytest.raises(ConnectionFailed):
        ask(rogue.address, "understand", "milk", client={"retries": 1000}, timeout=1)
    # The budget has ten retries, of which the last pauses are up to a second: it is the time that ends it.
    assert time.monotonic() - before < 3
    assert 1 < len(rogue.requests) <= 11


def test_a_full_pool_is_a_timeout(rogue):
    rogue.behaviours = [rogue.hang]

    async def main() -> list[Any]:
        async with AsyncClient(rogue.address, max_connections=1, connect_timeout=2, retries=0) as client:
            asked = [client.understand("milk", timeout=seconds) for seconds in (1.0, 0.2)]
            return await asyncio.gather(*asked, return_exceptions=True)

    assert [type(error) for error in asyncio.run(main())] == [Timeout, Timeout]
    assert len(rogue.requests) == 1


def test_retry_after_is_honoured(ask, rogue):
    for status, kind in ((503, "overloaded"), (429, "too-many-requests")):
        rogue.requests.clear()
        rogue.times.clear()
        rogue.behaviours = [problem(status, kind, retry_after="1"), MILK]
        assert ask(rogue.address, "understand", "milk").source == "head"
        assert rogue.times[1] - rogue.times[0] >= 1


def test_a_pause_beyond_the_time_is_not_waited_for(ask, rogue):
    later = email.utils.format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    for value, seconds in (("30", 30), (later, 3600)):
        rogue.requests.clear()
        rogue.behaviours = [problem(503, "overloaded", retry_after=value, x_request_id="r1")]
        before = time.monotonic()
        with pytest.raises(ServiceUnavailable) as caught:
            ask(rogue.address, "understand", "milk")
        assert time.monotonic() - before < 2 and len(rogue.requests) == 1
        assert caught.value.retry_after == pytest.approx(seconds, abs=5) and caught.value.request_id == "r1"


@pytest.mark.parametrize(
    "value", ["soon", "-1", "1e9", "9" * 400, "Tue, 99 Foo 2026", f"Mon, 01 Jan {'9' * 21} 00:00:00 GMT", ""]
)
def test_a_retry_after_that_says_nothing(ask, rogue, value):
    rogue.behaviours = [problem(503, "overloaded", retry_after=value), MILK]
    assert ask(rogue.address, "understand", "milk").source == "head"


def test_retries_have_a_budget(rogue):
    rogue.behaviours = [BUSY]
    with Client(rogue.address, timeout=10, connect_timeout=5, pause_after=0) as client:
        for _ in range(20):
            with pytest.raises(ServiceUnavailable):
                client.understand("milk")
    # Twenty requests, and the ten retries that there are without any answer.
    assert len(rogue.requests) == 30


def test_calls_pause_when_nobody_answers_and_look_again(ask, rogue):
    rogue.behaviours = [reset] * 3 + [MILK]

    with Client(rogue.address, timeout=5, retries=0, pause_after=3, pause_seconds=1) as client:
        for _ in range(3):
            with pytest.raises(ConnectionFailed):
                client.understand("milk")
        with pytest.raises(Paused):
            client.understand("milk")
        assert client.understand("milk", on_error="empty").reason == "degraded"
        assert len(rogue.requests) == 3
        time.sleep(1.05)
        assert [client.understand("milk").source for _ in range(2)] == ["head", "head"]


def test_one_call_looks_and_the_others_go_on_pausing(rogue):
    rogue.behaviours = [reset]
    with Client(rogue.address, timeout=5, retries=0, pause_after=1, pause_seconds=1) as client:
        with pytest.raises(ConnectionFailed):
            client.understand("milk")
        time.sleep(1.05)
        with pytest.raises(ConnectionFailed):
            client.understand("milk")
        with pytest.raises(Paused):
            client.understand("milk")
        assert client.ready() is False  # asks, whatever happened before
    assert len(rogue.requests) == 3


def test_a_refusal_is_an_answer(rogue):
    rogue.behaviours = [problem(422, "query-too-long")]
    with Client(rogue.address, timeout=5, pause_after=1) as client:
        for _ in range(3):
            with pytest.raises(ApiError):
                client.understand("milk")


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of a fork beside threads, from 3.12 on
def test_a_process_that_was_forked_has_its_own_connections(rogue):
    rogue.behaviours = [MILK]
    with Client(rogue.address, timeout=5) as client:
        client.understand("milk")
        before = client._transport
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                same = client.understand("milk").source == "head" and client._transport is not before
                os.write(write, b"y" if same else b"n")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 1) == b"y"
        os.close(read)
        os.close(write)
        assert client.understand("milk").source == "head" and client._transport is before


def test_a_cancelled_call_leaves_the_client_usable(rogue):
    rogue.behaviours = [rogue.hang, MILK]

    async def main() -> str:
        async with AsyncClient(rogue.address, max_connections=1, connect_timeout=2) as client:
            task = asyncio.create_task(client.understand("milk", timeout=5))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return str((await client.understand("milk", timeout=5)).source)

    assert asyncio.run(main()) == "head"


def test_a_newer_service_says_more(ask, rogue):
    rogue.behaviours = [
        understanding(
            "milk", source="oracle", reason="asked", mood="good", specificity="vague",
            rewrites=[{"query": "a", "type": "antonym", "confidence": 1, "why": []}], borrowed_from=None,
        )
    ]  # fmt: skip
    answer = ask(rogue.address, "understand", "milk")
    assert (answer.source, answer.reason, answer.specificity) == ("oracle", "asked", "vague")
    assert answer.rewrites[0].type == "antonym" and answer.rewrites[0].confidence == 1.0


def test_no_log_has_the_query(ask, rogue, caplog):
    rogue.behaviours = [MILK]
    with caplog.at_level("DEBUG"):
        ask(rogue.address, "understand", "milk", client={"cache_size": 5})
    assert "milk" not in "".join(record.getMessage() for record in caplog.records if record.levelname != "DEBUG")
