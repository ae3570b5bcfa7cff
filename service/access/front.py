"""What a request passes before the service looks at it: other origins, keys and rates; where none is set, nothing."""

from __future__ import annotations

import re
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.errors import UserError
from service.access.access import Access
from service.access.keys import read_keys
from service.options import check_together
from service.reply import send_failure
from service.settings import Settings

__all__ = ["check_front", "front_of", "origins_of", "refusing"]

_REFUSED: Final = "querywise.refused"
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")
_PREFLIGHT_SECONDS: Final = 600


class _Admitting:
    def __init__(self, app: ASGIApp, refused: ASGIApp, access: Access) -> None:
        self._app = app
        self._refused = refused
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            problem = self._access.admit(scope)
            if problem is not None:
                scope[_REFUSED] = problem
                await self._refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that was turned away; an application of its own, so that it is counted as all others are."""
    await send_failure(scope, send, scope[_REFUSED])


def front_of(app: ASGIApp, refused: ASGIApp, access: Access, settings: Settings) -> ASGIApp | None:
    """Return what stands before an application, or None where nothing does.

    Other origins come first: a browser asks for leave without a key, and must be able to read why it was turned away.

    Raises:
        UserError: as `origins_of`.
    """
    front: ASGIApp | None = _Admitting(app, refused, access) if access.on_every_request else None
    origins = origins_of(settings.cors_origin)
    if not origins:
        return front
    return CORSMiddleware(
        front or app,
        allow_origins=origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type", "X-Client-Id", "X-Request-Id"),
        expose_headers=("Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"),
        max_age=_PREFLIGHT_SECONDS,
    )


def check_front(settings: Settings) -> None:
    """Look at the settings, and at all that `front_of` will use, where there is still somebody to tell.

    Raises:
        UserError: the keys cannot be read, what should be an origin is none, or a setting does nothing without another.
    """
    check_together(settings)
    origins_of(settings.cors_origin)
    if settings.keys is not None:
        read_keys(settings.keys)


def origins_of(setting: str | None) -> list[str]:
    """Return the origins that a setting names, with commas between them.

    Raises:
        UserError: one of them is no origin.
    """
    origins = [origin.strip().rstrip("/").lower() for origin in (setting or "").split(",") if origin.strip()]
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise UserError(f"{origin} is no origin", hint="an origin is https://shop.example, without a path; or *")
    return origins
