"""Opens a release folder for answering, and checks it to the last answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from domain import Taxonomy
from domain.errors import ReleaseError
from release.answers import entry_digest, parse, unstamp
from release.borrow import Borrower
from release.borrow_content import ContentBorrower
from release.check import categories_of, products_of, shown_categories_of
from release.contents import LENDERS as CONTENT_LENDERS
from release.contents import Contents
from release.head import HeadStore
from release.lenders import Lenders
from release.manifest import (
    CONTENTS,
    DISCOVERY,
    HEAD,
    LENDERS,
    QUALITY,
    RETRIEVAL,
    STUDENT,
    WHY,
    Manifest,
    ServedIds,
    check_digest,
    check_files,
    read_manifest,
    read_served_ids,
    read_taxonomy,
)
from release.quality import Quality
from release.release import Release
from release.retriever import LoadRetriever
from release.student import Provider, Student, Tagger, Tree
from release.student.tagger import ABOUT as TAGGER
from release.tail import Tail

__all__ = ["open_release", "verify_release"]


def open_release(
    path: Path, *, load_retriever: LoadRetriever | None = None, verify: bool = True, provider: Provider = "cpu"
) -> Release:
    """Open a release for answering.

    Args:
        path: Its folder, or a link to it such as ``current``, which is followed once, now.
        load_retriever: Opens the release's fallback index; without it, or without an index, there is no retriever.
        verify: Whether to read every byte that answers are made of and compare digests. Without, names and sizes are
            compared all the same; for worker processes whose parent has verified the folder a moment ago.
        provider: Where the student runs; with ``cuda`` it runs there or the release is not opened.

    Raises:
        ReleaseError: naming the file that is missing, unlisted, altered, or not of this schema version, or the id
            that an answer names and the taxonomy has not. Ids of products were checked against the catalogue by the
            build; the digests prove that its result is what is opened. Also where CUDA is asked for and the release has
            no model to run there.
    """
    folder = path.resolve()
    manifest = read_manifest(folder)
    if provider == "cuda" and not (folder / STUDENT).is_dir():
        raise ReleaseError(f"{manifest.release} has no student that could run on CUDA", hint="serve it on the CPU")
    check_files(folder, manifest, digests=verify, later=(WHY,))
    taxonomy = read_taxonomy(folder)
    if verify:
        for category_id in read_served_ids(folder).categories:
            if category_id not in taxonomy:
                raise ReleaseError(
                    f"{manifest.release}: answers name category {category_id!r}, which the taxonomy has not",
                    hint="build a new release",
                )
    head = HeadStore(folder / HEAD)
    contents = None
    try:
        if len(head) != manifest.counts.get("labelled"):
            raise ReleaseError(f"{manifest.release}: {HEAD} has not the number of answers the manifest gives")
        index = folder / RETRIEVAL
        retriever = load_retriever(index) if load_retriever is not None and index.is_dir() else None
        tail = _open_tail(folder, taxonomy, head, provider) if (folder / STUDENT).is_dir() else None
        quality = Quality(folder / QUALITY) if (folder / QUALITY).is_dir() else None
        if (folder / DISCOVERY).is_dir():
            contents = Contents(folder / DISCOVERY, tail.student.tree if tail else Tree.of(taxonomy))
        if len(contents or ()) != manifest.counts.get(CONTENTS, 0):
            raise ReleaseError(f"{manifest.release}: {DISCOVERY} has not the number of contents the manifest gives")
        lends = tail is not None and (folder / DISCOVERY / CONTENT_LENDERS).is_dir()
        lenders = Lenders(folder / DISCOVERY / CONTENT_LENDERS, tail.student) if lends and tail else None
    except BaseException:
        head.close()
        if contents is not None:
            contents.close()
        raise
    return Release(
        folder=folder,
        manifest=manifest,
        taxonomy=taxonomy,
        head=head,
        retriever=retriever,
        tail=tail,
        quality=quality,
        contents=contents,
        content_borrower=ContentBorrower(tail, lenders) if tail and lenders else None,
    )


def _open_tail(folder: Path, taxonomy: Taxonomy, head: HeadStore, provider: Provider) -> Tail:
    student = Student(folder / STUDENT, taxonomy, provider=provider)
    lenders = Lenders(folder / LENDERS, student) if (folder / LENDERS).is_dir() else None
    return Tail(
        student,
        taxonomy,
        tagger=Tagger(folder / STUDENT, student.features) if (folder / STUDENT / TAGGER).is_file() else None,
        borrower=Borrower(lenders, head.get) if lenders else None,
    )


def verify_release(path: Path) -> Manifest:
    """Check a release to the last answer, which opening it does not: every value is parsed and every id looked up.

    Raises:
        ReleaseError: as `open_release`, and naming the first answer or content that is wrong.
    """
    with open_release(path) as release:
        served = _Served(read_served_ids(release.folder), release.taxonomy)
        digests = []
        for key, value in HeadStore(release.folder / HEAD):
            digests.append(entry_digest(key, unstamp(value, release.id)))
            answer = parse("", value)
            stray = served.stray(categories_of(answer), products_of(answer))
            if stray is not None or answer.release != release.id:
                raise ReleaseError(
                    f"{release.id}: the answer for {answer.normalized!r} names {stray or answer.release!r}",
                    hint="build a new release",
                )
        for content in release.contents or ():
            if (stray := served.stray(shown_categories_of(content), products_of(content))) is not None:
                raise ReleaseError(
                    f"{release.id}: the content for {content.query!r} names {stray!r}", hint="build a new release"
                )
        if hashlib.sha256(b"".join(sorted(digests))).hexdigest() != release.manifest.head_content:
            raise ReleaseError(f"{release.id}: its answers are not those it was built from", hint="build a new release")
        if WHY in release.manifest.files:
            check_digest(release.folder, release.manifest, WHY)
        return release.manifest


class _Served:
    """The ids that a release may name."""

    def __init__(self, served: ServedIds, taxonomy: Taxonomy) -> None:
        self._categories = frozenset(i for i in served.categories if i in taxonomy)
        self._products = frozenset(served.products)

    def stray(self, categories: Iterable[str], products: Iterable[str]) -> str | None:
        """Return the first id that is not one of them, or None."""
        strays = chain(
            (i for i in categories if i not in self._categories), (i for i in products if i not in self._products)
        )
        return next(strays, None)
