"""``/metrics``: what all workers have counted, in the text format of Prometheus or OpenMetrics.

Any worker answers for all of them. Names and units follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from service.seen.board import Slab
from service.seen.series import (
    ANSWERING,
    BOUNDS,
    EVENTS,
    OUTCOMES,
    REFUSED,
    ROUTES,
    STATUSES,
    TIMED,
    Gauge,
    Outcome,
    Timed,
    answers_at,
    event_at,
    gauge_at,
    histogram_at,
    request_at,
)

__all__ = ["Metrics", "metrics_route"]

Totals = npt.NDArray[np.uint64]

_ALWAYS: Final = frozenset({("understand", 200), ("batch", 200), *((route, 500) for route in ROUTES)})
"""Series that are there from the start, so that a rate over them is never missing, nor the first failure in it."""

_HEAD: Final = Outcome(source="head", reason="precomputed")

_TOLD: Final[tuple[Gauge, ...]] = ("resident_bytes", "private_bytes", "open_files", "beat_ns")
_OF_A_WORKER: Final = {
    "process_resident_memory_bytes": "Memory of a worker, what it shares included.",
    "querywise_process_private_memory_bytes": "Memory of a worker that it shares with nobody and no file.",
    "process_open_fds": "Open file descriptors of a worker.",
    "process_start_time_seconds": "When a worker began, in seconds since 1970.",
    "querywise_worker_beat_timestamp_seconds": "When a worker's event loop last went on, in seconds since 1970.",
}


class Metrics(Collector):
    """Reads the slabs of all workers when it is asked.

    Args:
        slabs: Returns them.
        further: Return what else there is to tell, such as drift.
    """

    def __init__(
        self, slabs: Callable[[], Sequence[Slab]], *further: Callable[[Sequence[Slab]], Iterable[Metric]]
    ) -> None:
        self._slabs = slabs
        self._further = further

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        slabs = self._slabs()
        total: Totals = np.sum([slab.counters for slab in slabs], axis=0, dtype=np.uint64)
        yield _requests(total)
        yield _durations(total)
        yield _answers(total)
        yield from _events(total)
        alive = [slab for slab in slabs if slab.alive]
        yield from _releases(alive)
        yield from _workers(alive)
        for more in self._further:
            yield from more(slabs)


def metrics_route(metrics: Collector, before: Callable[[], None]) -> BaseRoute:
    """Return the route ``/metrics``.

    Args:
        metrics: What is told.
        before: Called first, to bring what this process says of itself up to date.
    """

    async def answer(request: Request) -> Response:
        before()
        try:
            encode, media_type = choose_encoder(request.headers.get("accept", ""))
        except (TypeError, ValueError):  # a version in it that is none
            encode, media_type = choose_encoder("")
        return Response(encode(metrics), headers={"content-type": media_type, "cache-control": "no-store"})

    return Route("/metrics", answer)


def _requests(total: Totals) -> Metric:
    family = CounterMetricFamily(
        "querywise_requests", "Requests that were answered, by what was asked for.", labels=["route", "status"]
    )
    for route in ROUTES:
        for status in STATUSES:
            count = int(total[request_at(route, status)])
            if route == "understand" and status == 200:
                count += sum(_count(total, timed) for timed in TIMED if timed.source is not None)
            if count or (route, status) in _ALWAYS:
                family.add_metric([route, str(status) if status else "other"], count)
    return family


def _durations(total: Totals) -> Metric:
    family = HistogramMetricFamily(
        "querywise_request_duration_seconds",
        "From when the head of a request is read until its answer is handed over.",
        labels=["route", "source"],
    )
    for timed in TIMED:
        if timed.source is None and not _count(total, timed):
            continue
        first = histogram_at(timed)
        cumulated = np.cumsum(total[first : first + len(BOUNDS) + 1]).tolist()
        limits = [*(f"{bound / 1e9:g}" for bound in BOUNDS), "+Inf"]
        family.add_metric(
            [timed.route, timed.source or ""],
            buckets=list(zip(limits, cumulated, strict=True)),
            sum_value=int(total[first + len(BOUNDS) + 1]) / 1e9,
        )
    return family


def _count(total: Totals, timed: Timed) -> int:
    first = histogram_at(timed)
    return int(total[first : first + len(BOUNDS) + 1].sum())


def _answers(total: Totals) -> Metric:
    family = CounterMetricFamily(
        "querywise_answers",
        "Queries that were answered, each of a batch by itself, by who answered and why.",
        labels=["route", "source", "reason"],
    )
    for route in ANSWERING:
        for outcome in OUTCOMES:
            count = int(total[answers_at(route, outcome)])
            if route == "understand" and outcome == _HEAD:
                count += _count(total, Timed(route=route, source="head"))
            family.add_metric([route, outcome.source, outcome.reason], count)
    return family


def _events(total: Totals) -> Iterator[Metric]:
    yield _of_events(
        total,
        "querywise_release_reloads",
        "Releases that were to take the place of the one served, by what became of them.",
        "outcome",
        "reload_",
    )
    yield _of_events(
        total,
        "querywise_refused",
        "Requests and connections that were turned away, by why: for their key or its rate, or before they were read.",
        "reason",
        REFUSED,
    )
    yield _of_events(
        total,
        "querywise_misses",
        "Queries without a precomputed answer that the miss log was told of, by what became of them.",
        "outcome",
        "miss_",
    )
    yield CounterMetricFamily(
        "querywise_log_lines_dropped",
        "Lines of log that were lost because their reader was behind.",
        value=int(total[event_at("log_dropped")]),
    )


def _of_events(total: Totals, name: str, about: str, label: str, prefix: str) -> CounterMetricFamily:
    family = CounterMetricFamily(name, about, labels=[label])
    for event in EVENTS:
        if event.startswith(prefix):
            family.add_metric([event.removeprefix(prefix)], int(total[event_at(event)]))
    return family


def _releases(alive: Sequence[Slab]) -> Iterator[Metric]:
    info = InfoMetricFamily("querywise_release", "Each release that a worker serves.", labels=[])
    workers = GaugeMetricFamily(
        "querywise_release_workers", "Workers that serve the release; none serves the empty one.", labels=["release"]
    )
    for release, count in sorted(Counter(slab.release for slab in alive).items()):
        if release:
            info.add_metric([], {"release": release})
        workers.add_metric([release], count)
    yield info
    yield workers


def _workers(alive: Sequence[Slab]) -> Iterator[Metric]:
    yield GaugeMetricFamily("querywise_workers", "Worker processes that run.", value=len(alive))
    yield GaugeMetricFamily(
        "querywise_queries_waiting",
        "Queries that wait for the student or for retrieval, in all workers.",
        value=sum(int(slab.gauges[gauge_at("waiting")]) for slab in alive),
    )
    cpu = CounterMetricFamily("process_cpu_seconds", "Processor time of a worker.", labels=["worker"])
    gauges = [GaugeMetricFamily(name, about, labels=["worker"]) for name, about in _OF_A_WORKER.items()]
    for slab in alive:
        resident, private, files, beat = (int(slab.gauges[gauge_at(gauge)]) for gauge in _TOLD)
        cpu.add_metric([str(slab.index)], int(slab.gauges[gauge_at("cpu_ns")]) / 1e9)
        for gauge, value in zip(gauges, (resident, private, files, slab.started, beat / 1e9), strict=True):
            gauge.add_metric([str(slab.index)], value)
    yield from (cpu, *gauges)
