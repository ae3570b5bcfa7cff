"""Where each thing that is counted stands in a slab.

Everything is named once, here: what counts adds to a place, and `service.seen.metrics` reads the places back by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from domain.understanding import Reason, Source
from service.seen.board import COUNTERS, GAUGES

__all__ = [
    "ANSWERING",
    "BOUNDS",
    "DRIFT",
    "EVENTS",
    "GAUGE_NAMES",
    "OUTCOMES",
    "REFUSED",
    "ROUTES",
    "STATUSES",
    "TIMED",
    "Event",
    "Gauge",
    "Outcome",
    "Route",
    "Timed",
    "answers_at",
    "event_at",
    "gauge_at",
    "histogram_at",
    "request_at",
    "route_of",
]

Route = Literal[
    "understand",
    "batch",
    "discover",
    "suggest",
    "embed",
    "explain",
    "release",
    "admin",
    "healthz",
    "readyz",
    "metrics",
    "page",
    "other",
]
"""What is asked for; `other` is an address that there is nothing at, whatever it says."""

Event = Literal[
    "reload_ok",
    "reload_refused",
    "refused_malformed",
    "refused_head_too_large",
    "refused_body_too_large",
    "refused_slow_head",
    "refused_slow_body",
    "refused_slow_reader",
    "refused_too_many",
    "refused_overloaded",
    "refused_no_key",
    "refused_wrong_key",
    "refused_wrong_role",
    "refused_key_rate",
    "refused_address_rate",
    "miss_kept",
    "miss_repeated",
    "miss_sampled_out",
    "miss_personal",
    "miss_dropped",
    "miss_failed",
    "log_dropped",
]
"""What happens beside the answers, and is counted.

``reload_`` is what became of a release that was to take the place of another; ``refused_`` why a connection was ended,
as `service.connections.limits` says, or a request turned away, as `service.access.access` does.

Attributes:
    miss_kept: A line written to the miss log.
    miss_repeated: A miss that was only counted, for its query was there already.
    miss_sampled_out: A miss left out on purpose.
    miss_personal: A miss left out because of the personal data in it.
    miss_dropped: A miss lost because the writer was behind.
    miss_failed: A line of the miss log lost because it could not be written.
    log_dropped: A line of log lost because the writer was behind.
"""

REFUSED: Final = "refused_"
"""How the events of what was turned away begin."""

Gauge = Literal["waiting", "cpu_ns", "resident_bytes", "private_bytes", "open_files", "beat_ns", "sampled"]
"""What a worker says of itself.

Attributes:
    waiting: Queries that wait for student or retrieval.
    cpu_ns: Processor time so far.
    resident_bytes: Memory that is resident, files mapped by others too included.
    private_bytes: Of that, what is its own.
    open_files: Descriptors.
    beat_ns: When the event loop last went on, to a second, in nanoseconds since 1970.
    sampled: One in so many answers is looked at for drift now.
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Who answered, and why."""

    source: Source
    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What has a histogram of its own; without a source, all that the route answered otherwise."""

    route: Route
    source: Source | None = None


ROUTES: Final[tuple[Route, ...]] = get_args(Route)
EVENTS: Final[tuple[Event, ...]] = get_args(Event)
GAUGE_NAMES: Final[tuple[Gauge, ...]] = get_args(Gauge)

STATUSES: Final = (200, 202, 204, 304, 400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 429, 499, 500, 503, 0)
"""Of answers; 499 is a client that left before its request was whole, and 0 every other."""

OUTCOMES: Final = (
    Outcome(source="head", reason="precomputed"),
    Outcome(source="tail", reason="model"),
    Outcome(source="tail", reason="backed_off_to_parent"),
    Outcome(source="fallback", reason="abstained_low_confidence"),
    Outcome(source="fallback", reason="empty_query"),
    Outcome(source="fallback", reason="degraded"),
)

ANSWERING: Final[tuple[Route, ...]] = ("understand", "batch")
"""Routes that answer with understandings."""

TIMED: Final = (
    Timed(route="understand", source="head"),
    Timed(route="understand", source="tail"),
    Timed(route="understand", source="fallback"),
    *(Timed(route=route) for route in ROUTES),
)

BOUNDS: Final = tuple(base * 10**power for power in range(4, 10) for base in (1, 2, 5))[2:16]
"""Upper bounds of the buckets of latency, in nanoseconds: 50 microseconds to one second, three a decade."""

_WIDTH: Final = len(BOUNDS) + 2  # and one bucket for what is longer, and the sum in nanoseconds

_REQUESTS: Final = 0
_ANSWERS: Final = _REQUESTS + len(ROUTES) * len(STATUSES)
_EVENTS: Final = _ANSWERS + len(ANSWERING) * len(OUTCOMES)
_HISTOGRAMS: Final = _EVENTS + len(EVENTS)
DRIFT: Final = _HISTOGRAMS + len(TIMED) * _WIDTH
"""Where the counts of `service.seen.drift` begin, which take the rest of a slab."""

assert DRIFT < COUNTERS // 2 and len(GAUGE_NAMES) <= GAUGES

_EXACT: Final[dict[str, Route]] = {
    "/v1/understand": "understand",
    "/v1/understand/batch": "batch",
    "/v1/discover": "discover",
    "/v1/suggest": "suggest",
    "/v1/embed": "embed",
    "/v1/explain": "explain",
    "/v1/release": "release",
    "/healthz": "healthz",
    "/readyz": "readyz",
    "/metrics": "metrics",
    "/": "page",
    "/docs": "page",
    "/openapi.json": "page",
    "/favicon.ico": "page",
}
_UNDER: Final[tuple[tuple[str, Route], ...]] = (
    ("/v1/admin/", "admin"),
    ("/static/", "page"),
    ("/playground/", "page"),
    ("/review", "page"),
)
_STATUS_PLACES: Final = {status: place for place, status in enumerate(STATUSES)}
_OTHER_STATUS: Final = _STATUS_PLACES[0]


def route_of(path: str) -> Route:
    """Return the route of a path; there are few of them, whatever paths clients think of."""
    exact = _EXACT.get(path)
    if exact is not None:
        return exact
    return next((route for prefix, route in _UNDER if path.startswith(prefix)), "other")


def request_at(route: Route, status: int) -> int:
    """Return the place of the requests of a route that were answered with a status.

    Those of ``/v1/understand`` with 200 are not counted there: they are the sum of its three histograms by source.
    """
    return _REQUESTS + ROUTES.index(route) * len(STATUSES) + _STATUS_PLACES.get(status, _OTHER_STATUS)


def answers_at(route: Route, outcome: Outcome) -> int:
    """Return the place of the understandings of a route that came out so.

    Those of ``/v1/understand`` from the head are not counted there: they are the sum of a histogram.
    """
    return _ANSWERS + ANSWERING.index(route) * len(OUTCOMES) + OUTCOMES.index(outcome)


def event_at(event: Event) -> int:
    """Return the place of an event."""
    return _EVENTS + EVENTS.index(event)


def histogram_at(timed: Timed) -> int:
    """Return the first of the places of a histogram.

    Its buckets come in the order of `BOUNDS`, each by itself, then what is longer, then the sum.
    """
    return _HISTOGRAMS + TIMED.index(timed) * _WIDTH


def gauge_at(gauge: Gauge) -> int:
    """Return the place of a gauge."""
    return GAUGE_NAMES.index(gauge)
