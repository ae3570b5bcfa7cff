"""Where the releases of a service come from, by what was named at its start: a release, a link, a folder, a URL."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Final

from domain.errors import ReleaseError
from release.elsewhere import is_url
from release.remote import Mirror
from service.following.following import CURRENT, Followed, link_in
from service.settings import Settings

__all__ = ["first_fetch", "followed", "source_of"]

_log = logging.getLogger(__name__)

_SECONDS: Final = 1.0
_SECONDS_ELSEWHERE: Final = 10.0


def source_of(named: str, settings: Settings) -> Path | Followed:
    """Return the folder of a release, or the link to follow.

    Args:
        named: A release, a link to one, a folder of releases with ``current`` in it, or the URL of such a folder.
        settings: Whether and how it is followed.

    Raises:
        ReleaseError: where a link leads to no release and is not followed.
        UserError: as `release.remote.Mirror`.
    """
    link = named if is_url(named) else link_in(Path(named))
    if link is None:
        return Path(named).resolve()
    found = followed(str(link), settings)
    if settings.follow:
        return found
    first_fetch(found)
    try:
        return found.link.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise ReleaseError(f"{link} leads to no release", hint="promote one") from error


def followed(link: str, settings: Settings) -> Followed:
    """Return how a link, or the ``current`` of a folder by its URL, is followed; whether it is there or not.

    Raises:
        UserError: as `release.remote.Mirror`.
    """
    if not is_url(link):
        return Followed(link=Path(link), seconds=settings.follow_seconds or _SECONDS)
    folder = (settings.release_cache or _cache_of(link)).absolute()
    source = Mirror(link, folder, most_bytes=int(settings.release_cache_gb * 1e9))
    return Followed(link=folder / CURRENT, seconds=settings.follow_seconds or _SECONDS_ELSEWHERE, source=source)


def first_fetch(found: Followed) -> None:
    """Bring what is current elsewhere, if it comes from there; where that fails, what was fetched before has to do.

    Raises:
        ReleaseError: where nothing was.
    """
    if found.source is None:
        return
    try:
        found.source.fetch(())
    except ReleaseError as error:
        if not found.link.exists():
            raise
        _log.error("%s, and what was fetched before is served", error)


def _cache_of(url: str) -> Path:
    """Return a folder that no other URL has."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "querywise" / "releases" / hashlib.sha256(url.encode()).hexdigest()[:16]
