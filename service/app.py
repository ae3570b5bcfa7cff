"""The service: FastAPI over one loaded release."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
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
from service.cards import card_route
from service.discover import Discover
from service.embed import Embed
from service.openapi import describe
from service.pages import page_routes
from service.problems import Problem, from_status, problem_response
from service.review import Review, review_routes
from service.serving import Serving
from service.settings import Settings
from service.suggest import Suggest
from service.understand import UnderstandBatch, UnderstandOne

__all__ = ["Service", "create_app"]


class Service(FastAPI):
    """FastAPI with a short cut: what a page of results waits for goes straight to its ASGI application.

    The same applications are also ordinary routes, so that they work where this service is mounted under a prefix.
    Middleware that is added to the service does not see the short cut.
    """

    def __init__(self, serving: Serving, settings: Settings, **options: Any) -> None:
        super().__init__(**options)
        self.serving = serving
        self._direct: dict[str, ASGIApp] = {
            "/v1/understand": UnderstandOne(serving, settings),
            "/v1/discover": Discover(serving, settings),
            "/v1/suggest": Suggest(serving, settings),
        }
        self.router.routes += [
            *(Route(path, app) for path, app in self._direct.items()),
            Route("/v1/understand/batch", UnderstandBatch(serving, settings)),
            Route("/v1/embed", Embed(serving, settings)),
            card_route(serving),
            *page_routes(),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        direct = self._direct.get(scope["path"]) if scope["type"] == "http" else None
        if direct is not None:
            await direct(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, the hand-validated routes included."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(super().openapi())
        return self.openapi_schema


def create_app(
    source: Release | Path | None,
    *,
    settings: Settings | None = None,
    load_retriever: LoadRetriever | None = None,
    verify: bool = True,
    review: Review | None = None,
) -> Service:
    """Make the service.

    Args:
        source: An open release, which stays the caller's to close; or the folder of one, opened when the service
            starts and closed when it stops; or None, and then ``app.serving.release`` may be set later.
        settings: Limits on requests, and how the student works; an open release keeps the provider it has.
        load_retriever: As `release.open_release` takes it, for a folder.
        verify: As `release.open_release` takes it, for a folder.
        review: A review under way, whose page is then at ``/review``; without one there are no such routes.
    """
    settings = settings or Settings()
    serving = Serving(source if isinstance(source, Release) else None, settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with ExitStack() as stack:
            if isinstance(source, Path):
                serving.release = stack.enter_context(
                    open_release(source, load_retriever=load_retriever, verify=verify, provider=settings.provider)
                )
            stack.callback(serving.close)
            yield

    app = Service(
        serving,
        settings,
        title="Querywise",
        summary="What shoppers of one shop mean by their queries.",
        version=_version(),
        lifespan=lifespan,
        docs_url=None,  # those pages load scripts from elsewhere; ours is in service.pages
        redoc_url=None,
        redirect_slashes=False,
        # Traces and error logs of the framework would carry query strings to wherever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        openapi_tags=[{"name": "understand"}, {"name": "discover"}, {"name": "embed"}, {"name": "operations"}],
    )
    _add_operations(app, serving)
    _add_problems(app)
    if review is not None:
        app.router.routes += review_routes(review)
    return app


def _version() -> str:
    try:
        return importlib.metadata.version("querywise")
    except importlib.metadata.PackageNotFoundError:
        return "0"  # run from a checkout that was never installed


def _add_operations(app: FastAPI, serving: Serving) -> None:
    @app.get("/v1/release", tags=["operations"], summary="What is being served", operation_id="release")
    async def release() -> ReleaseInfo:
        return about(serving.get())

    @app.head("/healthz", include_in_schema=False)
    @app.get("/healthz", tags=["operations"], summary="The process answers", operation_id="healthz")
    async def healthz() -> Status:
        return Status(status="ok")

    @app.head("/readyz", include_in_schema=False)
    @app.get("/readyz", tags=["operations"], summary="A release is loaded", operation_id="readyz")
    async def readyz() -> Status:
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
