"""All that looks at the service while it answers, as the settings ask for it: counts, logs, traces, misses, drift."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from prometheus_client.core import Metric
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from domain.errors import UserError
from domain.privacy import redact
from service.seen.beat import Beat
from service.seen.board import Board, Slab, Slot
from service.seen.drift import Drift
from service.seen.logs import Lines, logging_as
from service.seen.metrics import Metrics, metrics_route
from service.seen.misses import MissLog
from service.seen.requests import RequestLog, Watch
from service.seen.seen import Seen
from service.seen.series import Event
from service.seen.traces import Traces, is_asked_by_environment, open_traces
from service.serving import Serving
from service.settings import Settings

__all__ = ["BOARD_VARIABLE", "Instruments", "board_from_environment"]

BOARD_VARIABLE: Final = "QUERYWISE_BOARD"
"""Environment variable with the folder of the `Board` of all workers; without it a worker knows only of itself."""

_STDOUT, _STDERR = 1, 2

_TRIES: Final = 3

_log = logging.getLogger(__name__)


class Instruments:
    """What looks at one worker.

    Args:
        serving: What it serves.
        settings: What is asked for.
        board: The folder of the slabs of all workers, or None where there is only this one.
        traces: Traces to use in the place of those that the settings or the environment ask for.

    Attributes:
        slot: The slab of this worker.
        seen: What counts into it, or None where nothing is counted.
        tallies: Return how often events have happened since this worker began, for whoever counts them to add.
        further: Return more metrics, for whoever has some to add.

    Raises:
        UserError: where traces are asked for and OpenTelemetry is not there.
    """

    def __init__(
        self, serving: Serving, settings: Settings, *, board: Path | None = None, traces: Traces | None = None
    ) -> None:
        self.slot = _slot(board)
        self.seen = Seen(self.slot) if settings.metrics or settings.misses is not None else None
        self._drift = Drift(self.slot, lambda: serving.release) if settings.metrics else None
        self.tallies: list[Callable[[], Mapping[Event, int]]] = []
        self.further: list[Callable[[], Iterable[Metric]]] = []
        self._serving = serving
        serving.slot = self.slot
        self._settings = settings
        self._board = Board(board) if board is not None else None
        self._traces = traces if traces is not None else _traces(settings)
        self._lines: dict[int, Lines] = {}
        self._log: RequestLog | None = None
        if settings.log_requests:
            self._log = RequestLog(lines=self._to(_STDOUT), format=settings.log_format)
        self._beat: Beat | None = None

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return an application with all that looks at its requests."""
        return Watch(app, seen=self.seen, log=self._log, traces=self._traces, shows=self._shows)

    def around_counting(self, app: ASGIApp) -> ASGIApp:
        """Return an application that counts its own requests, with what else looks at them: itself if nothing does."""
        if self._log is None and self._traces is None:
            return app
        return Watch(app, log=self._log, traces=self._traces, shows=self._shows)

    def routes(self) -> list[BaseRoute]:
        """Return the routes that tell what was counted."""
        if self._drift is None:
            return []
        return [metrics_route(Metrics(self._slabs, self._drift.tell, self._more), self._now)]

    def _more(self, _: Sequence[Slab]) -> Iterator[Metric]:
        for tell in self.further:
            yield from tell()

    @contextmanager
    def running(self, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[None]:
        """Look, as long as the service runs in an event loop; without one nothing tells that it stands."""
        self._tell_release()
        with ExitStack() as stack:
            stack.callback(self._close)
            if self._settings.log_format == "json":
                stack.enter_context(logging_as("json", self._to(_STDERR)))
            if self.seen is not None:
                self._beat = Beat(self.seen, waiting=self._waiting, drift=self._drift, tallies=self.tallies)
                self._beat.start(loop)
                stack.callback(self._beat.close)
                if self._settings.misses is not None:
                    stack.enter_context(self._keeping_misses(self.seen, self._settings.misses))
            yield

    @contextmanager
    def _keeping_misses(self, seen: Seen, folder: Path) -> Iterator[None]:
        misses = MissLog(
            folder,
            count=seen.event,
            share=self._settings.misses_share,
            most_bytes=self._settings.misses_megabytes << 20,
            days=self._settings.misses_days,
        )
        misses.start()
        seen.missed = misses.offer
        try:
            yield
        finally:
            seen.missed = None
            misses.close()

    def _close(self) -> None:
        if self._traces is not None:
            self._traces.close()
        for lines in self._lines.values():
            lines.close()

    def _to(self, descriptor: int) -> Lines:
        if descriptor not in self._lines:
            seen = self.seen

            def dropped() -> None:
                if seen is not None:
                    seen.event("log_dropped")

            self._lines[descriptor] = Lines(descriptor, dropped)
        return self._lines[descriptor]

    @property
    def _shows(self) -> Callable[[str], str] | None:
        return redact if self._settings.log_queries else None

    def _slabs(self) -> Sequence[Slab]:
        return [self.slot.read()] if self._board is None else list(self._board.slabs())

    def _tell_release(self) -> None:
        release = self._serving.release
        self.slot.release = release.id if release is not None else ""

    def _now(self) -> None:
        self._tell_release()
        if self._beat is not None:
            self._beat.now()

    def _waiting(self) -> int:
        for _ in range(_TRIES):
            try:
                return self._serving.waiting
            except RuntimeError:
                continue  # a release came or went meanwhile
        return 0


def _slot(board: Path | None) -> Slot:
    if board is not None:
        try:
            return Board.attach(board)
        except OSError as error:
            # Counts are no reason not to answer.
            _log.error("the board of the workers cannot be used, this one counts by itself: %s", error)
    return Slot.alone()


def _traces(settings: Settings) -> Traces | None:
    if settings.otel:
        return open_traces()
    if not is_asked_by_environment():
        return None
    try:
        return open_traces()
    except UserError as error:
        _log.warning("%s is set, but %s: %s", "OTEL_EXPORTER_OTLP_ENDPOINT", error, error.hint)
        return None


def board_from_environment() -> Path | None:
    """Return the folder of the board that the parent of this worker made, or None where it made none."""
    folder = os.environ.get(BOARD_VARIABLE)
    return Path(folder) if folder else None
