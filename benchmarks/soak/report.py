"""A soak as a page: a table by minute, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.soak.accounts import difference, misses_lost
from benchmarks.soak.processes import Sample
from benchmarks.soak.run import Found
from benchmarks.soak.trend import Trend
from benchmarks.soak.verdict import MEGABYTE, growth_of, of_the_eldest

__all__ = ["report"]

_HEAD = (
    "| minute | requests | p50 ms | p99 ms | most ms | deaths | lost | old MB | young MB | parent MB | files | maps |"
)


def report(found: Found, every: float = 60.0) -> Iterator[str]:
    """Yield the lines of the page; a row of its table stands for `every` seconds."""
    yield _HEAD.replace("minute", "minute" if every == 60 else f"{every:g} s")
    yield "|---" * (_HEAD.count("|") - 1) + "|"
    eldest = of_the_eldest(found)
    pid = eldest[0].pid if eldest else 0
    last = max((wait.at for wait in found.seen.waits), default=found.began)
    for i in range(int((last - found.began) // every) + 1):
        begin = found.began + i * every
        end = begin + every
        taken = sorted(wait.seconds * 1000 for wait in found.seen.waits if begin <= wait.at < end)
        samples = [sample for sample in found.samples if begin <= sample.at < end]
        old = [sample for sample in samples if sample.pid == pid]
        young = [sample for sample in samples if sample.pid not in (pid, found.parent)]
        parent = [sample for sample in samples if sample.pid == found.parent]
        cells = [
            f"{i + 1}",
            f"{len(taken):,}",
            *(f"{taken[int(len(taken) * share)]:.1f}" if taken else "" for share in (0.5, 0.99)),
            f"{taken[-1]:.0f}" if taken else "",
            f"{sum(begin <= death.at < end for death in found.deaths)}",
            f"{sum(begin <= at < end for at in found.seen.breaks)}",
            *map(_megabytes, (old, young, parent)),
            _range([sample.files for sample in old]),
            _range([sample.maps for sample in old]),
        ]
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield from _sums(found)


def _megabytes(samples: Sequence[Sample]) -> str:
    return f"{sum(sample.private for sample in samples) / len(samples) / MEGABYTE:.1f}" if samples else ""


def _range(values: Sequence[int]) -> str:
    if not values:
        return ""
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _sums(found: Found) -> Iterator[str]:
    seen, deaths = found.seen, found.deaths
    answered = seen.answered + type(seen.answered)(found.asked)
    waits = sorted(wait.seconds * 1000 for wait in seen.waits)
    yield (
        f"{answered.total():,} requests answered, {seen.outcomes.total():,} queries of them understood; "
        f"{found.differ:.0%} of the requests for content have other answers in the other release."
    )
    by_status = sorted({status for _, status in answered})
    yield "By status: " + ", ".join(
        f"{status} {sum(count for (_, each), count in answered.items() if each == status):,}" for status in by_status
    )
    if waits:
        picked = (waits[int(len(waits) * share)] for share in (0.5, 0.99, 0.999))
        yield (
            "Waited: "
            + ", ".join(f"{value:.1f}" for value in picked)
            + f" ms at p50, p99, p99.9; most {waits[-1]:.0f} ms"
        )
    yield f"Wrong: {seen.faults}. Lost and asked again: {seen.lost.total()}, for {len(deaths)} deaths."
    back = sorted(death.back for death in deaths if death.back is not None)
    if back:
        yield f"Until all workers served again: {back[len(back) // 2]:.1f} s, at most {back[-1]:.1f} s"
    lags = sorted(seen.lags.values())
    if lags:
        yield (
            f"Moves of the link: {len(found.moves) - 1}; the one before was served for {lags[len(lags) // 2]:.1f} s "
            f"more, at most {lags[-1]:.1f} s. Releases opened: {found.counted.others['release_reloads ok']:,}"
        )
    for what, balance in (
        ("Metrics", difference(found.counted.requests, answered)),
        ("Queries in the metrics", difference(found.counted.outcomes, seen.outcomes)),
        *([("Request log", difference(found.logged.requests, answered))] if found.logged is not None else []),
    ):
        yield f"{what}: {balance.under} less than was answered, {sum(balance.over.values())} more"
    told = len(seen.missed)
    yield (
        f"Miss log: {told:,} searches without a precomputed answer, {found.misses_kept:,} kept, "
        f"{max(0, told - found.misses_kept):,} lost with the dead, who may have held {misses_lost(seen, deaths):,}"
    )
    yield f"No HTTP: {seen.malformed} sent, {found.counted.others['refused malformed']} counted"
    for who in ("worker", "parent"):
        yield f"Memory of the {'older worker' if who == 'worker' else who}: {_trend(growth_of(found, who))}"


def _trend(trend: Trend | None) -> str:
    if trend is None:
        return "too short a time to say"
    return f"{trend.slope:+.3f} MB a minute (95% interval {trend.low:+.3f} to {trend.high:+.3f})"
