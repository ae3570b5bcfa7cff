"""Makes a release the current one, if its gate lets it through."""

from __future__ import annotations

import dataclasses
import getpass
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from domain.errors import GateClosed, ReleaseError, UserError
from release.current import current_release, move, whole_release
from release.gate import GateRecord, Override
from release.lock import changing
from release.manifest import Manifest, read_manifest
from release.signature import verify_gate, write_gate

__all__ = ["promote"]

_OR_OVERRIDE = '--override "reason" promotes it all the same'


def promote(releases: Path, release: str, *, key: bytes, override: str | None = None, by: str | None = None) -> None:
    """Verify a release and its verdict, and make it the current one.

    A release whose verdict is a PASS signed with this key goes through, if what is served is what it was compared
    with: better than an old release may be worse than its successor. Any other needs an override, which is signed into
    its manifest before the link moves, each time that it is promoted. Where there was no verdict, or one that this key
    did not sign, the override stands with INCONCLUSIVE and no look: what was found is not vouched for.

    Args:
        releases: The folder of releases.
        release: The id of one.
        key: What `release.gate_key` gives.
        override: Why to promote it whatever its verdict; of no effect, and not written down, with a PASS.
        by: Who overrides; the account of this process unless given.

    Raises:
        GateClosed: where the verdict is no PASS and there is no override; nothing has changed then.
        ReleaseError: where there is no such release, or it does not verify; nothing has changed then.
        UserError: where the override's reason says nothing or cannot be shown.
    """
    decision = None if override is None else _decision(override, by)
    folder = whole_release(releases, release)
    with changing(releases):
        manifest = read_manifest(folder)
        try:
            _require_pass(manifest, key, served=current_release(releases))
        except GateClosed:
            if decision is None:
                raise
            write_gate(folder, manifest, _overridden(manifest, key, decision), key)
        move(releases, release)


def _decision(reason: str, by: str | None) -> Override:
    try:
        return Override(reason=reason.strip(), by=_account() if by is None else by, at=datetime.now(UTC))
    except ValueError as error:
        raise UserError(str(error), hint='say why in one line, as in --override "outage of the search page"') from None


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"  # as in a container whose user has no name


def _require_pass(manifest: Manifest, key: bytes, *, served: str | None) -> None:
    release = manifest.release
    if manifest.gate is None or not manifest.gate.look:
        raise GateClosed(f"{release} has no verdict", hint=f"evaluate it first; {_OR_OVERRIDE}")
    try:
        record = verify_gate(manifest, key)
    except ReleaseError as error:
        raise GateClosed(str(error), hint=f"{error.hint}; {_OR_OVERRIDE}") from error
    if record.verdict == "FAIL":
        raise GateClosed(
            f"{release} failed its gate{_names(record.failed)}",
            hint=f"mend what failed, then build and evaluate again; {_OR_OVERRIDE}",
        )
    if record.verdict == "INCONCLUSIVE":
        raise GateClosed(
            f"the gate could not decide on {release}{_names(record.inconclusive)}",
            hint=f"evaluate it on more queries; {_OR_OVERRIDE}",
        )
    if served not in (None, release, record.base):
        raise GateClosed(
            f"{release} was compared with {record.base or 'nothing'}, and {served} is served now",
            hint=f"evaluate it again; {_OR_OVERRIDE}",
        )


def _names(checks: tuple[str, ...]) -> str:
    return f": {', '.join(checks)}" if checks else ""


def _overridden(manifest: Manifest, key: bytes, decision: Override) -> GateRecord:
    if manifest.gate is not None:
        with suppress(ReleaseError):
            return dataclasses.replace(verify_gate(manifest, key), override=decision)
    return GateRecord(
        verdict="INCONCLUSIVE",
        decided=decision.at,
        gates="",
        report="",
        look=0,
        failed=(),
        inconclusive=("evaluation" if manifest.gate is None else "signature",),
        override=decision,
    )
