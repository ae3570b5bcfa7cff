"""Sees a request from outside: counts it, names it, logs it and traces it, whatever answers it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.reply import CLIENT_GONE
from service.request_id import name_request, request_id
from service.seen.logs import Lines, LogFormat, render_line, timestamp
from service.seen.seen import Seen, outcome_of, release_of
from service.seen.series import Route, route_of
from service.seen.traces import Traces

__all__ = ["RequestLog", "Watch"]

_NAMED: Final = 400
"""The status from which on an answer carries the id of its request, also where no request is logged."""

_LONGEST_NAME: Final = 64


@dataclass(frozen=True, kw_only=True)
class RequestLog:
    """Where a line goes for each request, and in what form."""

    lines: Lines
    format: LogFormat


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What an answer of ``/v1/understand`` says of itself."""

    source: str
    reason: str
    release: str
    query: str | None


class Watch:
    """An ASGI application around another one.

    Args:
        app: The other one.
        seen: Counts each request; None where the application counts its own, or nothing is counted.
        log: Gets a line for each request, or None.
        traces: Make a span of each request, or None.
        shows: Returns what of a query as it was typed may stand in log and span; None: nothing of it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        seen: Seen | None = None,
        log: RequestLog | None = None,
        traces: Traces | None = None,
        shows: Callable[[str], str] | None = None,
    ) -> None:
        self._app = app
        self._seen = seen
        self._log = log
        self._traces = traces
        self._shows = shows
        self._names = 0 if log is not None or traces is not None else _NAMED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have one request answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter_ns()
        route = route_of(scope["path"])
        span = self._traces.begin(scope, route) if self._traces is not None else None
        status, answer = CLIENT_GONE, b""
        keeps = route == "understand" and (self._log is not None or span is not None)

        async def watched(message: Message) -> None:
            nonlocal status, answer
            if message["type"] == "http.response.start":
                status = message["status"]
            elif keeps and not answer:
                answer = message.get("body", b"")
            await send(message)

        try:
            await self._app(scope, receive, name_request(scope, watched, least=self._names))
        except BaseException:
            status = 500 if status == CLIENT_GONE else status
            raise
        finally:
            if self._seen is not None:
                self._seen.request(route, status, began)
            if self._log is not None or span is not None:
                self._tell(scope, route, status, began, self._told(answer) if status == 200 and keeps else None, span)

    def _told(self, answer: bytes) -> _Told:
        outcome = outcome_of(answer)
        query = self._shows(json.loads(answer)["query"]) if self._shows is not None else None
        return _Told(source=outcome.source, reason=outcome.reason, release=release_of(answer), query=query)

    def _tell(self, scope: Scope, route: Route, status: int, began: int, told: _Told | None, span: Any) -> None:
        said: dict[str, Any] = {
            "source": told.source if told else None,
            "reason": told.reason if told else None,
            "release": told.release if told else None,
            "query": told.query if told else None,
            "request_id": request_id(scope),
            "key": scope.get("querywise.key"),
        }
        if self._log is not None:
            fields = {
                "time": timestamp(time.time()),
                "level": "info",
                "event": "request",
                "method": scope["method"][:_LONGEST_NAME],
                "route": route,
                "status": status,
                "ms": round((perf_counter_ns() - began) / 1e6, 3),
                "trace_id": f"{span.get_span_context().trace_id:032x}" if span is not None else None,
            }
            self._log.lines.put(render_line(fields | said, self._log.format))
        if span is not None and self._traces is not None:
            self._traces.end(span, status, said)
