"""Follows a link such as ``current``: what it leads to is opened beside what is served, and then takes its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from domain.errors import QuerywiseError, ReleaseError
from release import Release
from release.manifest import MANIFEST
from service.following.note import Note
from service.following.opening import Opener, Place, place_of
from service.serving import Serving

__all__ = ["CURRENT", "Followed", "Following", "Outcome", "Refused", "Source", "link_in"]

CURRENT: Final = "current"

Outcome = Literal["loaded", "refused"]
"""How a look ended that found something new."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A release that was found and is not served; ``release`` is null where the link leads to none."""

    release: str | None
    reason: str
    at: datetime


class Source(Protocol):
    """Brings releases from elsewhere."""

    def fetch(self, keep: Collection[str], *, again: bool = False) -> bool:
        """Let the link lead to what is current there, once that is here and whole; releases to keep stay.

        Args:
            keep: Ids of releases.
            again: Whether to fetch once more what was refused, and to wait for another worker that fetches.

        Returns:
            Whether it was done; not where another worker is at it.

        Raises:
            ReleaseError: where it cannot be had.
        """

    def stop(self) -> None:
        """Break off what is being fetched. From any thread."""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A link to a release, and how it is followed.

    Attributes:
        link: It, by an absolute path.
        seconds: Between two looks.
        source: What is looked at before it, where releases come from elsewhere.
    """

    link: Path
    seconds: float = 1.0
    source: Source | None = None


def link_in(path: Path) -> Path | None:
    """Return the link to follow: the path itself, or ``current`` in a folder of releases; None in a release."""
    if path.is_symlink():
        return path.absolute()
    link = path / CURRENT
    return link.absolute() if link.is_symlink() and not (path / MANIFEST).exists() else None


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """What a look found; ``turn`` is another one once another worker could open it."""

    place: Place
    turn: int


class Following:
    """Keeps a service on the release that a link leads to.

    What cannot be opened is refused and the release before serves on. It is not tried again until the link leads
    elsewhere or a file of the folder changes.

    Args:
        serving: Where it is served.
        followed: What is followed.
        opener: Opens what it leads to.

    Attributes:
        outcomes: How often a look found a release and each `Outcome` came of it, since the process started.
        refused: What would be served if it could be, or None.
        in_vain: Told of a start that failed although another worker serves what this one cannot open.
    """

    def __init__(self, serving: Serving, followed: Followed, *, opener: Opener) -> None:
        self.link = followed.link
        self.outcomes: dict[str, int] = {"loaded": 0, "refused": 0}
        self.refused: Refused | None = None
        self.in_vain: Callable[[ReleaseError], None] = lambda _: None
        self._serving = serving
        self._opener = opener
        self._seconds = followed.seconds
        self._source = followed.source
        self._served: Place | None = None
        self._tried: _Tried | None = None
        self._turn = asyncio.Lock()
        # Not in the event loop: a file system that hangs must not hold up answers.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="releases")
        self._watch: asyncio.Task[None] | None = None

    @property
    def comes_from_elsewhere(self) -> bool:
        """Whether the link is moved by what is current elsewhere."""
        return self._source is not None

    async def start(self) -> None:
        """Open the first release and keep looking.

        A worker that starts while the link leads to a release that was refused opens the one that the others serve.

        Raises:
            ReleaseError: where there is neither.
        """
        # Where something is accepted, the store was asked a moment ago: one that hangs must not hold up the start.
        await self._look(again=False, ask=self._opener.accepted is None)
        if self._serving.release is None:
            accepted = self._opener.accepted
            if accepted is None:
                raise ReleaseError(self.refused.reason if self.refused else f"{self.link} leads to no release")
            try:
                self._serve(await self._in_thread(accepted), accepted)
            except ReleaseError as error:
                self.in_vain(error)
                raise
        self._watch = asyncio.create_task(self._keep_looking())

    async def look(self, *, again: bool = False) -> None:
        """Look at the link now, and serve what it leads to or know why not; looks take turns.

        Args:
            again: Whether to try once more what was refused, because the reason may have passed.
        """
        await self._look(again=again, ask=True)

    async def _look(self, *, again: bool, ask: bool) -> None:
        async with self._turn:
            loop = asyncio.get_running_loop()
            try:
                asked = not ask or await loop.run_in_executor(self._thread, self._ask, again)
                found = await loop.run_in_executor(self._thread, self._find, again)
            except QuerywiseError as error:
                self._tried = None
                if self.refused is None or self.refused.reason != str(error):
                    self._refuse(None, error)
                return
            if found.place == self._served:
                self._tried = None
                if asked:
                    self._say_refused(None)
            elif found != self._tried or again:
                self._tried = found
                await self._try(found.place)

    async def stop(self) -> None:
        """Look no more; a release that is being opened is closed again."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._source is not None:
            self._source.stop()
        async with self._turn:
            self._thread.shutdown(wait=True)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self.look()
            except Exception as error:
                # Whatever it is, the release that is served is none the worse.
                _log.error("the look at %s failed: %s", self.link, type(error).__name__)

    def _ask(self, again: bool) -> bool:
        """Return whether the store was asked, if there is one; what another worker finds there is not known here."""
        if self._source is None:
            return True
        accepted = self._opener.accepted
        return self._source.fetch(() if accepted is None else (accepted.folder.name,), again=again)

    def _find(self, again: bool) -> _Tried:
        place = place_of(self.link)
        if again:
            self._opener.forget()
        return _Tried(place=place, turn=self._opener.turn_of(place))

    async def _try(self, place: Place) -> None:
        try:
            release = await self._in_thread(place)
        except QuerywiseError as error:
            self._refuse(place, error)
        except Exception as error:
            _log.error("%s cannot be opened: %s", place.folder.name, type(error).__name__)
            self._refuse(place, ReleaseError(f"{place.folder.name} cannot be opened: {type(error).__name__}"))
        else:
            self._serve(release, place)
            self._say_refused(None)

    async def _in_thread(self, place: Place) -> Release:
        opening = self._thread.submit(self._opener.open, place)
        try:
            return await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    def _serve(self, release: Release, place: Place) -> None:
        before = self._serving.release
        self._served = place
        self.outcomes["loaded"] += 1
        self._serving.swap(release)
        _log.info("release %s is served, before it %s", release.id, before.id if before else "none")

    def _refuse(self, place: Place | None, error: QuerywiseError) -> None:
        name = place.folder.name if place else None
        self.outcomes["refused"] += 1
        serving = self._serving.release
        served = f"{serving.id} serves on" if serving else "nothing is served"
        _log.error("release %s is refused, %s: %s", name or "unknown", served, error)
        self._say_refused(Refused(release=name, reason=str(error), at=datetime.now(UTC)))

    def _say_refused(self, refused: Refused | None) -> None:
        self.refused = refused
        if self._serving.slot is not None:
            note = None if refused is None else Note(release=refused.release or "", reason=refused.reason)
            self._serving.slot.note = "" if note is None else note.text


def _close_opened(opening: Future[Release]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
