"""What a soak found wrong."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, TypeVar

from benchmarks.soak.accounts import difference, misses_lost
from benchmarks.soak.processes import Sample
from benchmarks.soak.run import Found, Plan
from benchmarks.soak.trend import Trend, trend_of

__all__ = ["faults_of", "growth_of", "of_the_eldest"]

_EXPLAINED: Final = 3.0
"""Seconds after a death in which connections may break for it."""

_SETTLES: Final = 180.0
"""Seconds for which a process may grow: caches fill, and the allocator finds its level."""

_GROWTH: Final = 0.05
"""Megabytes a minute from which on growth matters, where it is certain."""

_LOG_LOST: Final = 100
"""Lines of log that a death may lose: those that wait for a thread to write them."""

_TALLIES_LOST: Final = 2
"""Of what is no HTTP, that a death may leave uncounted: it is added up once a second, and two minutes have 60."""

_SPARE: Final[Mapping[str, int]] = {"files": 2, "sockets": 2, "maps": 0, "threads": 2}
"""What a worker may have more at the end: threads are made when they are needed first, and what they wait on."""

_NEVER: Final = (
    "release_reloads refused", "misses dropped", "misses failed", "misses sampled_out", "misses personal",
    "log_lines_dropped", "refused overloaded", "refused slow_head", "refused slow_body", "refused slow_reader",
)  # fmt: skip
"""What is counted and must not happen here."""

MEGABYTE: Final = 1e6

K = TypeVar("K", tuple[str, int], tuple[str, str, str])


def faults_of(found: Found, plan: Plan) -> list[str]:
    """Return a sentence for each thing that must not be."""
    return [
        *found.seen.wrong,
        *_broken(found, plan),
        *_releases(found, plan),
        *_accounts(found),
        *_misses(found),
        *_held(found, plan),
    ]


def _broken(found: Found, plan: Plan) -> Iterator[str]:
    deaths = found.deaths
    alone = [at for at in found.seen.breaks if not any(0 <= at - each.at + 0.1 <= _EXPLAINED for each in deaths)]
    if alone:
        yield f"{len(alone)} connections broke without a death, the first {alone[0] - found.began:.1f} s from the start"
    for death in deaths:
        broke = sum(0 <= at - death.at + 0.1 <= _EXPLAINED for at in found.seen.breaks)
        if broke > plan.connections:
            yield f"{broke} connections broke for one death, and there are {plan.connections}"
        if death.back is None:
            yield f"no worker took the place of {death.pid}"
    if found.strangers:
        yield f"{len(found.strangers)} workers ended that nobody killed"
    if not deaths:
        yield "nobody was killed"
    errors = [line for line in found.errors if '"level": "info"' not in line]
    if errors:
        yield f"the service logged {len(errors)} lines of trouble, first: {errors[0][:300]}"
    if found.left:
        yield f"the service left behind {', '.join(found.left)}"


def _releases(found: Found, plan: Plan) -> Iterator[str]:
    late = max(found.seen.lags.values(), default=0.0)
    if late > 0.9 * plan.move_every:
        yield f"{late:.1f} s after a move the release before was still served"
    for name in found.names:
        if found.seen.by_release[name] < 0.2 * found.seen.by_release.total():
            yield f"{name} answered {found.seen.by_release[name]:,} of {found.seen.by_release.total():,} requests"


def _accounts(found: Found) -> Iterator[str]:
    seen, deaths = found.seen, len(found.deaths)
    answered = seen.answered + Counter(found.asked)
    most = seen.lost + Counter({"metrics": found.broken + 1})
    yield from _balanced("requests in the metrics", found.counted.requests, answered, most, deaths)
    if found.logged is not None:
        yield from _balanced("lines of the request log", found.logged.requests, answered, most, _LOG_LOST * deaths)
        if found.logged.broken > deaths or found.logged.with_query:
            yield f"the request log has {found.logged.broken} broken lines, and {found.logged.with_query} with a query"
    yield from _balanced("queries in the metrics", found.counted.outcomes, seen.outcomes, seen.lost_outcomes, deaths)
    uncounted = seen.malformed - found.counted.others.get("refused malformed", 0)
    if not -seen.lost["other"] <= uncounted <= _TALLIES_LOST * deaths:
        yield f"{uncounted} of {seen.malformed} requests that were no HTTP are not counted; there were {deaths} deaths"
    for name in _NEVER:
        if found.counted.others.get(name):
            yield f"{name}: {found.counted.others[name]}"


def _balanced(
    what: str, told: Mapping[K, int], seen: Mapping[K, int], most: Mapping[str, int], fewer: int
) -> Iterator[str]:
    """Yield what is told too much of, by route, and that too little is told."""
    balance = difference(told, seen)
    for route, more in balance.over.items():
        if more > most.get(route, 0):
            yield f"{more} {what} at {route} are of nobody; {most.get(route, 0)} may be of what was lost"
    if balance.under > fewer:
        yield f"{balance.under} {what} are missing of {sum(seen.values()):,}; deaths explain {fewer}"


def _misses(found: Found) -> Iterator[str]:
    told, kept = len(found.seen.missed), found.misses_kept
    if kept > told + found.seen.lost_outcomes.total():
        yield f"the miss log has {kept:,} searches, and {told:,} were made"
    lost, explained = told - kept, misses_lost(found.seen, found.deaths)
    if lost > explained:
        yield f"the miss log lost {lost:,} of {told:,} searches; deaths explain {explained:,}"


def _held(found: Found, plan: Plan) -> Iterator[str]:
    for what, spare in _SPARE.items():
        most = max((getattr(sample, what) for sample in found.before), default=0)
        for sample in found.after:
            if getattr(sample, what) > most + spare:
                yield f"worker {sample.pid} has {getattr(sample, what)} {what} at rest, and began with {most}"
    if found.shared_after > found.shared_before:
        yield f"the workers share {found.shared_after} files, and began with {found.shared_before}"
    if len(found.after) != plan.workers:
        yield f"{len(found.after)} workers run at the end"
    for who in ("worker", "parent"):
        trend = growth_of(found, who)
        if trend is not None and trend.low > 0 and trend.slope > _GROWTH:
            yield f"the {who} grows by {trend.slope:.2f} MB a minute ({trend.low:.2f} to {trend.high:.2f})"


def of_the_eldest(found: Found) -> Sequence[Sample]:
    """Return the samples of the worker that lived longest."""
    by_worker: dict[int, list[Sample]] = {}
    for sample in found.samples:
        if sample.pid != found.parent:
            by_worker.setdefault(sample.pid, []).append(sample)
    return max(by_worker.values(), key=lambda samples: samples[-1].at - samples[0].at, default=[])


def growth_of(found: Found, who: Literal["worker", "parent"]) -> Trend | None:
    """Return how the memory of the eldest worker, or of the parent, grows once it has settled, in MB a minute."""
    samples = of_the_eldest(found) if who == "worker" else [each for each in found.samples if each.pid == found.parent]
    minutes: dict[int, list[float]] = {}
    for sample in samples:
        if sample.at - found.began >= _SETTLES:
            minutes.setdefault(int((sample.at - found.began) // 60), []).append(sample.private / MEGABYTE)
    return trend_of(list(minutes), [statistics.fmean(values) for values in minutes.values()])
