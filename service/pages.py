"""The playground and the API reference: static files of this package, with no script or style from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from service.caching import is_held

__all__ = ["page_route", "page_routes"]

_FOLDER = Path(__file__).parent / "static"
_PAGES = {"/": "playground.html", "/docs": "docs.html", "/favicon.ico": "favicon.svg"}
_PARTS = (
    "base.css",
    "docs.css",
    "docs.js",
    "playground.address.js",
    "playground.answer.css",
    "playground.answer.js",
    "playground.calls.js",
    "playground.compare.js",
    "playground.css",
    "playground.discover.css",
    "playground.discover.js",
    "playground.js",
    "playground.parts.js",
    "playground.raw.css",
    "playground.raw.js",
    "playground.recent.js",
    "playground.release.js",
    "playground.tabs.js",
    "playground.trouble.js",
    "playground.why.css",
    "playground.why.js",
    "playground.words.js",
)
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def page_routes() -> list[BaseRoute]:
    """Return the routes of all pages; their files are read once, now."""
    addresses = _PAGES | {f"/static/{name}": name for name in _PARTS}
    return [page_route(address, name) for address, name in addresses.items()]


def page_route(address: str, name: str) -> BaseRoute:
    """Return the route of one file of this package's ``static``, read now."""
    return Route(address, _page(_FOLDER / name))


def _page(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content = path.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    headers = _HEADERS | {"etag": etag}

    async def page(request: Request) -> Response:
        if is_held(request.scope, etag.encode()):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=_TYPES[path.suffix], headers=headers)

    return page
