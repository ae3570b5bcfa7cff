"""The review over HTTP: its page, which holds no data, and the calls of that page, which need the key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from service.pages import page_route
from service.problems import Kind, Problem
from service.review.calls import Calls
from service.review.key import check_key
from service.review.review import Answer, PutOff, Review, TakeBack
from service.review.view import About, Agreement, Found, Place, Saved, Sources
from service.wire import ClientGone, read_json_body

__all__ = ["review_routes"]

_MAX_BODY = 64 * 1024
_PAGES = {
    "/review": "review.html",
    "/static/review.css": "review.css",
    "/static/review.js": "review.js",
    "/static/review.calls.js": "review.calls.js",
    "/static/review.draw.js": "review.draw.js",
    "/static/review.find.js": "review.find.js",
}
_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_KINDS: dict[str, Kind] = {
    "json_invalid": "malformed-json",
    "missing": "missing-field",
    "missing_keyword_only_argument": "missing-field",
    "unexpected_keyword_argument": "unknown-field",
}
_ADAPTERS: dict[type, TypeAdapter[Any]] = {
    kind: TypeAdapter(kind) for kind in (Answer, PutOff, TakeBack, About, Agreement, Found, Place, Saved, Sources)
}
_T = TypeVar("_T")


def review_routes(review: Review) -> list[BaseRoute]:
    """Return the routes of a review; the files of its page are read once, now."""
    calls = Calls(review)
    return [
        *(page_route(address, name) for address, name in _PAGES.items()),
        _read("/v1/review", review.key, calls.about),
        _read("/v1/review/step", review.key, calls.step),
        _read("/v1/review/sources", review.key, calls.sources),
        _read("/v1/review/categories", review.key, calls.categories),
        _read("/v1/review/agreement", review.key, calls.agreement),
        _write("/v1/review/decide", review.key, Answer, calls.decide),
        _write("/v1/review/skip", review.key, PutOff, calls.put_off),
        _write("/v1/review/undo", review.key, TakeBack, calls.take_back),
    ]


def _read(path: str, key: str, call: Callable[[Mapping[str, str]], object]) -> BaseRoute:
    async def respond(request: Request) -> object:
        return await run_in_threadpool(call, request.query_params)

    return Route(path, _guarded(key, respond))


def _write(path: str, key: str, kind: type[_T], call: Callable[[_T], object]) -> BaseRoute:
    async def respond(request: Request) -> object:
        sent = _parse(kind, await read_json_body(request.scope, request.receive, _MAX_BODY))
        try:
            # Off the event loop, since it waits for the disk.
            return await run_in_threadpool(call, sent)
        except OSError as error:
            detail = f"The journal cannot be written: {error.strerror or type(error).__name__}."
            raise Problem("internal-error", detail) from error

    return Route(path, _guarded(key, respond), methods=["POST"])


def _guarded(key: str, respond: Callable[[Request], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            check_key(request, key)
            found = await respond(request)
        except ClientGone:
            return Response(status_code=400)
        return Response(_ADAPTERS[type(found)].dump_json(found), media_type="application/json", headers=_HEADERS)

    return guarded


def _parse(kind: type[_T], body: bytes) -> _T:
    try:
        sent: _T = _ADAPTERS[kind].validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"]))[:80] or "body"
        raise Problem(_KINDS.get(first["type"], "invalid-field"), f"{first['msg']}.", field=field) from error
    return sent
