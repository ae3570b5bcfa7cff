"""``/v1/understand``: the head path, as a plain ASGI application.

Routing, validation and response classes of a framework would cost four fifths of the machine here, so this one route
does without them; `service.openapi` describes it all the same.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from release import Release
from service.access.access import charge
from service.caching import NO_STORE, cache_control, is_degraded, is_held, tag_of
from service.connections.one_write import OneWrite
from service.problems import Problem
from service.reply import HEADERS, PostRoute, send_answer, send_failure, send_unchanged
from service.seen.seen import Seen
from service.serving import Serving
from service.settings import Settings
from service.texts import half_a_pair, normalised_query
from service.wire import json_object, json_query, query_parameter, read_json_body

__all__ = ["UnderstandBatch", "UnderstandOne"]

_TURN: Final = 50
"""Queries of a batch that are looked up between two chances for other requests."""


class UnderstandOne:
    """One query: POST with a JSON body, or GET with ``q``; counted where there is a `Seen`."""

    def __init__(self, serving: Serving, settings: Settings, seen: Seen | None = None) -> None:
        self._serving = serving
        self._most = settings.max_body
        self._seen = seen
        self._kept = cache_control(settings)
        self._posted = OneWrite(*HEADERS)
        self._got = OneWrite(*HEADERS, self._kept)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; in one piece, as each further call is felt here."""
        began = perf_counter_ns()
        known, tag = True, b""
        try:
            method = scope["method"]
            if method == "POST":
                field = "query"
                raw = json_query(await read_json_body(scope, receive, self._most))
            elif method == "GET" or method == "HEAD":
                field = "q"
                raw = query_parameter(scope["query_string"], self._most)
            else:
                raise Problem("method-not-allowed", "Use GET or POST.", allow="GET, HEAD, POST")
            release = self._serving.release or self._serving.get()
            normalised = normalised_query(raw, field)
            if field == "q":
                tag = tag_of(release, normalised)
                if is_held(scope, tag):
                    await send_unchanged(send, self._kept, (b"etag", tag))
                    if self._seen is not None:
                        self._seen.request("understand", 304, began)
                    return
            try:
                body = release.head_answer(raw, normalised)
                if body is None:
                    known = False
                    body = await self._serving.miss(release, raw, normalised)
            except UnicodeEncodeError as error:
                raise half_a_pair(field) from error
        except Exception as error:
            status = await send_failure(scope, send, error)
            if self._seen is not None:
                self._seen.request("understand", status, began)
            return
        if not tag:
            if not self._posted.write(send, b"", body):
                await send_answer(send, body)
        elif not known and is_degraded(body):
            await send_answer(send, body, NO_STORE)
        elif not self._got.write(send, b"etag: %b\r\n" % tag, body):
            await send_answer(send, body, self._kept, (b"etag", tag))
        if self._seen is None:
            return
        if known:
            self._seen.head(began, body)
        else:
            self._seen.miss(began, body)


class UnderstandBatch(PostRoute):
    """Many queries, answered in order; each answer is counted where there is a `Seen`."""

    def __init__(self, serving: Serving, settings: Settings, seen: Seen | None = None) -> None:
        self._serving = serving
        self._settings = settings
        self._seen = seen

    async def respond(self, scope: Scope, receive: Receive) -> bytes:
        """Look all queries up, then work out those that have no precomputed answer, together."""
        queries = json_object(await read_json_body(scope, receive, self._settings.max_batch_body), "queries")
        if type(queries) is not list:
            raise Problem("invalid-field", "The queries must be a list.", field="queries")
        if len(queries) > self._settings.max_batch:
            detail = f"A batch may have {self._settings.max_batch:,} queries; this one has {len(queries):,}."
            raise Problem("too-many-queries", detail, field="queries")
        charge(scope, len(queries) - 1)
        with self._serving.hold() as release:
            return await self._answers(release, queries)

    async def _answers(self, release: Release, queries: list[Any]) -> bytes:
        answers: list[bytes] = []
        missed: list[int] = []
        forms: list[str] = []
        for i, raw in enumerate(queries):
            if i % _TURN == _TURN - 1:
                await asyncio.sleep(0)
            field = f"queries[{i}]"
            normalised = normalised_query(raw, field)
            try:
                raw.encode()
            except UnicodeEncodeError as error:
                raise half_a_pair(field) from error
            answer = release.head_answer(raw, normalised)
            if answer is None:
                missed.append(i)
                forms.append(normalised)
            answers.append(answer or b"")
        for i, answer in zip(
            missed, await self._serving.misses(release, [queries[i] for i in missed], forms), strict=True
        ):
            answers[i] = answer
        if self._seen is not None:
            self._seen.batch(answers, (answers[i] for i in missed))
        return b'{"results":[' + b",".join(answers) + b"]}"
