"""Signs verdicts, so that none can be edited, nor moved to another release.

A signature is ``hmac-sha256:<key>:<code>``, all in hexadecimal. The code is the HMAC (RFC 2104) with SHA-256 over the
canonical JSON of the release's id, its content hash and the record without its signature. ``<key>`` tells one key from
another without telling the key; nothing is trusted for it, it only decides how a mismatch is explained.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

from domain.errors import ReleaseError
from release.gate import GateRecord
from release.key import GATE_KEY_VARIABLE
from release.lock import changing
from release.manifest import Manifest, manifest_json, read_manifest, replace_manifest

__all__ = ["sign_gate", "verify_gate", "write_gate"]

_METHOD = "hmac-sha256"


def sign_gate(folder: Path, record: GateRecord, key: bytes) -> Manifest:
    """Sign a record and put it into the manifest of a release, in place of one that is there.

    The manifest is replaced in one step and durably; a process that is killed leaves the old one or the new one.

    Args:
        folder: The release, in its folder of releases.
        record: What was decided; its ``signature`` is made anew.
        key: What `release.gate_key` gives.

    Returns:
        The manifest as it now is.

    Raises:
        ReleaseError: where the folder is no release.
    """
    folder = folder.resolve()
    manifest = read_manifest(folder)
    with changing(folder.parent):
        return write_gate(folder, manifest, record, key)


def verify_gate(manifest: Manifest, key: bytes) -> GateRecord:
    """Return the record of a release, which was signed with this key for this release.

    Raises:
        ReleaseError: where there is no record, it was signed with another key, or it is not what was signed.
    """
    record, release = manifest.gate, manifest.release
    if record is None:
        raise ReleaseError(f"{release} has no verdict", hint="evaluate the release")
    signature = _signature(record, manifest, key)
    if hmac.compare_digest(record.signature.encode(), signature.encode()):
        return record
    ours, theirs = signature.split(":"), record.signature.split(":")
    if len(theirs) == len(ours) and theirs[0] == _METHOD and theirs[1] != ours[1]:
        raise ReleaseError(
            f"the verdict on {release} was signed elsewhere, with another key",
            hint=f"set {GATE_KEY_VARIABLE} to the key that it was signed with, or evaluate the release here",
        )
    raise ReleaseError(
        f"the verdict on {release} is not what was signed: it was edited, or belongs to another release",
        hint="copy the release again, or evaluate it anew",
    )


def write_gate(folder: Path, manifest: Manifest, record: GateRecord, key: bytes) -> Manifest:
    """Do what `sign_gate` does for who holds the lock already."""
    record = dataclasses.replace(record, signature=_signature(record, manifest, key))
    signed = dataclasses.replace(manifest, gate=record)
    replace_manifest(folder, manifest_json(signed))
    return signed


def _signature(record: GateRecord, manifest: Manifest, key: bytes) -> str:
    document = dataclasses.asdict(record)
    del document["signature"]
    signed = {"release": manifest.release, "content": manifest.content, "gate": document}
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_utc)
    name = hmac.new(key, b"name of the key", hashlib.sha256).hexdigest()[:16]
    return f"{_METHOD}:{name}:{hmac.new(key, canonical.encode(), hashlib.sha256).hexdigest()}"


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
