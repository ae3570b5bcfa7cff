"""``/v1/understand``: the head path, as a plain ASGI application.

Routing, validation and response classes of a framework would cost four fifths of the machine here, so this one route
does without them; `service.openapi` describes it all the same.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from domain import normalise
from domain.text import MAX_QUERY_LENGTH
from release import Release
from service.problems import Problem, send_problem
from service.wire import ClientGone, json_object, json_query, query_parameter, read_json_body

__all__ = ["Serving", "Settings", "UnderstandBatch", "UnderstandOne"]

_log = logging.getLogger(__name__)
_JSON = (b"content-type", b"application/json")
_SLICE = 50  # answers of a batch between two chances for other requests
_MOST_WAITING = 32  # queries that wait for retrieval in one process


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Limits on what a client may send: bytes of a body, or of a query string; queries in a batch."""

    max_body: int = 64 * 1024
    max_batch_body: int = 1024 * 1024
    max_batch: int = 1000


class Serving:
    """What is being served: one release, or None until it is loaded, and the thread that searches for it."""

    def __init__(self, release: Release | None = None) -> None:
        self.release = release
        self._waiting = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retrieval")

    def get(self) -> Release:
        """Return the release, or raise the problem that there is none yet."""
        if self.release is None:
            raise Problem("not-ready", "The service is starting, or its release could not be loaded.")
        return self.release

    async def miss(self, release: Release, raw: str, normalised: str) -> bytes:
        """Answer a query that has no precomputed answer.

        Retrieval has a thread of its own, so that precomputed answers do not wait for it. While too many queries wait
        for that thread, further ones are answered at once, degraded: a late answer helps no search page.
        """
        if not release.retrieves or self._waiting >= _MOST_WAITING:
            return release.fallback_answer(raw, normalised, retrieve=False)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, release.fallback_answer, raw, normalised)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the release, once the search that is running is done."""
        self.release = None
        self._thread.shutdown(wait=True, cancel_futures=True)


def _normalised(raw: Any, field: str) -> str:
    """Return the normal form of a query, or raise the problem with it."""
    if type(raw) is not str:
        raise Problem("invalid-field", "A query must be a string.", field=field)
    normalised = normalise(raw)
    if len(normalised) > MAX_QUERY_LENGTH:
        raise Problem(
            "query-too-long",
            f"A query may have {MAX_QUERY_LENGTH} characters after normalisation; this one has {len(normalised)}.",
            field=field,
        )
    return normalised


def _half_a_pair(field: str) -> Problem:
    return Problem("invalid-encoding", "The query has half of a surrogate pair.", field=field)


async def _send_answer(send: Send, body: bytes) -> None:
    headers = [_JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_failure(scope: Scope, send: Send, error: Exception) -> None:
    """Tell the client what is wrong with its request, or that the service failed."""
    if isinstance(error, ClientGone):
        return
    if not isinstance(error, Problem):
        # The type alone: messages may quote the query, and no query goes to a log.
        _log.error("%s failed: %s", scope["path"], type(error).__name__)
        error = Problem("internal-error", "The request could not be answered.")
    await send_problem(send, error)


class UnderstandOne:
    """One query: POST with a JSON body, or GET with ``q``."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; in one piece, as each further call is felt here."""
        try:
            method = scope["method"]
            if method == "POST":
                field = "query"
                raw = json_query(await read_json_body(scope, receive, self._settings.max_body))
            elif method == "GET" or method == "HEAD":
                field = "q"
                raw = query_parameter(scope["query_string"], self._settings.max_body)
            else:
                raise Problem("method-not-allowed", "Use GET or POST.", allow="GET, HEAD, POST")
            release = self._serving.release or self._serving.get()
            normalised = _normalised(raw, field)
            try:
                body = release.head_answer(raw, normalised)
                if body is None:
                    body = await self._serving.miss(release, raw, normalised)
            except UnicodeEncodeError as error:
                raise _half_a_pair(field) from error
        except Exception as error:
            await _send_failure(scope, send, error)
        else:
            await _send_answer(send, body)


class UnderstandBatch:
    """Many queries, answered in order."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await self._respond(scope, receive)
        except Exception as error:
            await _send_failure(scope, send, error)
        else:
            await _send_answer(send, body)

    async def _respond(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise Problem("method-not-allowed", "Use POST.", allow="POST")
        queries = json_object(await read_json_body(scope, receive, self._settings.max_batch_body), "queries")
        if type(queries) is not list:
            raise Problem("invalid-field", "The queries must be a list.", field="queries")
        if len(queries) > self._settings.max_batch:
            detail = f"A batch may have {self._settings.max_batch:,} queries; this one has {len(queries):,}."
            raise Problem("too-many-queries", detail, field="queries")
        release = self._serving.get()
        answers = []
        for i, raw in enumerate(queries):
            if i % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)
            field = f"queries[{i}]"
            normalised = _normalised(raw, field)
            try:
                answer = release.head_answer(raw, normalised)
                answers.append(answer if answer is not None else await self._serving.miss(release, raw, normalised))
            except UnicodeEncodeError as error:
                raise _half_a_pair(field) from error
        return b'{"results":[' + b",".join(answers) + b"]}"
