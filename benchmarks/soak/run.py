"""One soak, from the answers that are right to what was found wrong."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.soak.accounts import Counted, Logged, counted_in, kept_of_misses, logged_in
from benchmarks.soak.load import Clients, Seen
from benchmarks.soak.processes import Sample, sample_of, workers_of
from benchmarks.soak.service import Running, serving
from benchmarks.soak.traffic import KINDS, Request, Said, Traffic, known_queries, requests_of, said_by
from benchmarks.soak.trouble import Death, kill_workers, move_releases
from release.current import move
from release.lock import changing

__all__ = ["Found", "Plan", "soak"]

_QUIET = 2.5
"""Seconds without load before what is held and what is counted is looked at: once a second workers tell of it."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How the service is soaked; times are in seconds.

    Attributes:
        seconds: How long there is load.
        rate: Requests a second.
        connections: That bring them.
        workers: Of the service.
        move_every: Between two moves of the link.
        kill_every: The least and the most between two deaths.
        spare: Of the time, the share in which the oldest worker is not killed.
        patience: After which an answer is too late.
        sample_every: Between two looks at memory and open files.
        seed: Of all that is drawn.
        log: Whether requests are logged; without it a precomputed answer goes out by the shortest way.
        options: Further ones of the service.
    """

    seconds: float = 1200.0
    rate: float = 100.0
    connections: int = 12
    workers: int = 2
    move_every: float = 10.0
    kill_every: tuple[float, float] = (30.0, 60.0)
    spare: float = 0.85
    patience: float = 5.0
    sample_every: float = 5.0
    seed: int = 7
    log: bool = True
    options: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Found:
    """All that was seen.

    Attributes:
        names: The releases.
        differ: Of the requests, the share that the two answer with other bytes, the release's name put aside.
        began: When the load began, on the clock of `time.monotonic`; all times of a soak are on it.
        seen: What the clients saw.
        moves: When the link was moved, and to what.
        deaths: Of workers.
        samples: Of every process, in order of time; `parent` is the process that keeps the workers.
        before, after: Of the workers, without load: when they had started, and at the end.
        shared_before, shared_after: Files that the workers share, at the same times.
        counted: What the metrics told at the end.
        asked: Requests that were sent beside the clients', and answered; `broken` were not.
        logged: The request log, or None where there is none.
        misses_kept: Searches in the miss log.
        errors: Lines of the service's own log.
        left: Files of the service that are there when it has stopped.
        strangers: Workers that ended by themselves.
    """

    names: Sequence[str]
    differ: float
    began: float = 0.0
    seen: Seen = field(default_factory=Seen)
    moves: list[tuple[float, str]] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    parent: int = 0
    before: list[Sample] = field(default_factory=list)
    after: list[Sample] = field(default_factory=list)
    shared_before: int = 0
    shared_after: int = 0
    counted: Counted = field(default_factory=lambda: counted_in(""))
    asked: dict[tuple[str, int], int] = field(default_factory=dict)
    broken: int = 0
    logged: Logged | None = None
    misses_kept: int = 0
    errors: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    strangers: set[int] = field(default_factory=set)


def soak(releases: Path, scratch: Path, plan: Plan) -> Found:
    """Soak a service over two releases.

    Args:
        releases: A folder with both, and nothing else; its links are moved.
        scratch: An empty folder to write to.
        plan: How.

    Raises:
        RuntimeError: where the service does not start, or does not stop.
    """
    names = sorted(path.name for path in releases.iterdir() if path.is_dir() and not path.is_symlink())
    fresh = int(plan.seconds * plan.rate * KINDS["fresh"] / 100 * 1.1) + 50
    requests = requests_of(known_queries(releases / names[-1]), names, fresh=fresh, seed=plan.seed)
    every = list(dict.fromkeys(request for found in requests.values() for request in found))
    answers = [asyncio.run(said_by(releases / name, every)) for name in names]
    said = {request: dict(zip(names, each, strict=True)) for request, *each in zip(every, *answers, strict=True)}
    for request in requests["kept"]:
        assert sorted(each.status for each in said[request].values()) == [200, 304], request
    found = Found(names=names, differ=_differ(names, said))
    gc.collect()
    gc.freeze()  # what is expected stays; looking through it again and again would hold the clients up
    with changing(releases):
        move(releases, names[0])
    with serving(releases, scratch, workers=plan.workers, log=plan.log, options=plan.options) as running:
        clients = Clients(
            running.port, Traffic(requests, seed=plan.seed), said,
            rate=plan.rate, count=plan.connections, patience=plan.patience, moves=found.moves, seed=plan.seed,
        )  # fmt: skip
        found.seen, found.parent = clients.seen, running.process.pid
        asyncio.run(_soak(releases, running, clients, plan, found))
    found.left = [path.name for path in sorted((scratch / "tmp").iterdir())]
    found.asked, found.broken = dict(running.asked), running.broken
    found.logged = logged_in(scratch / "requests.log") if plan.log else None
    found.misses_kept = kept_of_misses(scratch / "misses")
    found.errors = (scratch / "errors.log").read_text().splitlines()
    return found


async def _soak(releases: Path, running: Running, clients: Clients, plan: Plan, found: Found) -> None:
    await asyncio.sleep(_QUIET)
    found.before, found.shared_before = _at_rest(running), _shared(running)
    found.began = began = time.monotonic()
    found.moves.append((began - 3600, found.names[0]))
    until = began + plan.seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.ask(until))
        group.create_task(_sample(running, plan, until, found))
        group.create_task(move_releases(releases, found.names, every=plan.move_every, until=until, moves=found.moves))
        group.create_task(
            kill_workers(
                running.process.pid,
                every=plan.kill_every,
                spare_until=began + plan.seconds * plan.spare,
                until=until,
                serving=running.workers_serving,
                deaths=found.deaths,
                draw=random.Random(plan.seed),
            )
        )
    with changing(releases):  # what is held at the end is compared with what one release took at the start
        move(releases, found.names[0])
    await asyncio.sleep(_QUIET)
    found.after, found.shared_after = _at_rest(running), _shared(running)
    found.counted = await asyncio.to_thread(running.counted, last=True)


async def _sample(running: Running, plan: Plan, until: float, found: Found) -> None:
    known: set[int] = set()
    while time.monotonic() < until:
        workers = workers_of(found.parent)
        found.strangers |= known - {*workers} - {death.pid for death in found.deaths}
        known |= {*workers}
        taken = (sample_of(pid) for pid in (found.parent, *workers))
        found.samples += [sample for sample in taken if sample is not None]
        await asyncio.sleep(plan.sample_every)


def _at_rest(running: Running) -> list[Sample]:
    taken = (sample_of(pid) for pid in workers_of(running.process.pid))
    return [sample for sample in taken if sample is not None]


def _shared(running: Running) -> int:
    return sum(path.is_file() for path in (running.folder / "tmp").rglob("*"))


def _differ(names: Sequence[str], said: dict[Request, dict[str, Said]]) -> float:
    bodies = [
        [(each[name].body or b"").replace(name.encode(), b"") for name in names]
        for request, each in said.items()
        if request.kind != "kept"
        and request.route in ("understand", "batch", "discover", "suggest", "embed", "explain")
    ]
    return sum(one != other for one, other in bodies) / len(bodies)
