"""What a release folder holds, and the manifest that says so.

A release is a folder named by its id::

    manifest.json       this module's `Manifest`; every other file is listed in it with its size and digest
    taxonomy.json       the shop's category tree, as `Taxonomy.to_json` writes it
    head.lmdb           precomputed answers, see `release.head`
    served_ids.json     every category and product id that a precomputed answer or discovery content names
    retrieval/          optional: the index of the fallback retriever, opaque to this package
    student/            optional: the model for queries without a precomputed answer, see `release.student`
    lenders/            optional, beside a student: whose rewrites other queries may borrow, see `release.lenders`
    quality/            optional, beside a student: how good each product is, see `release.quality`
    discovery/          optional: what else to show and to search for, see `release.contents`
    why.lmdb            optional: where answers come from and what the log says, see `release.why`
    expected/           optional: what would be answered to the log, see `release.expected`
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from domain import QuerywiseError
from domain.errors import ReleaseError
from domain.files import sync_folder
from domain.taxonomy import Taxonomy
from release.gate import GateRecord

__all__ = [
    "CONTENTS",
    "DISCOVERY",
    "EXPECTED",
    "HEAD",
    "LENDERS",
    "MANIFEST",
    "QUALITY",
    "RETRIEVAL",
    "SCHEMA_VERSION",
    "SERVED_IDS",
    "STUDENT",
    "TAXONOMY",
    "WHY",
    "FileDigest",
    "Manifest",
    "ServedIds",
    "check_digest",
    "check_files",
    "content_hash",
    "digest_file",
    "digest_files",
    "files_of",
    "manifest_json",
    "read_manifest",
    "read_served_ids",
    "read_taxonomy",
    "replace_manifest",
    "served_ids_json",
    "write_manifest",
]

_PART = 1 << 22
_DAMAGED = "the folder was damaged or edited; copy it again or build a new release"

SCHEMA_VERSION = 1
"""Raised whenever an older program could misread the folder."""

MANIFEST, TAXONOMY, HEAD, SERVED_IDS, RETRIEVAL, STUDENT, QUALITY, LENDERS, DISCOVERY, WHY, EXPECTED = (
    "manifest.json",
    "taxonomy.json",
    "head.lmdb",
    "served_ids.json",
    "retrieval",
    "student",
    "quality",
    "lenders",
    "discovery",
    "why.lmdb",
    "expected",
)

CONTENTS = "contents"
"""The count of queries with discovery content, in a release that has any."""


@dataclass(frozen=True, kw_only=True)
class FileDigest:
    """Digest (hexadecimal) and size in bytes of one file."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class ServedIds:
    """Every id that a precomputed answer or discovery content names, sorted."""

    categories: tuple[str, ...]
    products: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Lineage and contents of a release.

    Attributes:
        schema_version: Layout of the folder.
        release: The id: date of creation, then the first six digits of ``content``.
        content: Digest of everything that decides an answer; equal inputs give equal content, on any day.
        head_content: Digest of the answers by themselves, before the id is stamped on them.
        shop: Name of the shop.
        created: When it was built, in UTC.
        fingerprints: Digests of the inputs: ``shop``, ``catalogue``, ``context`` where known.
        prompts: Ids of the prompts behind the answers.
        models: Names of the models behind the answers.
        counts: Answers by tier, ``labelled`` for all of them, and ``contents`` for queries with discovery content.
        examples: The most searched queries that have a category, for people who want to try the service.
        files: Digest of each file, by its path within the folder.
        gate: The verdict on the release, or None; it is decided after the build, and signed.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    schema_version: int
    release: str
    content: str
    head_content: str
    shop: str
    created: datetime
    fingerprints: dict[str, str]
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    counts: dict[str, int]
    examples: tuple[str, ...]
    files: dict[str, FileDigest]
    gate: GateRecord | None = None


_manifest: TypeAdapter[Manifest] = TypeAdapter(Manifest)
_served_ids: TypeAdapter[ServedIds] = TypeAdapter(ServedIds)


def content_hash(manifest: Manifest) -> str:
    """Digest everything in a manifest that decides an answer.

    The id, the date and the digest of ``head.lmdb`` stay out: the first follows from the result, and the third from the
    first, because answers carry the id. ``head_content`` stands for the answers instead. The verdict stays out
    too: it is about the result, and signed; and so does what is expected, which decides nothing and is made by a model,
    whose last digits depend on the machine.
    """
    document = asdict(manifest)
    for name in ("release", "content", "created", "gate"):
        del document[name]
    document["files"] = {name: digest for name, digest in document["files"].items() if _decides(name)}
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _decides(name: str) -> bool:
    # Nobody is answered from what was expected or what explains, and its days would change the id of the same answers.
    return name.split("/")[0] not in (HEAD, EXPECTED, WHY)


