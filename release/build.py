"""Builds a release: whole under its final name, or not there at all."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import mmap
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from domain import Taxonomy, Understanding
from domain.errors import ReleaseError
from domain.files import sync_folder
from domain.label import Label
from release.answers import entry_digest, parse, render, stamp
from release.check import LabelCheck
from release.head import key_of, write_head
from release.lenders import write_lenders
from release.manifest import (
    HEAD,
    LENDERS,
    MANIFEST,
    QUALITY,
    RETRIEVAL,
    SCHEMA_VERSION,
    SERVED_IDS,
    STUDENT,
    TAXONOMY,
    Manifest,
    content_hash,
    digest_files,
    files_of,
    read_manifest,
    served_ids_json,
    write_manifest,
)
from release.opening import verify_release
from release.quality import ProductQualities, write_quality
from release.student import Student

__all__ = ["build_release"]

_EXAMPLES = 8
_UNFINISHED = ".building-"


def build_release(
    *,
    shop: str,
    taxonomy: Taxonomy,
    product_ids: Iterable[str],
    labels: Iterable[Label],
    fingerprints: Mapping[str, str],
    index: Path | None,
    releases: Path,
    created: datetime,
    student: Path | None = None,
    quality: ProductQualities | None = None,
) -> Path:
    """Write a release and return its folder.

    Labels are read once and never held together in memory; their order does not matter. A build that dies leaves
    nothing under a release's name, and the next build removes what it left. Where the same content was already
    released on the same day, that release is verified and returned.

    Args:
        shop: Name of the shop.
        taxonomy: The tree whose ids are served.
        product_ids: The catalogue: every product id that may be served.
        labels: What to serve; no two for one normalised query.
        fingerprints: Digests of the inputs, for lineage.
        index: Folder of the fallback retriever's index, copied as it is, or None for none.
        releases: Where releases live; made when absent.
        created: The time of the release, with its zone.
        student: Folder of the student, copied as it is, or None for none.
        quality: How good the products are, for what the student embeds; None for not known.

    Raises:
        ReleaseError: on a label that must not be served, naming its query and what is wrong with it; on qualities
            that cannot be kept, or that no student needs.
    """
    if quality is not None and student is None:
        raise ReleaseError("qualities of products are of no use without a student", hint="leave them out")
    created = created.astimezone(UTC)
    releases.mkdir(parents=True, exist_ok=True)
    with _only_builder(releases):
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=releases))
        try:
            if quality is not None:
                write_quality(unfinished / QUALITY, quality)
            manifest = _fill(unfinished, shop, taxonomy, product_ids, labels, fingerprints, index, student, created)
            return _publish(unfinished, releases / manifest.release, manifest)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


@contextmanager
def _only_builder(releases: Path) -> Iterator[None]:
    """Hold the lock of a folder of releases; whatever is unfinished in it then belongs to nobody."""
    with (releases / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in releases.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def _fill(
    folder: Path,
    shop: str,
    taxonomy: Taxonomy,
    product_ids: Iterable[str],
    labels: Iterable[Label],
    fingerprints: Mapping[str, str],
    index: Path | None,
    student: Path | None,
    created: datetime,
) -> Manifest:
    check = LabelCheck(taxonomy, product_ids)
    with tempfile.TemporaryFile(dir=folder) as file:
        spool = _Spool(file)
        for label in labels:
            spool.add(check.check(label), label)
        (folder / TAXONOMY).write_bytes(taxonomy.to_json())
        (folder / SERVED_IDS).write_bytes(served_ids_json(check.served()))
        if index is not None:
            files_of(index)
            shutil.copytree(index, folder / RETRIEVAL)
        if student is not None:
            files_of(student)
            shutil.copytree(student, folder / STUDENT)
            write_lenders(folder / LENDERS, Student(folder / STUDENT, taxonomy), spool.answers())
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            release="",
            content="",
            head_content=spool.content(),
            shop=shop,
            created=created,
            fingerprints=dict(sorted(fingerprints.items())),
            prompts=tuple(sorted(spool.prompts)),
            models=tuple(sorted(spool.models)),
            counts=spool.counts(),
            examples=spool.examples(),
            files=digest_files(folder),
        )
        content = content_hash(manifest)
        release_id = f"{created:%Y-%m-%d}-{content[:6]}"
        spool.write(folder / HEAD, release_id)
    manifest = dataclasses.replace(manifest, release=release_id, content=content, files=digest_files(folder))
    write_manifest(folder, manifest)
    return manifest


@dataclass(frozen=True, slots=True)
class _Place:
    offset: int
    length: int


class _Spool:
    """Rendered answers on disk, their places and digests in memory: some 300 bytes for each label."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = 0
        self._largest = 0
        self._places: dict[bytes, _Place] = {}
        self._digests: list[bytes] = []
        self._tiers: Counter[str] = Counter()
        self._examples: list[tuple[int, str]] = []
        self.prompts: set[str] = set()
        self.models: set[str] = set()

    def add(self, query: str, label: Label) -> None:
        key, value = key_of(query), render(label.understanding)
        if key in self._places:
            raise ReleaseError(f"label {query!r} is there twice", hint="keep one label for each normalised query")
        self._places[key] = _Place(self._end, len(value))
        self._file.write(value)
        self._end += len(value)
        self._largest = max(self._largest, len(value))
        self._digests.append(entry_digest(key, value))
        self._tiers[label.tier] += 1
        self.prompts.add(label.provenance.prompt)
        self.models.add(label.provenance.model)
        if label.understanding.categories:
            self._examples.append((-label.searches, query))
            if len(self._examples) > 1000:
                self._examples = sorted(self._examples)[:_EXAMPLES]

    def content(self) -> str:
        """Digest all answers, whatever their order."""
        return hashlib.sha256(b"".join(sorted(self._digests))).hexdigest()

    def answers(self) -> Iterator[Understanding]:
        """Yield all answers, in the order they came."""
        self._file.flush()
        with _mapped(self._file, self._end) as values:
            for place in self._places.values():
                yield parse("", bytes(_slice(values, place)))

    def counts(self) -> dict[str, int]:
        return {**{tier: self._tiers[tier] for tier in ("head", "torso", "tail")}, "labelled": len(self._places)}

    def examples(self) -> tuple[str, ...]:
        return tuple(query for _, query in sorted(self._examples)[:_EXAMPLES])

    def write(self, path: Path, release_id: str) -> None:
        keys = sorted(self._places)
        size = self._end + sum(map(len, keys)) + len(keys) * len(release_id.encode()) * 6
        self._file.flush()
        with _mapped(self._file, self._end) as values:
            entries = ((key, stamp(_slice(values, self._places[key]), release_id)) for key in keys)
            write_head(path, entries, total=len(keys), largest=self._largest, size=size)


def _slice(values: bytes | mmap.mmap, place: _Place) -> bytes:
    return values[place.offset : place.offset + place.length]


@contextmanager
def _mapped(file: BinaryIO, size: int) -> Iterator[bytes | mmap.mmap]:
    if not size:
        yield b""  # an empty file cannot be mapped
        return
    with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as values:
        yield values


def _publish(unfinished: Path, folder: Path, manifest: Manifest) -> Path:
    if folder.exists():
        verify_release(folder)
        if read_manifest(folder).content != manifest.content:
            raise ReleaseError(f"{folder.name} exists with other content", hint="move it away and build again")
        return folder
    for path in [unfinished / MANIFEST, *(unfinished / name for name in manifest.files)]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for path in (path for path in unfinished.rglob("*") if path.is_dir()):
        sync_folder(path)
    unfinished.chmod(0o755)  # a temporary folder is its owner's alone; the service may run as somebody else
    sync_folder(unfinished)
    unfinished.rename(folder)
    sync_folder(folder.parent)
    return folder
