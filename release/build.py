"""Builds a release: whole under its final name, or not there at all."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
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

from domain import Taxonomy, Understanding, normalise
from domain.discovery import Content
from domain.errors import ReleaseError
from domain.files import sync_folder
from domain.label import Label
from release.answers import entry_digest, parse, render, stamp
from release.cards import CatalogueProduct
from release.check import LabelCheck
from release.contents import ContentSpool, read_catalogue, with_content, write_discovery
from release.expected import Known, write_expected
from release.head import key_of
from release.lenders import write_lenders
from release.manifest import (
    CONTENTS,
    DISCOVERY,
    EXPECTED,
    HEAD,
    LENDERS,
    MANIFEST,
    QUALITY,
    RETRIEVAL,
    SCHEMA_VERSION,
    SERVED_IDS,
    STUDENT,
    TAXONOMY,
    WHY,
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
from release.spool import Spool
from release.student import Student
from release.student.tagger import ABOUT as TAGGER
from release.student.tagger import read_tagger_about
from release.why import Why, write_whys

__all__ = ["build_release"]

_EXAMPLES = 8
_UNFINISHED = ".building-"


def build_release(
    *,
    shop: str,
    taxonomy: Taxonomy,
    labels: Iterable[Label],
    fingerprints: Mapping[str, str],
    index: Path | None,
    releases: Path,
    created: datetime,
    product_ids: Iterable[str] | None = None,
    products: Iterable[CatalogueProduct] | None = None,
    contents: Iterable[Content] | None = None,
    student: Path | None = None,
    quality: ProductQualities | None = None,
    whys: Iterable[Why] | None = None,
    known: Known | None = None,
) -> Path:
    """Write a release and return its folder.

    Labels are read once and never held together in memory; their order does not matter. A build that dies leaves
    nothing under a release's name, and the next build removes what it left. Where the same content was already
    released on the same day, that release is verified and returned.

    Args:
        shop: Name of the shop.
        taxonomy: The tree whose ids are served.
        labels: What to serve; no two for one normalised query.
        fingerprints: Digests of the inputs, for lineage.
        index: Folder of the fallback retriever's index, copied as it is, or None for none.
        releases: Where releases live; made when absent.
        created: The time of the release, with its zone.
        product_ids: The catalogue, where there are no contents: every product id that may be served.
        products: The catalogue, in the place of `product_ids`; read once.
        contents: Discovery content; no two for one query. That of a query without a label is left out. An answer has
            the first of its query's content in the place of what its label says.
        student: Folder of the student, copied as it is, or None for none.
        quality: How good the products are, for what the student embeds; None for not known.
        whys: Where the answers come from, for people who ask; no two for one query. That of a query without a label is
            left out.
        known: What would be answered to the log, for the service to compare with; None for not known.

    Raises:
        ReleaseError: on a label, content or reason that must not be kept, naming its query and what is wrong with it;
            on qualities that cannot be kept, or that no student needs; on a catalogue that is not given once, or not
            with its categories where there are contents.
    """
    if (product_ids is None) == (products is None):
        raise ReleaseError("the catalogue must be given once", hint="give either product_ids or products")
    if contents is not None and products is None:
        raise ReleaseError("contents need to know where products stand", hint="give products, not product_ids")
    if quality is not None and student is None:
        raise ReleaseError("qualities of products are of no use without a student", hint="leave them out")
    created = created.astimezone(UTC)
    releases.mkdir(parents=True, exist_ok=True)
    with _only_builder(releases):
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=releases))
        try:
            if quality is not None:
                write_quality(unfinished / QUALITY, quality)
            inputs = _Inputs(
                shop=shop,
                taxonomy=taxonomy,
                product_ids=() if product_ids is None else product_ids,
                products=products,
                labels=labels,
                contents=() if contents is None else contents,
                fingerprints=fingerprints,
                index=index,
                student=student,
                whys=whys,
                known=known,
                created=created,
            )
            manifest = _fill(unfinished, inputs)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Inputs:
    """What a release is made of, as `build_release` takes it."""

    shop: str
    taxonomy: Taxonomy
    product_ids: Iterable[str]
    products: Iterable[CatalogueProduct] | None
    labels: Iterable[Label]
    contents: Iterable[Content]
    fingerprints: Mapping[str, str]
    index: Path | None
    student: Path | None
    whys: Iterable[Why] | None
    known: Known | None
    created: datetime


def _fill(folder: Path, inputs: _Inputs) -> Manifest:
    taxonomy = inputs.taxonomy
    with tempfile.TemporaryFile(dir=folder) as file, tempfile.TemporaryFile(dir=folder) as other:
        kept = ContentSpool(other, inputs.contents)
        catalogue = None if inputs.products is None else read_catalogue(inputs.products, taxonomy, kept.products)
        check = LabelCheck(taxonomy, inputs.product_ids if catalogue is None else catalogue.categories.keys())
        answers = _Answers(file)
        for label in inputs.labels:
            content = kept.get(normalise(label.query))
            if content is not None:
                check.check_content(content)
                label = dataclasses.replace(label, understanding=with_content(label.understanding, content))
            answers.add(check.check(label), label)
        (folder / TAXONOMY).write_bytes(taxonomy.to_json())
        (folder / SERVED_IDS).write_bytes(served_ids_json(check.served()))
        if inputs.index is not None:
            files_of(inputs.index)
            shutil.copytree(inputs.index, folder / RETRIEVAL)
        student = None
        if inputs.student is not None:
            files_of(inputs.student)
            shutil.copytree(inputs.student, folder / STUDENT)
            student = Student(folder / STUDENT, taxonomy)
            if (folder / STUDENT / TAGGER).is_file():
                read_tagger_about(folder / STUDENT)  # one of another version must not come into a release
            write_lenders(folder / LENDERS, student, answers)
        counts = answers.counts()
        if catalogue is not None and (keys := kept.keys & answers.spool.keys):
            write_discovery(
                folder / DISCOVERY,
                contents=kept,
                keys=keys,
                catalogue=catalogue,
                taxonomy=taxonomy,
                student=student,
                answers=answers,
            )
            counts[CONTENTS] = len(keys)
        if inputs.whys is not None:
            write_whys(folder / WHY, inputs.whys, answers.spool.keys)
        if inputs.known is not None:
            write_expected(folder / EXPECTED, inputs.known)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            release="",
            content="",
            head_content=answers.content(),
            shop=inputs.shop,
            created=inputs.created,
            fingerprints=dict(sorted(inputs.fingerprints.items())),
            prompts=tuple(sorted(answers.prompts)),
            models=tuple(sorted(answers.models)),
            counts=counts,
            examples=answers.examples(),
            files=digest_files(folder),
        )
        content_digest = content_hash(manifest)
        release_id = f"{inputs.created:%Y-%m-%d}-{content_digest[:6]}"
        answers.write(folder / HEAD, release_id)
    manifest = dataclasses.replace(manifest, release=release_id, content=content_digest, files=digest_files(folder))
    write_manifest(folder, manifest)
    return manifest


class _Answers:
    """Rendered answers, and what a manifest says of them."""

    def __init__(self, file: BinaryIO) -> None:
        self.spool = Spool(file)
        self._digests: list[bytes] = []
        self._tiers: Counter[str] = Counter()
        self._examples: list[tuple[int, str]] = []
        self.prompts: set[str] = set()
        self.models: set[str] = set()

    def add(self, query: str, label: Label) -> None:
        key, value = key_of(query), render(label.understanding)
        if not self.spool.add(key, value):
            raise ReleaseError(f"label {query!r} is there twice", hint="keep one label for each normalised query")
        self._digests.append(entry_digest(key, value))
        self._tiers[label.tier] += 1
        self.prompts.add(label.provenance.prompt)
        self.models.add(label.provenance.model)
        if label.understanding.categories:
            self._examples.append((-label.searches, query))
            if len(self._examples) > 1000:
                self._examples = sorted(self._examples)[:_EXAMPLES]

    def __iter__(self) -> Iterator[Understanding]:
        """Iterate over all answers, in the order they came."""
        return (parse("", value) for value in self.spool.values())

    def content(self) -> str:
        """Digest all answers, whatever their order."""
        return hashlib.sha256(b"".join(sorted(self._digests))).hexdigest()

    def counts(self) -> dict[str, int]:
        return {**{tier: self._tiers[tier] for tier in ("head", "torso", "tail")}, "labelled": len(self.spool)}

    def examples(self) -> tuple[str, ...]:
        return tuple(query for _, query in sorted(self._examples)[:_EXAMPLES])

    def write(self, path: Path, release_id: str) -> None:
        # Escaped, a character of the id takes six at most.
        self.spool.write(path, change=lambda value: stamp(value, release_id), growth=6 * len(release_id.encode()))


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