def files_of(folder: Path) -> list[str]:
    """Return the paths of all files under a folder, relative and sorted, the manifest left out."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise ReleaseError(f"{name} is not a plain file", hint="a release holds plain files only; build it again")
        if path.is_file() and name != MANIFEST:
            found.append(name)
    return found


def digest_files(folder: Path) -> dict[str, FileDigest]:
    """Return the digest of every file of a folder but the manifest."""
    return {name: digest_file(folder / name) for name in files_of(folder)}


def digest_file(path: Path) -> FileDigest:
    """Return the digest of a file."""
    # In large parts: beside a busy thread each part has to wait its turn, and a service reads this beside one.
    digest, part = hashlib.sha256(), memoryview(bytearray(_PART))
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        while count := file.readinto(part):
            digest.update(part[:count])
    return FileDigest(sha256=digest.hexdigest(), bytes=size)


def check_digest(folder: Path, manifest: Manifest, name: str) -> None:
    """Read every byte of one file of a release.

    Raises:
        ReleaseError: where it cannot be read, or is not what was built.
    """
    try:
        same = digest_file(folder / name) == manifest.files[name]
    except OSError as error:
        raise ReleaseError(f"{manifest.release}: {name} cannot be read: {error.strerror}", hint=_DAMAGED) from error
    if not same:
        raise ReleaseError(f"{manifest.release}: {name} does not match its digest", hint=_DAMAGED)


def check_files(folder: Path, manifest: Manifest, *, digests: bool, later: Collection[str] = ()) -> None:
    """Compare a folder with its manifest.

    Args:
        folder: The release.
        manifest: What should be there.
        digests: Whether to read every byte; otherwise only names and sizes are compared.
        later: Files that are not read all the same: `check_digest` is to be called before they are used.

    Raises:
        ReleaseError: naming the first file that is missing, unlisted or altered.
    """
    found = set(files_of(folder))
    for name, expected in sorted(manifest.files.items()):
        if name not in found:
            raise ReleaseError(f"{manifest.release}: {name} is missing", hint=_DAMAGED)
        if (folder / name).stat().st_size != expected.bytes:
            raise ReleaseError(f"{manifest.release}: {name} has not the size the manifest gives", hint=_DAMAGED)
        if digests and name not in later:
            check_digest(folder, manifest, name)
    for name in sorted(found - manifest.files.keys()):
        raise ReleaseError(f"{manifest.release}: {name} is not in the manifest", hint=_DAMAGED)


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a release.

    Raises:
        ReleaseError: where there is none, it is of another schema version, or it is not what was built.
    """
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
        version = json.loads(data)["schema_version"]
    except FileNotFoundError as error:
        raise ReleaseError(f"{folder} is not a release: no {MANIFEST}", hint="build one with querywise run") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ReleaseError(f"{path} cannot be read", hint="copy the release again or build a new one") from error
    if version != SCHEMA_VERSION:
        raise ReleaseError(
            f"{path} has schema version {version!r}, this program reads {SCHEMA_VERSION}",
            hint="build the release with this version of Querywise, or serve it with the version that built it",
        )
    try:
        manifest = _manifest.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ReleaseError(f"{path}: {where}: {first['msg']}", hint="build a new release") from error
    if content_hash(manifest) != manifest.content or not manifest.release.endswith(f"-{manifest.content[:6]}"):
        raise ReleaseError(f"{path} does not match its own content hash", hint="the manifest was edited; build again")
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a release; the caller syncs it."""
    (folder / MANIFEST).write_bytes(manifest_json(manifest))


def replace_manifest(folder: Path, described: bytes) -> None:
    """Put another manifest in the place of that of a release, in one step and durably; the caller holds the lock.

    It is written beside the release and not in it, where what a killed process leaves would be a file too many.
    """
    fresh = folder.parent / f".{MANIFEST}.tmp"
    fresh.unlink(missing_ok=True)
    with fresh.open("wb") as file:
        file.write(described)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(folder / MANIFEST, fresh)  # the service may run as somebody else
    fresh.replace(folder / MANIFEST)
    sync_folder(folder)


def manifest_json(manifest: Manifest) -> bytes:
    """Return the form in which a release keeps its manifest."""
    return _manifest.dump_json(manifest, indent=2) + b"\n"


def read_taxonomy(folder: Path) -> Taxonomy:
    """Read the tree of a release."""
    try:
        return Taxonomy.from_json((folder / TAXONOMY).read_bytes())
    except (OSError, ValueError, TypeError, QuerywiseError) as error:
        raise ReleaseError(f"{folder / TAXONOMY} cannot be read: {error}", hint="build a new release") from error


def served_ids_json(served: ServedIds) -> bytes:
    """Return the form in which a release keeps its served ids."""
    return _served_ids.dump_json(served)


def read_served_ids(folder: Path) -> ServedIds:
    """Read what `served_ids_json` gave."""
    try:
        return _served_ids.validate_json((folder / SERVED_IDS).read_bytes())
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{folder / SERVED_IDS} cannot be read", hint="build a new release") from error
