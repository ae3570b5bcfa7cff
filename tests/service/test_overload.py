"""Load that is more than can be answered: the controller by hand and on a model, and the service under it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import httptools
import pytest

from service.connections.protocol import _Shed
from service.connections.shed import Shedder


def test_the_share_by_hand() -> None:
    # Target 50 ms. A delay of 100 ms, asked every 15 ms: 150 ms go by in which it may be a burst.
    shedder = Shedder(0.05)
    shares = []
    for _ in range(10):
        shedder.update(0.1, 0.015)
        shares.append(shedder.share)
    assert shares[:9] == [0] * 9
    # First 0.125 x 0.05 + 1.25 x 0.1 = 0.13125, at the least gain of 1/2048: 6.4e-5. Then the delay rises no more and
    # each step is 0.00625: one at 1/128, to 1.1e-4; five at 1/32, to 1.09e-3; and the last three of the ten at 1/8.
    assert shedder.share == pytest.approx(0.13125 / 2048 + 0.00625 / 128 + 5 * 0.00625 / 32 + 3 * 0.00625 / 8, rel=1e-9)


def test_without_a_target_nothing_is_shed() -> None:
    shedder = Shedder(0)
    shedder.start(None, lambda: 10_000)  # type: ignore[arg-type]
    assert not any(shedder.sheds() for _ in range(1000))


def test_one_stall_turns_nobody_away() -> None:
    shedder = Shedder(0.05)
    for delay, elapsed in [*[(0.0, 0.01)] * 20, (3.0, 3.01), *[(0.0, 0.01)] * 20]:
        shedder.update(delay, elapsed)
        assert shedder.share == 0


def test_the_share_is_spread_evenly() -> None:
    shedder = Shedder(0.05)
    shedder.share = 0.4
    assert [shedder.sheds() for _ in range(10)] == [False, False, True, False, True] * 2


def _model(load: float, cost: float, shed_cost: float, connections: int) -> dict[str, Any]:
    """Turns of a loop that answers what came in the turn before; ten seconds of load, then half the capacity."""
    shedder, now, turn, asked = Shedder(0.05), 0.0, 0.0005, 0.0
    answered, turns, calm = 0.0, [], None
    while now < 15:
        rate = (load if now < 10 else 0.5) / cost
        count, share = min(rate * turn, connections), shedder.share
        turn = max(0.0005, count * ((1 - share) * cost + share * shed_cost))
        if 3 < now < 10:
            answered += count * (1 - share)
            turns.append(turn)
        if now > 10 and calm is None and not share:
            calm = now - 10
        now, asked = now + turn, asked + turn
        if asked >= 0.01:
            shedder.update(asked - 0.01 if asked > 0.012 else 0.0, asked)
            asked = 0.0
    turns.sort()
    return {"goodput": answered / 7 * cost, "turn": turns[int(len(turns) * 0.99)], "calm": calm}


@pytest.mark.parametrize(("load", "least"), [(0.9, 0.89), (1.1, 0.95), (2.0, 0.9), (3.0, 0.85), (5.0, 0.7)])
def test_on_a_model_the_delay_is_kept_and_almost_all_that_could_be_answered_is(load: float, least: float) -> None:
    # A request costs 300 us, turning one away 20 us: at five times the load 4 x 20 / 300 of the time goes into that.
    found = _model(load, 300e-6, 20e-6, 1000)
    assert found["goodput"] > least
    assert found["turn"] < 0.08 and found["calm"] < 2


async def _storm(port: int, connections: int, seconds: float) -> dict[int, int]:
    """Ask for what each connection alone asks for, again and again, and check every answer."""
    counts: dict[int, int] = {}
    until = asyncio.get_running_loop().time() + seconds

    async def client(i: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        query = f"protein {i}"
        body = json.dumps({"queries": [query] * 40}).encode()
        head = b"POST /v1/understand/batch HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        request = head + b"content-length: %d\r\n\r\n" % len(body) + body
        while asyncio.get_running_loop().time() < until:
            # In two pieces at times: a request that is turned away has to be read to its end all the same.
            writer.write(request[:-30])
            if i % 3 == 0:
                await asyncio.sleep(0.001)
            writer.write(request[-30:])
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            status = int(answer[9:12])
            said = json.loads(await reader.readexactly(int(answer.partition(b"content-length: ")[2].split()[0])))
            counts[status] = counts.get(status, 0) + 1
            if status == 200:
                assert [each["query"] for each in said["results"]] == [query] * 40
            else:
                assert said["type"] == "urn:querywise:problem:overloaded" and b"retry-after: 1" in answer
        writer.close()

    async def probe() -> None:
        while asyncio.get_running_loop().time() < until:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200")
            writer.close()
            await asyncio.sleep(0.05)

    await asyncio.gather(*map(client, range(connections)), probe())
    return counts


def test_past_capacity_some_are_turned_away_and_the_others_answered_each_as_asked(
    folder: Path, run_service: Any
) -> None:
    with run_service(folder, "--shed-ms", "1") as port:
        counts: Counter[int] = Counter()
        for _ in range(15):  # a machine that has no time for the storm itself overloads nothing
            counts.update(asyncio.run(_storm(port, 120, 2)))
            if counts[503] > 20:
                break
        assert set(counts) == {200, 503} and min(counts.values()) > 20, counts
        # The load has fallen: within a moment all is answered again.
        assert any(asyncio.run(_storm(port, 2, 0.3)).keys() == {200} for _ in range(20))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            assert answer.status == 200


def test_one_that_asks_for_another_protocol_is_turned_away_once() -> None:
    told: list[bool] = []

    class Stub:
        is_shedding = False

        def shed_one(self, *, keep_alive: bool) -> None:
            told.append(keep_alive)

    head = b"POST /v1/understand HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n"
    _Shed(Stub()).parser.feed_data(head + b"\r\n{}")  # type: ignore[arg-type]
    with pytest.raises(httptools.HttpParserUpgrade):
        _Shed(Stub()).parser.feed_data(head + b"connection: upgrade\r\nupgrade: h2c\r\n\r\n{}")  # type: ignore[arg-type]
    assert told == [True, False], "nobody reads where the second one ends, so that the connection has to"
