"""The service: FastAPI over one loaded release."""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from release import LoadRetriever, Release, open_release
from service.about import ReleaseInfo, Status, about
from service.access.access import Access
from service.access.front import front_of, refusing
from service.cards import card_route
from service.connections.drain import draining
from service.connections.limits import ConnectionLimits
from service.discover import Discover
from service.embed import Embed
from service.explain import Explain
from service.following.admin import add_admin_routes, add_differences_route
from service.following.following import Followed, Following
from service.following.opening import Opener
from service.openapi import describe
from service.pages import page_routes
from service.problems import Problem, from_status, problem_response
from service.reply import send_failure, sniffing_off
from service.review import Review, review_routes
from service.seen.further import shadow_metrics, tally_of
from service.seen.instruments import Instruments, board_from_environment
from service.serving import Serving
from service.settings import Settings
from service.split.split import Other, open_other
from service.suggest import Suggest
from service.understand import UnderstandBatch, UnderstandOne

__all__ = ["Service", "create_app"]

_log = logging.getLogger(__name__)


class Service(FastAPI):
    """FastAPI with a short cut: what a page of results waits for goes straight to its ASGI application.

    The same applications are also ordinary routes, so that they work where this service is mounted under a prefix.
    Middleware that is added to the service does not see the short cut.
    """

    def __init__(
        self, serving: Serving, settings: Settings, instruments: Instruments, other: Other | None = None, **options: Any
    ) -> None:
        super().__init__(**options)

        def by(make: Callable[[Serving], ASGIApp], *, understands: bool = False) -> ASGIApp:
            return make(serving) if other is None else other.beside(make, understands=understands)

        self.serving = serving
        self.following: Following | None = None
        self.other = other
        self.instruments = instruments
        seen = instruments.seen
        direct: dict[str, ASGIApp] = {
            "/v1/discover": by(lambda asked: Discover(asked, settings)),
            "/v1/suggest": by(lambda asked: Suggest(asked, settings)),
        }
        self._direct = {path: instruments.around(app) for path, app in direct.items()}
        self._direct["/v1/understand"] = instruments.around_counting(
            by(lambda asked: UnderstandOne(asked, settings, seen), understands=True)
        )
        self._others = instruments.around(self._other)
        self._settings = settings
        self.access = Access(settings)
        self.limits = ConnectionLimits(settings)
        self._front = front_of(self._behind, instruments.around(refusing), self.access, settings)
        self.router.routes += [
            # Reached only under a prefix, and counted then as all else that is.
            Route("/v1/understand", by(lambda asked: UnderstandOne(asked, settings), understands=True)),
            *(Route(path, app) for path, app in direct.items()),
            Route("/v1/understand/batch", by(lambda asked: UnderstandBatch(asked, settings, seen), understands=True)),
            Route("/v1/embed", Embed(serving, settings)),
            Route("/v1/explain", Explain(serving, settings)),
            card_route(serving),
            *instruments.routes(),
            *page_routes(),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if self._front is not None:
            app = self._front
        else:  # as _behind does, without a call that would be felt
            app = self._direct.get(scope["path"], self._others) if scope["type"] == "http" else self._others
        await app(scope, receive, send)

    async def _behind(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._direct.get(scope["path"], self._others) if scope["type"] == "http" else self._others
        await app(scope, receive, send)

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        problem = self.access.shut(scope)
        if problem is not None:
            await send_failure(scope, send, problem)
            return
        try:
            await super().__call__(scope, receive, sniffing_off(send))
        except Exception as error:
            # It has been answered. What the server would log of it may quote the query.
            _log.error("a request failed: %s", type(error).__name__)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, the hand-validated routes included."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(super().openapi(), self._settings)
        return self.openapi_schema


def create_app(
    source: Release | Path | Followed | None,
    *,
    settings: Settings | None = None,
    load_retriever: LoadRetriever | None = None,
    verify: bool = True,
    review: Review | None = None,
) -> Service:
    """Make the service.

    Args:
        source: An open release, which stays the caller's to close; or the folder of one, opened when the service
            starts and closed when it stops; or a link, which is followed until it stops; or None, and then
            ``app.serving.release`` may be set later.
        settings: Limits on requests, and how the student works; an open release keeps the provider it has.
        load_retriever: As `release.open_release` takes it, for a folder.
        verify: As `release.open_release` takes it, for a folder.
        review: A review under way, whose page is then at ``/review``; without one there are no such routes.
    """
    settings = settings or Settings()
    serving = Serving(source if isinstance(source, Release) else None, settings)
    board = board_from_environment()
    instruments = Instruments(serving, settings, board=board)
    following = None
    if isinstance(source, Followed):
        opener = Opener(provider=settings.provider, load_retriever=load_retriever, shared=board)
        following = Following(serving, source, opener=opener)
        loads = following.outcomes
        instruments.tallies.append(lambda: {"reload_ok": loads["loaded"], "reload_refused": loads["refused"]})

    beside = source.link.parent if isinstance(source, Followed) else source.parent if isinstance(source, Path) else None
    second = open_other(settings, beside=beside, shop=None, load_retriever=load_retriever, verify=verify)
    other = None if second is None else Other(second, settings, serving, board)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(serving.close)
            if other is not None:
                stack.callback(other.close)
            if isinstance(source, Path):
                serving.swap(
                    open_release(source, load_retriever=load_retriever, verify=verify, provider=settings.provider)
                )
            elif following is not None:
                stack.push_async_callback(following.stop)
                await following.start()
            stack.enter_context(instruments.running(asyncio.get_running_loop()))
            stack.enter_context(draining(settings.drain_seconds, app.limits.close))
            yield

    app = Service(
        serving,
        settings,
        instruments,
        other,
        title="Querywise",
        summary="What shoppers of one shop mean by their queries.",
        version=_version(),
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere; ours is in service.pages
        redoc_url=None,
        redirect_slashes=False,
        # Traces and error logs of the framework would carry query strings to wherever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        openapi_tags=[{"name": name} for name in ("understand", "discover", "embed", "operations", "admin")],
    )
    app.following = following
    instruments.tallies += [lambda: tally_of(app.limits.outcomes), lambda: tally_of(app.access.outcomes)]
    _add_operations(app, serving)
    add_admin_routes(app, serving, following, board)
    if other is not None:
        add_differences_route(app, other)
        if (shadow := other.shadow) is not None:
            instruments.further.append(lambda: shadow_metrics(shadow.found()))
    _add_problems(app)
    if review is not None:
        app.router.routes += review_routes(review)
    return app


def _version() -> str:
    try:
        return importlib.metadata.version("querywise")
    except importlib.metadata.PackageNotFoundError:
        return "0"  # run from a checkout that was never installed


def _add_operations(app: Service, serving: Serving) -> None:
    @app.get("/v1/release", tags=["operations"], summary="What is being served", operation_id="release")
    async def release() -> ReleaseInfo:
        return about(serving.get(), app.following, app.other)

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", tags=["operations"], summary="The process answers", operation_id="healthz")
    async def healthz() -> Status:
        return Status(status="ok")

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", tags=["operations"], summary="A release is loaded", operation_id="readyz")
    async def readyz() -> Status:
        if app.limits.is_closing:
            raise Problem("not-ready", "The service is stopping.")
        serving.get()
        return Status(status="ready")


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def refuse(_: Request, error: Problem) -> Response:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def refuse_status(_: Request, error: HTTPException) -> Response:
        allow = (error.headers or {}).get("Allow")
        return problem_response(from_status(error.status_code, error.detail, allow=allow))

    @app.exception_handler(RequestValidationError)
    async def refuse_invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return problem_response(Problem("invalid-field", str(first["msg"]), field=".".join(map(str, first["loc"]))))

    @app.exception_handler(Exception)
    async def fail(_: Request, error: Exception) -> Response:
        return problem_response(Problem("internal-error", "The request could not be answered."))
