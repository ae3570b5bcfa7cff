"""``/v1/understand``: the head path, as a plain ASGI application.

Routing, validation and response classes of a framework would cost four fifths of the machine here, so the routes that a
page of results waits for do without them; `service.openapi` describes them all the same.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from release import Release
from service.access.access import charge
from service.caching import NO_STORE, cache_control, is_degraded, is_held, tag_of
from service.connections.one_write import Header, OneWrite
from service.problems import Problem
from service.reply import HEADERS, PostRoute, send_failure, send_unchanged
from service.seen.seen import Seen
from service.serving import Serving
from service.settings import Settings
from service.texts import Turns, half_a_pair, normalised_query
from service.wire import json_object, json_query, query_parameter, read_json_body

__all__ = ["UnderstandBatch", "UnderstandOne"]

_NONE: Final[tuple[Header, ...]] = ()


class UnderstandOne:
    """One query: POST with a JSON body, or GET with ``q``; counted where there is a `Seen`."""

    def __init__(self, serving: Serving, settings: Settings, seen: Seen | None = None) -> None:
        self._serving = serving
        self._most = settings.max_body
        self._seen = seen
        self._control = cache_control(settings)
        self._plain = OneWrite(*HEADERS)
        self._cached = OneWrite(*HEADERS, self._control)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; in one piece, as each further call is felt here."""
        began = perf_counter_ns()
        writer, headers = self._plain, _NONE
        try:
            if scope["method"] == "POST":
                raw = json_query(await read_json_body(scope, receive, self._most))
                release = self._serving.release or self._serving.get()
                normalised = normalised_query(raw, "query")
            else:
                raw = _in_address(scope, self._most)
                release = self._serving.release or self._serving.get()
                normalised = normalised_query(raw, "q")
                tag = tag_of(release, normalised)
                writer, headers = self._cached, ((b"etag", tag),)
                if is_held(scope, tag):
                    await self._hold(send, tag, began)
                    return
            body = release.head_answer(raw, normalised)
            known = body is not None
            if body is None:
                body = await self._serving.miss(release, raw, normalised)
                if headers and is_degraded(body):
                    writer, headers = self._plain, (NO_STORE,)
        except Exception as error:
            await self._fail(scope, send, error, began)
            return
        if not writer.write(send, body, *headers):
            await writer.send(send, body, *headers)
        if self._seen is None:
            return
        if known:
            self._seen.head(began, body)
        else:
            self._seen.miss(began, body)

    async def _hold(self, send: Send, tag: bytes, began: int) -> None:
        """Tell a client that the answer it has still holds."""
        await send_unchanged(send, self._control, (b"etag", tag))
        if self._seen is not None:
            self._seen.request("understand", 304, began)

    async def _fail(self, scope: Scope, send: Send, error: Exception, began: int) -> None:
        if isinstance(error, UnicodeEncodeError):
            error = half_a_pair("query")  # an address has none
        status = await send_failure(scope, send, error)
        if self._seen is not None:
            self._seen.request("understand", status, began)


def _in_address(scope: Scope, most: int) -> str:
    if scope["method"] not in ("GET", "HEAD"):
        raise Problem("method-not-allowed", "Use GET or POST.", allow="GET, HEAD, POST")
    return query_parameter(scope["query_string"], most)


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
        turns = Turns()
        for i, raw in enumerate(queries):
            await turns.before(raw)
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
