"""Lines of log and ids of requests."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service import Settings, create_app
from service.seen.board import COUNTERS, Slot
from service.seen.instruments import Instruments
from service.seen.logs import Lines, logging_as, render_line
from service.seen.seen import Seen

HEADERS = ((b"content-type", b"application/json"),)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            pass


@pytest.fixture
def logged(release, ask_any, tmp_path, monkeypatch):
    """Asks a service that logs its requests, and gives the lines."""

    def ask(requests, **settings) -> list[str]:
        path = tmp_path / "log"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        monkeypatch.setattr("service.seen.instruments._STDOUT", descriptor)
        app = create_app(release, settings=Settings(log_requests=True, **settings))
        with app.instruments.running():
            for method, path_, options in requests:
                ask_any(app, method, path_, **options)
        os.close(descriptor)
        return path.read_text().splitlines()

    return ask


REQUESTS = [
    ("GET", "/v1/understand", {"query": b"q=Protein", "headers": ((b"x-request-id", b"abc-1"),)}),
    ("GET", "/v1/understand", {"query": b"q=anna@example.org+wine"}),
    ("POST", "/v1/understand", {"body": b"{"}),
    ("GET", "/secret/path?token=1", {}),
]


def test_a_request_is_one_line_of_json_without_its_query(logged, folder):
    lines = [json.loads(line) for line in logged(REQUESTS, log_format="json")]
    assert [(line["route"], line["status"], line.get("source"), line.get("reason")) for line in lines] == [
        ("understand", 200, "head", "precomputed"), ("understand", 200, "fallback", "degraded"),
        ("understand", 400, None, None), ("other", 404, None, None),
    ]  # fmt: skip
    assert set(lines[0]) == {
        "time", "level", "event", "method", "route", "status", "ms", "source", "reason", "release", "request_id",
    }  # fmt: skip
    assert lines[0]["request_id"] == "abc-1" and lines[0]["release"] == folder.name
    assert len({line["request_id"] for line in lines}) == 4
    assert all(0 < line["ms"] < 60_000 for line in lines)
    text = json.dumps(lines)
    assert not [word for word in ("rotein", "anna", "wine", "secret", "token") if word in text]


def test_queries_are_logged_when_asked_for_without_what_is_personal(logged):
    first, second, *_ = [json.loads(line) for line in logged(REQUESTS, log_format="json", log_queries=True)]
    assert first["query"] == "Protein"
    assert second["query"] == "[email] wine"


def test_text_is_one_line_too(logged):
    request = ("GET", "/v1/understand", {"query": b"q=a%0Ab%1B[31m=%22c"})
    [line] = logged([request], log_queries=True)
    assert " route=understand status=200 " in line and line.endswith(tuple("0123456789abcdef"))
    assert r'query="a\nb\u001b[31m=\"c"' in line


@pytest.mark.parametrize(
    "given",
    [b"", b"a b", b"a\nb", b"\xff", b"a" * 129, b'"', b"a;b", "é".encode(), b"\x00"],
)
def test_an_id_that_is_not_sane_is_replaced(ask, given):
    answer = ask("GET", "/v1/understand", query=b"x=1", headers=((b"x-request-id", given),))
    assert len(answer.headers["x-request-id"]) == 32 and answer.status == 422


@pytest.mark.parametrize("path", ["/v1/understand", "/v1/discover", "/nothing", "/v1/embed"])
def test_every_problem_carries_the_id_of_its_request(ask, path):
    answer = ask("PATCH", path, headers=((b"x-request-id", b"mine/1"),))
    assert answer.status >= 400 and answer.headers["x-request-id"] == "mine/1"
    other = ask("PATCH", path)
    assert len(other.headers["x-request-id"]) == 32


def test_an_answer_carries_it_only_where_requests_are_logged(release, ask, ask_any, monkeypatch):
    assert "x-request-id" not in ask("GET", "/v1/understand", query=b"q=protein").headers
    monkeypatch.setattr("service.seen.instruments._STDOUT", os.open(os.devnull, os.O_WRONLY))
    app = create_app(release, settings=Settings(log_requests=True))
    with app.instruments.running():
        for path in ("/v1/understand", "/v1/release"):
            answer = ask_any(app, "GET", path, query=b"q=a" if "u" in path else b"", headers=((b"x-request-id", b"b"),))
            assert answer.headers["x-request-id"] == "b"


def test_a_reader_that_sleeps_blocks_nobody_and_what_is_lost_is_counted(pipe):
    reading, writing = pipe
    lost = []
    lines = Lines(writing, lambda: lost.append(1), most=100)
    began = time.perf_counter()
    for _ in range(2000):
        lines.put(b"x" * 1023 + b"\n")  # a pipe holds 64 of them
    assert time.perf_counter() - began < 2
    assert 1700 <= len(lost) < 2000
    lines_read = 0

    def read() -> None:
        nonlocal lines_read
        while chunk := os.read(reading, 1 << 16):
            lines_read += chunk.count(b"\n")

    reader = threading.Thread(target=read)
    reader.start()
    lines.close()
    os.close(writing)
    reader.join(10)
    assert lines_read + len(lost) == 2000


class _Slow(list[int]):
    """Counters between whose reading and writing there is time for another thread."""

    def __getitem__(self, at):
        value = super().__getitem__(at)
        time.sleep(0.001)
        return value


def test_lines_that_several_threads_lose_are_all_counted():
    slot = Slot.alone()
    slot.counters = counters = _Slow([0] * COUNTERS)
    seen = Seen(slot)
    lines = Lines(1, lambda: seen.event("log_dropped"), most=0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lines.put, [b"a\n"] * 40))
    lines.close()
    assert sum(counters) == 40


def test_a_reader_that_has_gone_is_no_error(pipe):
    reading, writing = pipe
    os.close(reading)
    lost = []
    lines = Lines(writing, lambda: lost.append(1))
    for _ in range(3):
        lines.put(b"a\n")
    lines.close()
    lines.put(b"late\n")
    assert len(lost) == 4


def test_what_the_process_logs_becomes_json_and_tells_no_message_of_an_exception(tmp_path):
    path = tmp_path / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    lines = Lines(descriptor, lambda: None)
    before = logging.getLogger().handlers
    with logging_as("json", lines):
        logging.getLogger("service.any").error("it is %s", "so\n")
        try:
            raise ValueError("my query")
        except ValueError:
            logging.getLogger("uvicorn.error").exception("failed")
    lines.close()
    os.close(descriptor)
    assert logging.getLogger().handlers == before
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert (first["level"], first["logger"], first["message"]) == ("error", "service.any", "it is so\n")
    assert (second["message"], second["error"]) == ("failed", "ValueError")
    assert second["at"].startswith("test_logs.py:") and "my query" not in path.read_text()


def test_rendering_leaves_out_what_is_not_known():
    fields = {"a": 1, "b": None, "c": "x y", "d": "", "e": 0.5}
    assert render_line(fields, "json") == b'{"a": 1, "c": "x y", "d": "", "e": 0.5}\n'
    assert render_line(fields, "text") == b'a=1 c="x y" d="" e=0.5\n'


def test_the_key_that_asked_is_named(release, ask_any, tmp_path):
    instruments: Instruments = create_app(release, settings=Settings(log_requests=True)).instruments
    path = tmp_path / "log"
    instruments._log.lines._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)

    async def app(scope, receive, send) -> None:
        scope["querywise.key"] = "search-page"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    ask_any(instruments.around(app), "GET", "/v1/release")
    instruments._close()
    assert "key=search-page" in path.read_text()
