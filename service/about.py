"""What ``/v1/release`` tells of the release being served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from release import GateRecord, GateVerdict, Override, Release
from service.following.following import Following, Refused
from service.split.split import Other, OtherInfo

__all__ = ["Gate", "Lineage", "ReleaseInfo", "Status", "about"]


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """Where the answers come from."""

    content: str
    fingerprints: dict[str, str]
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What was decided on a release, as its manifest says.

    ``look`` counts its evaluations; with 0 there was none, and the release is served by its ``override``. The service
    has no key: promoting is what checks the signature.
    """

    verdict: GateVerdict
    decided: datetime
    base: str | None
    look: int
    failed: tuple[str, ...]
    inconclusive: tuple[str, ...]
    override: Override | None


@dataclass(frozen=True, kw_only=True)
class ReleaseInfo:
    """The release being served.

    ``provider`` is the execution provider of its model and ``gate`` the verdict of its evaluation: both are null for a
    release that has no model, or was not evaluated. ``examples`` are queries of the shop worth trying. ``follows`` says
    whether the service moves to the next release by itself, and ``refused`` which one it would not move to and why.
    ``other`` is a second release that gets a share of the requests.
    """

    release: str
    shop: str
    created: datetime
    provider: str | None
    gate: Gate | None
    lineage: Lineage
    examples: tuple[str, ...]
    follows: bool
    refused: Refused | None
    other: OtherInfo | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The state of the process."""

    status: str


def about(release: Release, following: Following | None, other: Other | None = None) -> ReleaseInfo:
    """Describe a release, what keeps the service on it, and the release beside it."""
    manifest = release.manifest
    return ReleaseInfo(
        release=release.id,
        shop=manifest.shop,
        created=manifest.created,
        provider=release.provider,
        gate=None if manifest.gate is None else _gate(manifest.gate),
        lineage=Lineage(
            content=manifest.content,
            fingerprints=manifest.fingerprints,
            prompts=manifest.prompts,
            models=manifest.models,
            counts=manifest.counts,
        ),
        examples=manifest.examples,
        follows=following is not None,
        refused=None if following is None else following.refused,
        other=None if other is None else other.about,
    )


def _gate(record: GateRecord) -> Gate:
    return Gate(
        verdict=record.verdict,
        decided=record.decided,
        base=record.base,
        look=record.look,
        failed=record.failed,
        inconclusive=record.inconclusive,
        override=record.override,
    )
