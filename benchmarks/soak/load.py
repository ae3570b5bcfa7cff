"""Clients that ask all the time, and compare each answer with what the releases say."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.soak.traffic import Request, Said, Traffic

__all__ = ["Clients", "Seen", "Wait", "requests_counted"]

_SHOWN: Final = 20
_A_CONNECTION: Final = (50, 250)
"""Requests over one connection, as balancers have it; so a worker that has just started gets its share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """When a request was sent, on the clock of `time.monotonic`, and how long its answer took, in seconds."""

    at: float
    seconds: float


@dataclass(kw_only=True)
class Seen:
    """What the clients saw.

    Attributes:
        answered: Requests that were answered, by route and status; one whose client left counts as 499.
        malformed: Of what was no HTTP, how much was refused; no route counts it.
        outcomes: Queries answered, by route, source and reason.
        missed: When a query was answered that had no precomputed answer.
        lost: Requests whose connection broke before the answer was whole, by route.
        lost_outcomes: Queries in them, by route.
        breaks: When that was.
        lags: For each release that was moved to: the last time an answer to a request that was sent after the move came
            from the other one, in seconds since it.
        wrong: What is wrong, the first twenty; `faults` is how many there are.
    """

    waits: list[Wait] = field(default_factory=list)
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    malformed: int = 0
    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    missed: list[float] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    lost_outcomes: Counter[str] = field(default_factory=Counter)
    breaks: list[float] = field(default_factory=list)
    by_release: Counter[str] = field(default_factory=Counter)
    lags: dict[float, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    faults: int = 0

    def fault(self, what: str) -> None:
        """Keep something that must not be."""
        self.faults += 1
        if len(self.wrong) < _SHOWN:
            self.wrong.append(what)


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    body: bytes
    closes: bool


class Clients:
    """Connections that each ask at random times, on the whole at a rate.

    Args:
        port: Of the service.
        traffic: What is asked.
        said: What each release says to a request, by its name.
        rate: Requests a second, of all together.
        count: Connections.
        patience: Seconds after which an answer is too late.
        moves: When the link was moved and to which release, the newest last; others append to it.
    """

    def __init__(
        self,
        port: int,
        traffic: Traffic,
        said: Mapping[Request, Mapping[str, Said]],
        *,
        rate: float,
        count: int,
        patience: float,
        moves: Sequence[tuple[float, str]],
        seed: int,
    ) -> None:
        self.seen = Seen()
        self._port = port
        self._traffic = traffic
        self._said = said
        self._apart = count / rate
        self._count = count
        self._patience = patience
        self._moves = moves
        self._seed = seed
        self._told: deque[tuple[float, float]] = deque(maxlen=50)

    async def ask(self, until: float) -> None:
        """Ask until a time of `time.monotonic`."""
        async with asyncio.TaskGroup() as group:
            for i in range(self._count):
                group.create_task(self._keep_asking(until, random.Random(f"{self._seed} {i}")))

    async def _keep_asking(self, until: float, draw: random.Random) -> None:
        due = time.monotonic() + draw.random() * self._apart
        connection: _Connection | None = None
        left = 0
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            # A client that was held up is not followed by a crowd: the rate is what is asked, and no promise.
            due = max(due, time.monotonic() - 1) + draw.expovariate(1 / self._apart)
            request = self._traffic.next()
            for again in (False, True):
                if connection is not None and (left <= 0 or connection.is_gone):
                    connection.close()
                    connection = None
                try:
                    if connection is None:
                        connection, left = await _Connection.open(self._port), draw.randint(*_A_CONNECTION)
                    left -= 1
                    closes = await self._one(request, connection)
                except (OSError, asyncio.IncompleteReadError):
                    self._broke(request, again)
                    left = 0
                else:
                    left = 0 if closes else left
                    break
        if connection is not None:
            connection.close()

    async def _one(self, request: Request, connection: _Connection) -> bool:
        """Have one request answered; return whether its connection is of no more use."""
        sent = time.monotonic()
        if request.kind == "leaves":
            await connection.leave(request.data)
            self.seen.answered[request.route, 499] += 1
            return True
        try:
            async with asyncio.timeout(self._patience):
                answer = await connection.ask(request.data)
        except TimeoutError:
            self.seen.fault(f"no answer within {self._patience:g} s: {_named(request)}")
            return True
        self.seen.waits.append(Wait(at=sent, seconds=time.monotonic() - sent))
        self._check(request, answer, sent)
        return answer.closes

    def _broke(self, request: Request, again: bool) -> None:
        seen = self.seen
        seen.breaks.append(time.monotonic())
        seen.lost[request.route] += 1
        seen.lost_outcomes[request.route] += max(sum(each.outcomes.values()) for each in self._said[request].values())
        if again:
            seen.fault(f"lost twice: {_named(request)}")

    def _check(self, request: Request, answer: _Answer, sent: float) -> None:
        seen = self.seen
        if request.kind == "malformed":
            seen.malformed += 1
        else:
            seen.answered[request.route, answer.status] += 1
        said = self._said[request]
        by = [name for name, each in said.items() if each.status == answer.status and each.body in (None, answer.body)]
        if not by:
            seen.fault(f"{_named(request)}: {answer.status} {answer.body[:300]!r}")
            return
        if request.target == "/metrics":
            self._check_counts(answer.body, sent)
        each = said[by[0]]
        for (source, reason), times in each.outcomes.items():
            seen.outcomes[request.route, source, reason] += times
        seen.missed += [sent] * len(each.missed)
        if len(by) == 1:
            seen.by_release[by[0]] += 1
            at, current = self._moves[-1]
            if by[0] != current and sent > at:
                seen.lags[at] = max(seen.lags.get(at, 0.0), sent - at)

    def _check_counts(self, body: bytes, sent: float) -> None:
        counted = requests_counted(body)
        if any(when < sent and total > counted for when, total in self._told):
            self.seen.fault(f"the requests counted fell to {counted:.0f}")
        self._told.append((time.monotonic(), counted))


def requests_counted(metrics: bytes) -> float:
    """Return the sum of all requests that metrics tell of."""
    return sum(
        float(line.rpartition(b" ")[2]) for line in metrics.splitlines() if line.startswith(b"querywise_requests_total")
    )


def _named(request: Request) -> str:
    return f"{request.kind} {request.method} {request.target[:80]} {request.body[:120]!r}"


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> _Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    @property
    def is_gone(self) -> bool:
        """Whether the other side has closed it already."""
        return self._reader.at_eof()

    async def ask(self, data: bytes) -> _Answer:
        self._writer.write(data)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length: ")[2].partition(b"\r")[0] or 0)  # 304 has no body to give it of
        body = await self._reader.readexactly(size)
        return _Answer(status=int(head[9:12]), body=body, closes=b"\r\nconnection: close\r\n" in head)

    async def leave(self, data: bytes) -> None:
        """Send a part of a request, and go once it has been read, so that it is a request that was begun."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0.05)

    def close(self) -> None:
        self._writer.close()
