"""``/v1/admin``: what an operator does to a running service; it is guarded before it comes here."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request

from domain.errors import QuerywiseError
from release import rollback
from service.following.following import CURRENT, Following
from service.following.note import Note
from service.problems import Problem
from service.seen.board import Board, Slab
from service.serving import Serving
from service.split.shadow import Differences
from service.split.split import Other
from service.wire import json_fields

__all__ = ["Reloaded", "Worker", "add_admin_routes", "add_differences_route"]

_SECONDS: Final = 30.0
"""That other workers have to follow."""

_BETWEEN: Final = 0.02
_MOST_BODY: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A worker process: the release it serves, and why it serves no other, where it was asked to and could not."""

    release: str
    refused: str | None


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """What is served now.

    ``previous`` is what was served before the request, the same where nothing changed. ``workers`` has all of them by
    process id: one that does not have ``release`` yet had no time, or says why not.
    """

    release: str
    previous: str
    workers: dict[str, Worker]


def add_admin_routes(
    app: FastAPI, serving: Serving, following: Following | None, board: Path | None, *, seconds: float = _SECONDS
) -> None:
    """Add the routes that move a service to another release.

    Args:
        app: Where they are added.
        serving: What is served.
        following: How the next release comes, or None where it does not.
        board: Where the workers tell what they serve; None where there is only this one.
        seconds: Within which the other workers should follow.
    """

    @app.post("/v1/admin/reload", tags=["admin"], summary="Serve what is current, now", operation_id="reload")
    async def reload(request: Request) -> Reloaded:
        await _check_empty(request)
        return await _move(serving, _followed(following), board, seconds)

    @app.post("/v1/admin/rollback", tags=["admin"], summary="Go back to the release before", operation_id="rollback")
    async def roll_back(request: Request) -> Reloaded:
        await _check_empty(request)
        followed = _followed(following)
        if followed.comes_from_elsewhere or followed.link.name != CURRENT:
            raise Problem("fixed-release", "The link is not kept here: roll back where it is, and push or reload.")
        try:
            await asyncio.to_thread(rollback, followed.link.parent, every_answer=False)
        except QuerywiseError as error:
            raise Problem("release-refused", str(error)) from error
        except OSError as error:
            raise Problem("release-refused", f"The link cannot be moved: {error.strerror}.") from error
        return await _move(serving, followed, board, seconds)


def add_differences_route(app: FastAPI, other: Other) -> None:
    """Add the route that tells what a second release says otherwise."""

    @app.get("/v1/admin/differences", tags=["admin"], summary="What the other release says", operation_id="differences")
    async def differences() -> Differences:
        if other.shadow is None:
            raise Problem("not-found", "The second release is not in shadow: serve with --shadow.")
        return await asyncio.to_thread(other.shadow.found)


def _followed(following: Following | None) -> Following:
    if following is None:
        raise Problem("fixed-release", "This service follows no link: it serves one release until it stops.")
    return following


async def _check_empty(request: Request) -> None:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BODY:
            raise Problem("body-too-large", f"The body may have {_MOST_BODY:,} bytes.", field="body")
    if body:
        json_fields(body, ())


async def _move(serving: Serving, following: Following, board: Path | None, seconds: float) -> Reloaded:
    """Look at what is current, and wait until all workers have."""
    began, before = time.monotonic(), serving.get().id
    await following.look(again=True)
    if following.refused is not None:
        raise Problem("release-refused", following.refused.reason)
    release = serving.get().id
    until = time.monotonic() + seconds
    while True:
        workers = _workers(release, board, began)
        waiting = any(each.release != release and each.refused is None for each in workers.values())
        if not waiting or time.monotonic() > until:
            return Reloaded(release=release, previous=before, workers=workers)
        await asyncio.sleep(_BETWEEN)


def _workers(release: str, board: Path | None, began: float) -> dict[str, Worker]:
    if board is None:
        return {str(os.getpid()): Worker(release=release, refused=None)}
    return {
        str(slab.pid): Worker(release=slab.release, refused=_why_not(slab, release, began))
        for slab in Board(board).slabs()
        if slab.alive
    }


def _why_not(slab: Slab, release: str, began: float) -> str | None:
    """Return why a worker has refused a release since this began: what it refused before, it tries once more."""
    note = Note.read(slab.note)
    if note is None or slab.release == release or note.release != release or note.at < began:
        return None
    return note.reason
