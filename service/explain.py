"""``/v1/explain``: one query as the release has it precomputed, as its student alone says, and why."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter
from starlette.types import Receive, Scope, Send

from domain import Understanding
from domain.errors import ReleaseError
from domain.label import Tier
from domain.understanding import understanding_adapter
from release import Release
from release.steps import Step
from release.why import Evidence, Origin, Why, check_whys, read_why
from service.problems import Problem
from service.reply import send_failure
from service.serving import Serving
from service.settings import Settings
from service.texts import normalised_query
from service.wire import query_parameter

__all__ = ["Explain", "Explained", "Part", "Reasons"]

Served = Literal["head", "student", "fallback"]
PartName = Literal["meaning", "ideas", "next_queries"]

_IDEAS: Final = "discover"
"""How the names of prompts begin that ask for ideas of what else to show."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Where a part of the precomputed answer comes from: ids of prompts, or ``log``.

    ``meaning`` is categories, annotations, rewrites and specificity; ``ideas`` is substitutes and complements.
    """

    part: PartName
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """Why a query is answered as it is.

    ``served`` says who answers ``/v1/understand``. ``origin`` and ``evidence`` are of the precomputed answer: null
    where there is none, or the release keeps no reasons. ``steps`` are those of the student; the last one is what it
    answers, if it is ``answered``.
    """

    served: Served
    tier: Tier | None
    origin: Origin | None
    evidence: Evidence | None
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One query, answered twice: as it is precomputed, and by the student as if it were not; null where nobody does."""

    query: str
    normalized: str
    release: str
    head: Understanding | None
    student: Understanding | None
    why: Reasons


_explained: Final[TypeAdapter[Explained]] = TypeAdapter(Explained)


class Explain:
    """One query: GET with ``q``. It answers with counts of the shop's log, so it can be switched off.

    Whoever asks first of a release waits until its reasons are verified, which opening it does not do.
    """

    def __init__(self, serving: Serving, settings: Settings) -> None:
        self._serving = serving
        self._settings = settings
        self._checked = ""
        self._whole = False
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            if not self._settings.explain:
                raise Problem("not-found", "Explanations are switched off here.")
            if scope["method"] not in ("GET", "HEAD"):
                raise Problem("method-not-allowed", "Use GET.", allow="GET, HEAD")
            raw = query_parameter(scope["query_string"], self._settings.max_body)
            normalised = normalised_query(raw, "q")
            with self._serving.hold() as release:
                whole = await self._are_whole(release)
                [explained] = await self._serving.in_slices(1, lambda _: _explain(release, raw, normalised, whole))
            body = _explained.dump_json(explained)
        except Exception as error:
            await send_failure(scope, send, error)
        else:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            headers.append((b"cache-control", b"no-store"))
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    async def _are_whole(self, release: Release) -> bool:
        """Whether the reasons of a release may be read; a thread finds out, once."""
        async with self._turn:
            if self._checked != release.id:
                self._whole = await asyncio.to_thread(_is_whole, release)
                self._checked = release.id
            return self._whole


def _is_whole(release: Release) -> bool:
    try:
        check_whys(release.folder, release.manifest)
    except ReleaseError as error:
        _log.error("no reasons are told: %s", error)
        return False
    return True


def _explain(release: Release, raw: str, normalised: str, whole: bool) -> Explained:
    value = release.head_answer(raw, normalised)
    head = None if value is None else understanding_adapter.validate_json(value)
    student = release.understand_unseen([raw])[0] if release.has_student and normalised else None
    why = _why(release, normalised) if head is not None and whole else None
    served: Served = "head" if head else "student" if student and student.source == "tail" else "fallback"
    return Explained(
        query=raw,
        normalized=normalised,
        release=release.id,
        head=head,
        student=student,
        why=Reasons(
            served=served,
            tier=why.tier if why else None,
            origin=why.origin if why else None,
            evidence=why.evidence if why else None,
            parts=_parts(release, head, why) if head and why else (),
            steps=release.steps(normalised),
        ),
    )


def _why(release: Release, normalised: str) -> Why | None:
    try:
        return read_why(release.folder, release.taxonomy, normalised)
    except ReleaseError as error:
        # Whoever removed the file while it was served still gets answers.
        _log.error("the reasons of %s cannot be read: %s", release.id, type(error).__name__)
        return None


def _parts(release: Release, head: Understanding, why: Why) -> tuple[Part, ...]:
    prompts = why.origin.prompt.split("+")
    ideas = tuple(prompt for prompt in prompts if prompt.startswith(_IDEAS))
    meaning = tuple(prompt for prompt in prompts if prompt not in ideas)
    evidence = why.evidence or Evidence(searches=0, clients=0, acted_share=0)
    logged = {followed.query for followed in evidence.next_queries + evidence.retyped}
    nexts: tuple[str, ...] = ("log",) if logged.intersection(head.next_queries) else ()
    if _explored(release, head.normalized).intersection(head.next_queries):
        nexts += ideas
    found: tuple[tuple[PartName, tuple[str, ...]], ...] = (
        ("meaning", meaning),
        ("ideas", ideas if head.substitutes or head.complements else ()),
        ("next_queries", nexts),
    )
    return tuple(Part(part=part, sources=sources) for part, sources in found if sources)


def _explored(release: Release, normalised: str) -> set[str]:
    """Return the queries that a model proposed to go on with."""
    content = None if release.contents is None else release.contents.get(normalised)
    return {one.query for one in content.suggestions if one.kind == "exploratory"} if content else set()
