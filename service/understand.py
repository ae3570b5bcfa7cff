"""``/v1/understand``: the head path, as a plain ASGI application.

Routing, validation and response classes of a framework would cost four fifths of the machine here, so this one route
does without them; `service.openapi` describes it all the same.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Receive, Scope, Send

from service.problems import Problem
from service.reply import PostRoute, send_answer, send_failure
from service.serving import Serving
from service.settings import Settings
from service.texts import half_a_pair, normalised_query
from service.wire import json_object, json_query, query_parameter, read_json_body

__all__ = ["UnderstandBatch", "UnderstandOne"]

_TURN: Final = 50
"""Queries of a batch that are looked up between two chances for other requests."""


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
            normalised = normalised_query(raw, field)
            try:
                body = release.head_answer(raw, normalised)
                if body is None:
                    body = await self._serving.miss(release, raw, normalised)
            except UnicodeEncodeError as error:
                raise half_a_pair(field) from error
        except Exception as error:
            await send_failure(scope, send, error)
        else:
            await send_answer(send, body)


class UnderstandBatch(PostRoute):
    """Many queries, answered in order."""

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings

    async def respond(self, scope: Scope, receive: Receive) -> bytes:
        """Look all queries up, then work out those that have no precomputed answer, together."""
        queries = json_object(await read_json_body(scope, receive, self._settings.max_batch_body), "queries")
        if type(queries) is not list:
            raise Problem("invalid-field", "The queries must be a list.", field="queries")
        if len(queries) > self._settings.max_batch:
            detail = f"A batch may have {self._settings.max_batch:,} queries; this one has {len(queries):,}."
            raise Problem("too-many-queries", detail, field="queries")
        release = self._serving.get()
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
        return b'{"results":[' + b",".join(answers) + b"]}"
