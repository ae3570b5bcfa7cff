"""Connections that wait while the loop is busy."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import ExitStack

import pytest
import uvloop

from service.connections.loop import Loop

_TURNS = 8
_CLIENTS = 50


class _Counted(asyncio.Protocol):
    def __init__(self, taken: list[asyncio.BaseTransport]) -> None:
        self._taken = taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._taken.append(transport)


async def _busy(turns: int) -> None:
    for _ in range(turns):
        time.sleep(0.02)
        await asyncio.sleep(0)


async def _taken() -> int:
    """Return how many of the clients are taken on within a few slow turns."""
    taken: list[asyncio.BaseTransport] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Counted(taken), "127.0.0.1", 0)
    with ExitStack() as stack:
        for _ in range(_CLIENTS):
            stack.enter_context(socket.create_connection(server.sockets[0].getsockname()))
        await _busy(_TURNS)
        count = len(taken)
        for transport in taken:
            transport.abort()
    server.close()
    await _busy(1)
    return count


def _run(loop_factory, coroutine):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(coroutine)


def test_takes_on_all_that_wait():
    assert _run(Loop, _taken()) == _CLIENTS
    assert _run(uvloop.Loop, _taken()) <= _TURNS, "libuv takes on as many as come: this loop is needed no more"


def test_many_at_a_time_and_the_rest_later(monkeypatch):
    monkeypatch.setattr("service.connections.loop._AT_ONCE", 3)
    taken = _run(Loop, _taken())
    assert _TURNS < taken <= 4 * _TURNS


def test_a_closed_server_is_let_go():
    async def closed() -> int:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        server.close()
        await _busy(2)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        return len(os.listdir("/proc/self/fd"))

    assert _run(Loop, closed()) == _run(uvloop.Loop, closed())


def test_out_of_descriptors(monkeypatch):
    def refuse(_: socket.socket) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(socket.socket, "accept", refuse)
    assert 1 <= _run(Loop, _taken()) <= _TURNS
