"""A short soak of the real service, and that a soak finds what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from benchmarks.soak.accounts import Logged, counted_in, difference, kept_of_misses, logged_in, misses_lost
from benchmarks.soak.load import Clients, Seen
from benchmarks.soak.processes import Sample, workers_of
from benchmarks.soak.report import report
from benchmarks.soak.run import Found, Plan, soak
from benchmarks.soak.traffic import KINDS, Request, Said, Traffic, requests_of
from benchmarks.soak.trend import trend_of
from benchmarks.soak.trouble import Death, kill_workers
from benchmarks.soak.verdict import faults_of, growth_of

NAMES = ("2026-11-21-aaaaaa", "2026-11-21-bbbbbb")


def test_a_short_soak_finds_nothing_wrong(two_learned, tmp_path):
    shutil.copytree(two_learned.releases, tmp_path / "releases", symlinks=True)
    plan = Plan(
        seconds=8, rate=80, connections=6, move_every=1.5, kill_every=(2.5, 3.0), spare=1.0, sample_every=0.5,
        log=False, options=("--follow-seconds", "0.1"),
    )  # fmt: skip
    found = soak(tmp_path / "releases", tmp_path / "written", plan)
    page = "\n".join(report(found))
    assert faults_of(found, plan) == [], page
    assert len(found.deaths) >= 1 and len(found.moves) >= 4 and len(found.seen.waits) > 300
    assert found.counted.requests["understand", 304] > 0 and found.misses_kept > 0
    assert len({sample.pid for sample in found.samples}) >= 4  # the parent, two workers, and one that came later
    assert "| 1 | " in page and "Wrong: 0." in page


def answered(body: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Return a service that answers everything alike; nothing at all where there is no body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n") and body != b"never":
                if body:
                    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                else:
                    break
            if body:
                await asyncio.sleep(5)
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    return serve


async def asked(body: bytes, said: dict[str, Said], moves: list[tuple[float, str]]) -> Seen:
    server = await asyncio.start_server(answered(body), "127.0.0.1", 0)
    request = Request(kind="known", method="GET", target="/v1/understand?q=milk")
    traffic = Traffic(dict.fromkeys(KINDS, [request]), seed=1)
    port = server.sockets[0].getsockname()[1]
    clients = Clients(port, traffic, {request: said}, rate=40, count=2, patience=0.2, moves=moves, seed=1)
    await clients.ask(time.monotonic() + 0.5)
    server.close()
    return clients.seen


def said(text: bytes) -> Said:
    return Said(status=200, body=text, outcomes={("tail", "model"): 1}, missed=("milk",))


BY_BOTH = dict(zip(NAMES, map(said, (b"by a", b"by b")), strict=True))


def test_clients_count_what_is_right_and_how_late_a_release_is():
    seen = asyncio.run(asked(b"by a", BY_BOTH, [(time.monotonic() - 100, NAMES[0])]))
    assert seen.faults == 0 and seen.lags == {}
    assert seen.answered == {("understand", 200): len(seen.waits)} and len(seen.waits) > 5
    assert seen.by_release == {NAMES[0]: len(seen.waits)} and len(seen.missed) == len(seen.waits)
    moved = time.monotonic() - 100
    seen = asyncio.run(asked(b"by a", BY_BOTH, [(moved, NAMES[1])]))
    assert 100 < seen.lags[moved] < 102


@pytest.mark.parametrize(
    ("body", "what"),
    [(b"by c", "200 b'by c'"), (b"never", "no answer within 0.2 s"), (b"", "lost twice: known GET")],
)
def test_clients_see_what_is_wrong(body, what):
    seen = asyncio.run(asked(body, BY_BOTH, [(0.0, NAMES[0])]))
    assert seen.faults >= 2 and what in seen.wrong[0]
    assert seen.answered.total() == (seen.faults if body == b"by c" else 0)


def test_requests_are_of_every_kind_and_new_ones_never_come_twice():
    found = requests_of(["milk", "oat milk", "eggs"], NAMES, fresh=500, seed=3)
    assert set(found) == set(KINDS) and all(found.values())
    assert len({request.data for request in found["fresh"]}) == 500
    assert requests_of(["milk", "oat milk", "eggs"], NAMES, fresh=500, seed=3) == found
    kept = next(request for request in found["kept"] if request.target.endswith("q=") and NAMES[1] in request.tag)
    assert kept.data == (
        b'GET /v1/understand?q= HTTP/1.1\r\nhost: a\r\nif-none-match: "2026-11-21-bbbbbb-00000000"\r\n\r\n'
    )
    leaves = found["leaves"][0]
    assert leaves.data.endswith(b'content-length: 16\r\n\r\n{"query":"milk"')


def test_a_trend_and_its_interval():
    pytest.importorskip("scipy")
    # The slope is 2 / 10; the squares of what is left add up to 0.4, so its error is sqrt(0.4 / 3 / 10) = 0.1155, and
    # Student's t for three degrees of freedom is 3.182.
    trend = trend_of([1, 2, 3, 4, 5], [0, 0, 0, 0, 1])
    assert trend is not None
    assert (trend.slope, trend.low, trend.high) == pytest.approx((0.2, -0.1675, 0.5675), abs=1e-4)
    assert trend_of([1, 2, 3, 4], [0, 1, 2, 3]) is None


def sample(at: float, pid: int, private: float, **more: int) -> Sample:
    held = {"files": 20, "sockets": 5, "maps": 1, "threads": 9} | more
    return Sample(at=at, pid=pid, private=int(private * 1e6), **held)


def quiet() -> Found:
    """Return what is found where nothing is wrong: a worker of three died, and one request was lost and came again."""
    counted = counted_in(
        'querywise_requests_total{route="understand",status="200"} 100.0\n'
        'querywise_answers_total{route="understand",source="head",reason="precomputed"} 100.0\n'
    )
    seen = Seen(
        answered=Counter({("understand", 200): 99}),
        outcomes=Counter({("understand", "head", "precomputed"): 99}),
        lost=Counter({"understand": 1}),
        lost_outcomes=Counter({"understand": 1}),
        breaks=[30.0],
        by_release=Counter(dict.fromkeys(NAMES, 49)),
    )
    rest = [sample(0, pid, 90) for pid in (2, 3)]
    return Found(
        names=NAMES, differ=1.0, seen=seen, moves=[(0.0, NAMES[0])], parent=1, before=rest, after=rest, counted=counted,
        deaths=[Death(at=29.9, pid=4, life=20.0, back=2.0)],
        samples=[each for i in range(120) for each in (sample(i * 10, 1, 50), sample(i * 10, 2, 90 + i % 2))],
    )  # fmt: skip


def test_what_deaths_explain_is_not_wrong():
    pytest.importorskip("scipy")
    assert faults_of(quiet(), Plan()) == []


def test_growth_is_found_in_the_oldest_worker_alone():
    pytest.importorskip("scipy")
    found = quiet()
    found.samples = [
        replace(each, private=each.private + int(each.at * 5e3)) for each in found.samples if each.pid == 2
    ]
    [fault] = faults_of(found, Plan())
    assert fault == "the worker grows by 0.30 MB a minute (0.30 to 0.30)"
    assert growth_of(found, "parent") is None


def _lose(found: Found) -> None:
    found.seen.answered["understand", 200] = 110


def _invent(found: Found) -> None:
    found.seen.lost.clear()


def _break(found: Found) -> None:
    found.seen.breaks.append(400.0)


def _leave(found: Found) -> None:
    found.left, found.errors = ["slab-0"], ['{"level": "error"}']


def _hold(found: Found) -> None:
    found.after = [replace(each, maps=2, files=23) for each in found.after]


def _miss(found: Found) -> None:
    found.seen.missed = [5.0, 20.0, 40.0]  # the one at 20 s may have died with a worker


def _log(found: Found) -> None:
    found.logged = Logged(requests={("understand", 200): 250}, broken=3, with_query=1)


def _stand(found: Found) -> None:
    found.seen.lags, found.deaths[0].back = {0.0: 9.5}, None


@pytest.mark.parametrize(
    ("spoil", "faults"),
    [
        (_lose, ["10 requests in the metrics are missing of 110; deaths explain 1"]),
        (_invent, ["1 requests in the metrics at understand are of nobody; 0 may be of what was lost"]),
        (_break, ["1 connections broke without a death, the first 400.0 s from the start"]),
        (_leave, ["the service logged 1 lines of trouble", "the service left behind slab-0"]),
        (_hold, ["worker 2 has 23 files", "worker 3 has 23 files", "worker 2 has 2 maps", "worker 3 has 2 maps"]),
        (_miss, ["the miss log lost 3 of 3 searches; deaths explain 1"]),
        (
            _log,
            ["151 lines of the request log at understand", "the request log has 3 broken lines, and 1 with a query"],
        ),
        (_stand, ["no worker took the place of 4", "9.5 s after a move"]),
    ],
)
def test_what_deaths_do_not_explain_is_wrong(spoil, faults):
    pytest.importorskip("scipy")
    found = quiet()
    spoil(found)
    told = faults_of(found, Plan())
    assert [one[: len(other)] for one, other in zip(told, faults, strict=True)] == faults


def test_accounts_are_read_from_what_the_service_wrote(tmp_path):
    line = {"route": "batch", "status": 200}
    (tmp_path / "log").write_text(f'{json.dumps(line)}\n{json.dumps(line | {"query": "milk"})}\n{{"route": "ba')
    assert logged_in(tmp_path / "log") == Logged(requests={("batch", 200): 2}, broken=1, with_query=1)
    miss = {"source": "tail", "reason": "model", "confidence": None, "release": "r", "day": "2026-11-22"}
    lines = [json.dumps({"query": query, "searches": count} | miss) for query, count in (("a", 2), ("b", 5))]
    (tmp_path / "misses-0.jsonl").write_text("\n".join([*lines, lines[0][:9]]))
    assert kept_of_misses(tmp_path) == 7
    balance = difference({("a", 200): 5, ("a", 400): 1, ("b", 200): 1}, {("a", 200): 3, ("b", 200): 4})
    assert balance.over == {"a": 3} and balance.under == 3
    deaths = [Death(at=100.0, pid=1, life=10.0), Death(at=200.0, pid=2, life=500.0)]
    assert misses_lost(Seen(missed=[89.0, 91.0, 99.0, 101.0, 187.0, 189.0]), deaths) == 3


KEEPS_A_WORKER = """
import subprocess, sys, time
while True:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(60)", "spawn_main"])
    time.sleep(1)
"""


@pytest.mark.parametrize("replaced", [True, False])
def test_who_takes_the_place_of_the_last_that_died_is_waited_for(replaced, monkeypatch):
    monkeypatch.setattr("benchmarks.soak.trouble._PATIENCE", 30.0 if replaced else 0.5)
    deaths: list[Death] = []
    with subprocess.Popen([sys.executable, "-c", KEEPS_A_WORKER]) as parent:
        try:
            while not workers_of(parent.pid):
                time.sleep(0.01)
            now = time.monotonic()
            killing = kill_workers(
                parent.pid, every=(0.1, 0.1), spare_until=now, until=now + 1.0, serving=lambda: 1, deaths=deaths,
                draw=random.Random(1),
            )  # fmt: skip
            asyncio.run(killing)
        finally:
            for pid in (*workers_of(parent.pid), parent.pid):
                os.kill(pid, signal.SIGKILL)
    assert [death.back is not None for death in deaths] == [replaced]
