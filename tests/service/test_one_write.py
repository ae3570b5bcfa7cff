"""Answers in one write beside uvicorn's own: the same bytes, whatever the connection is like."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from service import create_app
from service.connections.one_write import OneWrite
from service.connections.protocol import Connection
from service.settings import Settings

GET = b"GET /v1/understand?q=1%25+milk HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 19\r\n"
BODY = b'{"query":"protein"}'
CLOSE = b"GET /v1/understand?q=protein HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
DATE = [(b"date", b"Sun, 22 Nov 2026 20:00:00 GMT")]


class Uvicorns:
    """The service with a `send` that is not uvicorn's own, so that each answer goes by uvicorn's way."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.limits = app.limits

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            await send(message)

        await self._app(scope, receive, sending)


async def talk(app: Any, by: Callable[[Any, Any, ServerState], Awaitable[Any]]) -> Any:
    """Serve an application on a free port, and talk to it by a function of reader, writer and state."""
    config = Config(app, lifespan="off", access_log=False, proxy_headers=False, ws="none", log_level="critical")
    config.load()
    config.loaded_app = app
    state = ServerState()
    state.default_headers = DATE
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(config, state, {}, loop), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            async with asyncio.timeout(10):
                return await by(reader, writer, state)
        finally:
            writer.close()
            for task in [*state.tasks]:
                await task


def parts(*sent: bytes) -> Callable[[Any, Any, ServerState], Awaitable[bytes]]:
    async def by(reader: Any, writer: Any, _: ServerState) -> bytes:
        for part in sent:
            writer.write(part)
            await asyncio.sleep(0.02)
        return bytes(await reader.read())

    return by


@pytest.mark.parametrize(
    "sent",
    [
        (GET, CLOSE),
        (GET * 5 + CLOSE,),
        (POST + b"\r\n" + BODY, CLOSE),
        (POST + b"\r\n", BODY[:4], BODY[4:] + CLOSE),
        (POST + b"expect: 100-continue\r\n\r\n", BODY, CLOSE),
        (GET.replace(b"GET", b"HEAD"), CLOSE),
        (GET.replace(b"HTTP/1.1", b"HTTP/1.0"),),
        (GET.replace(b"a\r\n", b"a\r\ncontent-length: 3\r\n", 1) + b"abc" + CLOSE,),
        (GET.replace(b"a\r\n", b"a\r\nif-none-match: *\r\n", 1) + GET + CLOSE,),
        (GET.replace(b"q=", b"p=").replace(b"a\r\n", b"a\r\nx-request-id: 7\r\n", 1) + GET + CLOSE,),
    ],
)
def test_the_bytes_are_those_of_uvicorn(release, sent):
    app = create_app(release, settings=Settings(shed_ms=0))
    written, theirs = (asyncio.run(talk(each, parts(*sent))) for each in (app, Uvicorns(app)))
    assert written == theirs and written.count(b"HTTP/1.1 ") >= 1 and DATE[0][1] in written


def test_it_is_used(release, monkeypatch):
    """That the bytes are alike would say nothing if all of them were uvicorn's."""
    asked = []
    write = OneWrite.write

    def noting(self: OneWrite, *given: Any) -> bool:
        asked.append(write(self, *given))
        return asked[-1]

    monkeypatch.setattr(OneWrite, "write", noting)
    app = create_app(release, settings=Settings(shed_ms=0))
    asyncio.run(talk(app, parts(GET, POST + b"\r\n" + BODY, GET.replace(b"GET", b"HEAD"), CLOSE)))
    assert asked == [True, True, False, False]
    asked.clear()
    asyncio.run(talk(Uvicorns(app), parts(GET, CLOSE)))
    assert asked == [False, False]


def test_headers_of_the_server_that_change_are_taken_up(release):
    app = create_app(release, settings=Settings(shed_ms=0))

    async def by(reader: Any, writer: Any, state: ServerState) -> tuple[bytes, bytes, bytes]:
        heads = []
        for _ in range(2):
            writer.write(GET)
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(int(heads[-1].partition(b"content-length: ")[2].partition(b"\r")[0]))
            state.default_headers = [(b"date", b"Sun, 22 Nov 2026 20:00:01 GMT")]
        state.default_headers = [*DATE, (b"connection", b"close")]  # as when the service is drained
        writer.write(GET)
        return heads[0], heads[1], await reader.read()

    first, second, last = asyncio.run(talk(app, by))
    assert first.replace(b"20:00:00", b"20:00:01") == second != first
    assert last.count(b"connection: close\r\n") == 1 and last.endswith(b"}")


def test_a_client_that_reads_late_gets_every_answer(release):
    app = create_app(release, settings=Settings(shed_ms=0))
    answers = 4_000

    async def by(reader: Any, writer: Any, state: ServerState) -> bytes:
        writer.write(GET * answers + CLOSE)
        await asyncio.sleep(0.3)  # about 4 MB that nobody reads: more than a socket takes
        return bytes(await reader.read())

    received = asyncio.run(talk(app, by))
    assert received.count(b"HTTP/1.1 200 OK") == answers + 1
    assert received.count(release.answer_bytes("1% milk")) == answers


def test_uvicorn_is_as_it_was_when_this_was_written():
    """What `OneWrite` relies on; where this fails, read `RequestResponseCycle.send` again."""
    cycle = httptools_impl.RequestResponseCycle
    # Python 3.12 counts what a comprehension in it calls among its own.
    assert set(cycle.send.__code__.co_names) - {"strip"} == {
        "HEADER_RE", "HEADER_VALUE_RE", "RuntimeError", "STATUS_LINE", "access_log", "access_logger", "append",
        "chunked_encoding", "close", "decode", "default_headers", "disconnected", "drain", "expected_content_length",
        "extend", "flow", "get", "get_client_addr", "get_path_with_query_string", "info", "int", "join", "keep_alive",
        "len", "list", "lower", "message_event", "on_response", "response_complete", "response_started", "scope",
        "search", "set", "split", "transport", "waiting_for_100_continue", "write", "write_paused",
    }  # fmt: skip
