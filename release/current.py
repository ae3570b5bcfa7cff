"""Which release of a shop is served: the links ``current`` and ``previous`` beside the release folders."""

from __future__ import annotations

import os
from pathlib import Path

from domain.errors import ReleaseError
from domain.files import sync_folder
from release.lock import changing
from release.manifest import MANIFEST, check_files, read_manifest
from release.opening import verify_release

__all__ = [
    "current_release",
    "list_releases",
    "move",
    "point_to",
    "previous_release",
    "rollback",
    "whole_release",
]

_CURRENT, _PREVIOUS = "current", "previous"


def list_releases(releases: Path) -> list[str]:
    """Return the ids of the releases in a folder, in order of date; unfinished ones are not there."""
    if not releases.is_dir():
        return []
    return sorted(
        path.name
        for path in releases.iterdir()
        if not path.name.startswith(".") and not path.is_symlink() and (path / MANIFEST).is_file()
    )


def current_release(releases: Path) -> str | None:
    """Return the id of the release that is served, or None."""
    return _target(releases / _CURRENT)


def previous_release(releases: Path) -> str | None:
    """Return the id of the release that was served before, or None."""
    return _target(releases / _PREVIOUS)


def point_to(releases: Path, release_id: str) -> None:
    """Verify a release and make it the current one, whatever its verdict.

    The link moves in one step: at every moment it leads to a whole release.

    Raises:
        ReleaseError: as `whole_release`; nothing has moved then.
    """
    whole_release(releases, release_id)
    with changing(releases):
        move(releases, release_id)


def rollback(releases: Path, *, every_answer: bool = True) -> str:
    """Make the previous release the current one again, and return its id; a second call undoes the first.

    No verdict is asked for: the previous release was served before.

    Args:
        releases: The folder of releases.
        every_answer: Whether each answer is parsed and looked up, which takes seconds a hundred thousand; else the
            digests are compared, as a service does that opens it.

    Raises:
        ReleaseError: where there is none, or it does not verify; nothing has moved then.
    """
    previous = previous_release(releases)
    if previous is None or previous == current_release(releases):
        raise ReleaseError("there is no earlier release to go back to", hint="promote one by its id")
    if every_answer:
        whole_release(releases, previous)
    else:
        check_files(releases / previous, read_manifest(releases / previous), digests=True)
    with changing(releases):
        move(releases, previous)
    return previous


def whole_release(releases: Path, release_id: str) -> Path:
    """Verify a release by its id and return its folder.

    Raises:
        ReleaseError: where there is no such release, or it does not verify.
    """
    if release_id not in list_releases(releases):
        raise ReleaseError(f"there is no release {release_id!r}", hint="see querywise release list")
    manifest = verify_release(releases / release_id)
    if manifest.release != release_id:
        raise ReleaseError(f"the folder {release_id} holds release {manifest.release}", hint="rename it back")
    return releases / release_id


def move(releases: Path, release_id: str) -> None:
    """Move the links for who holds the lock; what was current becomes the previous one first.

    A process that is killed between the two leaves both at what was current, and the next time sets it right.
    """
    before = current_release(releases)
    if before == release_id:
        return
    if before is not None:
        _point(releases / _PREVIOUS, before)
    _point(releases / _CURRENT, release_id)


def _target(link: Path) -> str | None:
    return os.readlink(link) if link.is_symlink() else None


def _point(link: Path, release_id: str) -> None:
    """Replace a link by renaming a new one over it; relative, so that the folder of releases can be moved."""
    fresh = link.with_name(f".{link.name}.tmp")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(release_id)
    fresh.replace(link)
    sync_folder(link.parent)
