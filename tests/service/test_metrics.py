"""What is counted, and how it is told."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from time import perf_counter_ns

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from domain.understanding import Understanding, understanding_adapter
from release import open_release
from service import Settings, create_app
from service.seen.beat import Beat
from service.seen.board import Slot
from service.seen.metrics import Metrics
from service.seen.seen import Seen, outcome_of, release_of
from service.seen.series import BOUNDS, EVENTS, OUTCOMES, ROUTES, STATUSES, TIMED, gauge_at, route_of

JSON = ((b"content-type", b"application/json"),)

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def _samples(text: str, parse=parse_text) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def _one(samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


@pytest.fixture
def counted(release, ask_any):
    """A service of its own, and what its /metrics says."""
    app = create_app(release)

    def samples(accept: bytes = b"text/plain", parse=parse_text):
        answer = ask_any(app, "GET", "/metrics", headers=((b"accept", accept),))
        assert answer.status == 200, answer.body
        return _samples(answer.body.decode(), parse)

    return app, samples


def test_every_request_is_counted_once_where_it_belongs(counted, ask_any):
    app, samples = counted
    for query in (b"q=protein", b"q=vernors+soda", b"q=zzz", b"q=", b"x=1", b"q=%ff"):
        ask_any(app, "GET", "/v1/understand", query=query)
    ask_any(app, "DELETE", "/v1/understand")
    ask_any(app, "POST", "/v1/understand/batch", body=b'{"queries": ["protein", "protein", "zzz", "!"]}')
    ask_any(app, "GET", "/nothing/at/all")
    ask_any(app, "GET", "/v1/release")
    found = samples()
    requests = {key: _one(found, "querywise_requests_total", route=key[0], status=key[1]) for key in [
        ("understand", "200"), ("understand", "400"), ("understand", "405"), ("understand", "422"),
        ("batch", "200"), ("other", "404"), ("release", "200"),
    ]}  # fmt: skip
    assert list(requests.values()) == [4, 1, 1, 1, 1, 1, 1]
    answers = {
        (route, outcome.reason): _one(
            found, "querywise_answers_total", route=route, source=outcome.source, reason=outcome.reason
        )
        for route in ("understand", "batch")
        for outcome in OUTCOMES
    }
    # This release has neither student nor index: what is not in the head is degraded.
    assert {key: count for key, count in answers.items() if count} == {
        ("understand", "precomputed"): 2, ("understand", "degraded"): 1, ("understand", "empty_query"): 1,
        ("batch", "precomputed"): 2, ("batch", "degraded"): 1, ("batch", "empty_query"): 1,
    }  # fmt: skip
    assert _one(found, "querywise_request_duration_seconds_count", route="understand", source="head") == 2
    assert _one(found, "querywise_request_duration_seconds_count", route="understand", source="fallback") == 2
    assert _one(found, "querywise_request_duration_seconds_count", route="understand", source="") == 3


def test_failures_are_counted_from_zero(counted):
    _, samples = counted
    found = samples()
    # A rate sees no rise from nothing to one, only from zero.
    assert {_one(found, "querywise_requests_total", route=route, status="500") for route in ROUTES} == {0.0}


def test_both_formats_say_the_same_and_keep_to_the_conventions(counted, ask_any):
    app, samples = counted
    ask_any(app, "GET", "/v1/understand", query=b"q=protein")
    text = samples()
    openmetrics = samples(b"application/openmetrics-text;version=1.0.0", parse_openmetrics)
    names = {name for name, _ in text if not name.endswith("_created")}
    assert names == {name for name, _ in openmetrics}
    for name in names:
        assert re.fullmatch(r"(querywise|process)_[a-z_]+", name)
        assert not re.search(r"_(ms|us|kb|mb|percent)(_|$)", name), "base units only"
    wanted = {"querywise_requests_total", "querywise_release_info", "querywise_release_reloads_total"}
    assert wanted <= names
    buckets = [
        value
        for (name, labels), value in text.items()
        if name == "querywise_request_duration_seconds_bucket" and ("source", "head") in labels
    ]
    assert len(buckets) == len(BOUNDS) + 1 and all(a <= b for a, b in pairwise(buckets)) and buckets[-1] == 1


@pytest.mark.parametrize(
    "accept",
    [
        b"text/plain;version=zzz",
        b"application/openmetrics-text;version=1.zzz,text/plain;version=0.0.4;q=0.5",
        b"text/plain;version==",
        b"text/plain;version=1.0.0\xe9;escaping=zzz",
        b"\xff",
    ],
)
def test_whatever_format_is_asked_for_there_is_an_answer(counted, accept):
    _, samples = counted
    assert _one(samples(accept), "querywise_workers") == 1


def test_latencies_fall_into_their_buckets(monkeypatch):
    seen, ends = Seen(Slot.alone()), iter([50_000, 50_001, 1_999_999, 10**9, 3 * 10**9])
    monkeypatch.setattr("service.seen.seen.perf_counter_ns", lambda: next(ends))
    for _ in range(5):
        seen.head(0, b"")
    [family] = [f for f in Metrics(lambda: [seen.slot.read()]).collect() if "duration" in f.name]
    head = {s.labels.get("le"): s.value for s in family.samples if s.labels.get("source") == "head"}
    # A bound belongs to its bucket: 50 us is not more than 50 us.
    assert [head[le] for le in ("5e-05", "0.0001", "0.001", "0.002", "0.5", "1", "+Inf")] == [1, 2, 2, 3, 3, 4, 5]
    [total] = [s.value for s in family.samples if s.name.endswith("_sum") and s.labels["source"] == "head"]
    assert total == (50_000 + 50_001 + 1_999_999 + 10**9 + 3 * 10**9) / 1e9


@pytest.mark.parametrize(
    "raw", ["a", '","source":"tail","reason":"model"', "\\", '\\","source":"head', "\x00", "é\u2028"]
)
def test_the_outcome_is_read_from_the_answer_whatever_the_query(raw):
    for outcome in OUTCOMES:
        said = Understanding(query=raw, normalized=raw, source=outcome.source, reason=outcome.reason, release="r")
        answer = understanding_adapter.dump_json(said)
        assert outcome_of(answer) == outcome and release_of(answer) == "r"


def test_places_do_not_overlap():
    from service.seen import series

    places = [series.request_at(route, status) for route in ROUTES for status in STATUSES]
    places += [series.answers_at(route, outcome) for route in series.ANSWERING for outcome in OUTCOMES]
    places += [series.event_at(event) for event in EVENTS]
    places += [series.histogram_at(timed) + i for timed in TIMED for i in range(len(BOUNDS) + 2)]
    assert sorted(places) == list(range(series.DRIFT))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/understand", "understand"), ("/v1/understand/batch", "batch"), ("/v1/admin/reload", "admin"),
        ("/static/base.css", "page"), ("/", "page"), ("/v1/understand/", "other"), ("/\x00\ud800", "other"),
        ("", "other"), ("/v1/" + "a" * 10_000, "other"),
    ],
)  # fmt: skip
def test_routes_are_few_whatever_is_asked(path, route):
    assert route_of(path) == route


def test_without_metrics_there_are_none_and_nothing_is_counted(release, ask_any):
    app = create_app(release, settings=Settings(metrics=False))
    assert app.instruments.seen is None
    assert ask_any(app, "GET", "/v1/understand", query=b"q=protein").json["source"] == "head"
    assert ask_any(app, "POST", "/v1/understand/batch", body=b'{"queries": ["protein"]}').status == 200
    assert ask_any(app, "GET", "/metrics").problem()[:2] == (404, "not-found")


def test_reloads_waiting_and_memory_are_told(release):
    app = create_app(release)
    outcomes = {"reload_ok": 1, "reload_refused": 0}
    beat = Beat(app.instruments.seen, waiting=lambda: 7, tallies=[lambda: outcomes, lambda: {"refused_overloaded": 5}])
    beat.now()
    beat.now()
    outcomes["reload_refused"] += 2
    beat.now()
    text = Metrics(lambda: [app.instruments.slot.read()])
    found = {(s.name, *s.labels.values()): s.value for family in text.collect() for s in family.samples}
    assert found["querywise_release_reloads_total", "ok"] == 1
    assert found["querywise_release_reloads_total", "refused"] == 2
    assert found["querywise_refused_total", "overloaded"] == 5
    assert found["querywise_queries_waiting",] == 7
    assert found["process_resident_memory_bytes", "0"] > found["querywise_process_private_memory_bytes", "0"] > 10**6
    assert found["process_cpu_seconds_total", "0"] > 0


def test_a_worker_whose_event_loop_stands_has_no_beat(release):
    slot, seen = (instruments := create_app(release).instruments).slot, instruments.seen
    beats = threading.Semaphore(0)
    beat = Beat(seen, waiting=lambda: beats.release() or 0)

    def told() -> int:
        return slot.gauges[gauge_at("beat_ns")]

    async def run() -> None:
        beat.start(asyncio.get_running_loop())
        first = told()
        assert first > 0
        # Here the loop stands, while the thread goes on.
        assert all(beats.acquire(timeout=20) for _ in range(3))
        assert told() == first
        while told() == first:
            await asyncio.sleep(0.01)

    try:
        asyncio.run(asyncio.wait_for(run(), 60))
    finally:
        beat.close()


def test_a_client_that_leaves_is_no_error(counted):
    app, samples = counted

    async def receive():
        return {"type": "http.disconnect"}

    async def send(_) -> None:
        raise AssertionError("nobody is there")

    scope = {"type": "http", "method": "POST", "path": "/v1/understand", "headers": list(JSON)}
    asyncio.run(app(scope, receive, send))
    assert _one(samples(), "querywise_requests_total", route="understand", status="499") == 1


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read()


def _until(port: int, holds: Callable[[Samples], bool]) -> list[Samples]:
    """Scrape until every page of six says so: a worker may be starting, or between its answer and its count."""
    for _ in range(200):
        pages = [_samples(_get(f"http://127.0.0.1:{port}/metrics").decode()) for _ in range(6)]
        if all(map(holds, pages)):
            return pages
        time.sleep(0.1)
    raise AssertionError(f"it never came to hold: {pages[-1]}")


def _workers_at(port: int) -> set[int]:
    """Return the process ids of the workers of the service at a port."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"--port\0{port}\0".encode() in (folder / "cmdline").read_bytes():
                children = (folder / "task" / folder.name / "children").read_text().split()
                return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}
        except (FileNotFoundError, ProcessLookupError):
            continue
    return set()


