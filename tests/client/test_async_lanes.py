"""The connections of the client that awaits: none is lost to a call that is cut short."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Awaitable
from typing import Any

import pytest

from querywise_client import AsyncClient, Timeout, idle
from querywise_client.async_lanes import AsyncLanes
from querywise_client.network import AsyncNetwork
from tests.client.answering import understanding

MILK = understanding("milk")
TASKS = 5
PATIENT = {"timeout": 60.0, "connect_timeout": 30.0, "retries": 0, "pause_after": 0}


def keep(connection: Any) -> None:
    """Say nothing until the other side closes."""
    while connection.recv(65_536):
        pass


async def ended(rogue: Any) -> bool:
    """Wait for a connection to be over."""
    return await asyncio.to_thread(rogue.ended.acquire, timeout=30)


async def cut_short(call: Awaitable[Any], *, after: int) -> None:
    """Cancel a call when it has had so many turns of the event loop."""
    task = asyncio.ensure_future(call)
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def test_a_call_may_be_cancelled_at_any_step(rogue):
    rogue.behaviours = [MILK]

    async def main() -> str:
        async with AsyncClient(rogue.address, max_connections=1, **PATIENT) as client:
            for turns in range(100):
                await cut_short(client.understand("milk"), after=turns)
            return (await client.understand("milk", timeout=10)).source

    assert asyncio.run(main()) == "head"


def test_slow_answers_take_no_connection_for_good(rogue):
    rogue.behaviours = [keep]

    async def main() -> list[Any]:
        async with AsyncClient(rogue.address, max_connections=3, **PATIENT) as client:
            for milliseconds in range(1, 16):
                calls = [client.understand("milk", timeout=milliseconds / 1000) for _ in range(10)]
                answers = await asyncio.gather(*calls, return_exceptions=True)
                assert [type(answer) for answer in answers] == [Timeout] * 10
            rogue.behaviours = [MILK]
            return await asyncio.gather(*[client.understand("milk", timeout=10) for _ in range(10)])

    assert [answer.source for answer in asyncio.run(main())] == ["head"] * 10


def test_a_cancelled_wait_for_a_connection_leaves_it_to_the_next(rogue):
    gate = threading.Event()
    rogue.behaviours = [lambda connection, request: (gate.wait(30), connection.sendall(MILK))]

    async def main() -> str:
        async with AsyncClient(rogue.address, max_connections=1, **PATIENT) as client:
            first = asyncio.create_task(client.understand("milk"))
            for turns in range(10):
                await cut_short(client.understand("milk"), after=turns)
            waiting = [asyncio.create_task(client.understand("milk")) for _ in range(3)]
            await asyncio.sleep(0)
            first.add_done_callback(lambda _: waiting[0].cancel())  # as the connection becomes its
            gate.set()
            await asyncio.wait([first, *waiting])
            return (await client.understand("milk", timeout=10)).source

    assert asyncio.run(main()) == "head"
    assert rogue.connections <= 2  # one, and one in place of that of the call that was cancelled as it had it


@pytest.mark.parametrize("scheme", ["http", "https"])  # the other side takes the connection, and starts no TLS
def test_a_call_that_is_cut_short_closes_its_connection(rogue, scheme):
    rogue.behaviours = [keep]
    address = rogue.address.replace("http:", f"{scheme}:")

    async def main() -> None:
        async with AsyncClient(address, verify=False, **PATIENT) as client:
            with pytest.raises(Timeout):
                await client.understand("milk", timeout=0.3)
            assert await ended(rogue)

    gc.disable()  # which would close it too, some time
    try:
        asyncio.run(main())
    finally:
        gc.enable()


def test_closing_takes_nothing_of_the_time_of_a_call(rogue, monkeypatch):
    rogue.behaviours = [keep, MILK]
    close = AsyncNetwork.aclose

    async def main() -> None:
        may_close = asyncio.Event()

        async def close_late(network: AsyncNetwork) -> None:
            await may_close.wait()
            await close(network)

        monkeypatch.setattr(AsyncNetwork, "aclose", close_late)
        async with AsyncClient(rogue.address, max_connections=1, **PATIENT) as client:
            with pytest.raises(Timeout):
                await asyncio.wait_for(client.understand("milk", timeout=0.2), 30)
            assert (await client.understand("milk")).source == "head"
            may_close.set()
        for _ in range(2):
            assert await ended(rogue)

    asyncio.run(main())


async def burst(client: AsyncClient, rogue: Any) -> None:
    """Ask so often at once that each has a connection."""
    gate = threading.Barrier(TASKS)
    rogue.behaviours = [lambda connection, request: (gate.wait(30), connection.sendall(MILK))]
    await asyncio.gather(*[client.understand("milk") for _ in range(TASKS)])
    rogue.behaviours = [MILK]


def test_connections_are_used_again_and_closed_when_nobody_uses_them(rogue, monkeypatch):
    now = 0.0
    monkeypatch.setattr(idle, "monotonic", lambda: now)

    async def main() -> None:
        nonlocal now
        transport = AsyncLanes(TASKS, verify=False, keepalive=1000)
        async with AsyncClient(rogue.address, transport=transport, **PATIENT) as client:
            await burst(client, rogue)
            now = 990.0
            await client.understand("milk")
            await burst(client, rogue)
            assert rogue.connections == TASKS  # none was closed before its time
            now = 1980.0
            await client.understand("milk")
            now = 1995.0
            await client.understand("milk")
            for _ in range(TASKS - 1):
                assert await ended(rogue)
            await client.understand("milk")
            assert rogue.connections == TASKS  # the one that is used stayed
        assert await ended(rogue)

    asyncio.run(main())


def test_closing_the_client_closes_every_connection(rogue):
    gate = threading.Event()

    async def main() -> None:
        async with AsyncClient(rogue.address, **PATIENT) as client:
            await burst(client, rogue)
            rogue.behaviours = [lambda connection, request: (gate.wait(30), connection.sendall(MILK))]
            asked = len(rogue.requests)
            late = asyncio.create_task(client.understand("milk"))
            while len(rogue.requests) == asked:
                await asyncio.sleep(0.01)
        for _ in range(TASKS - 1):
            assert await ended(rogue)
        gate.set()
        assert (await late).source == "head"  # it was under way, and is closed when it is read
        assert await ended(rogue)

    asyncio.run(main())