def test_all_workers_are_summed_by_whichever_answers_and_one_that_is_killed_loses_no_count(folder, run_service):
    def both(page: Samples) -> bool:
        return page.get(("querywise_release_workers", (("release", folder.name),))) == 2

    def answered(page: Samples) -> float:
        return _one(page, "querywise_requests_total", route="understand", status="200")

    asked = [b"protein", b"zzz"] * 40
    with run_service(folder, "--workers", "2") as port:
        _until(port, both)

        def ask(query: bytes) -> str:
            return json.loads(_get(f"http://127.0.0.1:{port}/v1/understand?q={query.decode()}"))["source"]

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(ask, asked)) == ["fallback"] * 40 + ["head"] * 40
        for page in _until(port, lambda page: answered(page) >= 80):
            assert answered(page) == 80
            assert _one(page, "querywise_answers_total", route="understand", source="head", reason="precomputed") == 40
            assert _one(page, "querywise_request_duration_seconds_count", route="understand", source="fallback") == 40
            assert _one(page, "querywise_workers") == 2
        before = _workers_at(port)
        if not before:
            return  # without /proc no worker can be found to be killed
        os.kill(min(before), signal.SIGKILL)
        while (now := _workers_at(port)) == before or len(now) < 2:
            time.sleep(0.1)
        for page in _until(port, both):
            assert answered(page) == 80


def test_the_hot_path_pays_little(folder):
    """Two reads of the clock and two additions: some 0.4 microseconds on a quiet core, and here with room for noise."""
    seen = Seen(Slot.alone())
    with open_release(folder) as opened:
        answer = opened.answer_bytes("protein")
    took = []
    for _ in range(20):
        began = perf_counter_ns()
        for _ in range(1000):
            seen.head(perf_counter_ns(), answer)
        took.append((perf_counter_ns() - began) / 1000)
    assert min(took) < 5_000
    assert seen.looks.maxlen and not seen.looks
