"""A release, open for answering: precomputed answers first, then the fallback."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from domain import Taxonomy, Understanding, normalise
from domain.errors import ReleaseError
from domain.understanding import Category, Reason, understanding_adapter
from release.answers import echo, parse
from release.beside import Beside
from release.borrow_content import ContentBorrower
from release.contents import Contents
from release.discover import EXPLORATORY_SHARE, FEW_RESULTS, LIMIT, Discovered, Suggested
from release.head import HeadStore
from release.manifest import Manifest
from release.quality import NEUTRAL, SIDES, Quality
from release.retriever import Retriever
from release.steps import Step, steps_of
from release.tail import Tail, TailAnswer

__all__ = ["EmbedKind", "Release"]

EmbedKind = Literal["query", "product"]

_log = logging.getLogger(__name__)
_NEAREST = 3


class Release:
    """An `Understander` over one release folder. Get one from `open_release`; use it from any thread.

    A query is answered by the first that can:

    1. the head store: the precomputed answer, ``source`` head;
    2. the student, where the release has one: the likeliest categories it is sure enough of, ``source`` tail and
       ``reason`` model; or one that lies above them, ``backed_off_to_parent``;
    3. the fallback. Beside a student it is empty, ``abstained_low_confidence``. Without one it is the nearest
       categories by retrieval; a similarity is no probability, so their confidence is None, and ``reason`` is
       ``abstained_low_confidence`` whether or not anything was near enough to list, and ``degraded`` where there is
       no retriever, or no time for it, or it failed. Where nothing of the query is left by normalisation, ``reason``
       is ``empty_query``.
    """

    def __init__(
        self,
        *,
        folder: Path,
        manifest: Manifest,
        taxonomy: Taxonomy,
        head: HeadStore,
        retriever: Retriever | None,
        tail: Tail | None = None,
        quality: Quality | None = None,
        contents: Contents | None = None,
        content_borrower: ContentBorrower | None = None,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.taxonomy = taxonomy
        self._head = head
        self._retriever = retriever
        self._tail = tail
        self._quality = quality
        self._beside = Beside(self.id, contents, content_borrower)

    @property
    def id(self) -> str:
        """The id of the release, as in every answer."""
        return self.manifest.release

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def head_bytes(self, normalised: str) -> bytes | None:
        """Return the stored value for a normalised query, or None; `head_answer` puts the echo in front of it."""
        return self._head.get(normalised)

    @property
    def has_student(self) -> bool:
        """Whether there is a model for queries without a precomputed answer; without one nothing can be embedded."""
        return self._tail is not None

    @property
    def dimension(self) -> int | None:
        """How many numbers an embedding has, or None where there is no student."""
        return None if self._tail is None else self._tail.student.about.dimension + len(SIDES)

    @property
    def retrieves(self) -> bool:
        """Whether a query without a precomputed answer is searched for, which takes milliseconds."""
        return self._retriever is not None and self._tail is None

    @property
    def provider(self) -> str | None:
        """The execution provider that the student really runs on, or None where there is no student."""
        return None if self._tail is None else self._tail.student.provider

    def head_answer(self, raw: str, normalised: str) -> bytes | None:
        """Return the precomputed answer for a query as JSON in UTF-8, or None.

        Args:
            raw: The query as sent.
            normalised: Its normal form.

        Raises:
            UnicodeEncodeError: where `raw` has a lone surrogate, which no JSON text in UTF-8 can echo.
        """
        value = self._head.get(normalised) if normalised else None
        return None if value is None else echo(raw, value)

    def fallback_answer(self, raw: str, normalised: str) -> bytes:
        """Return the answer for a query that has no precomputed one.

        Raises:
            UnicodeEncodeError: as `head_answer`.
        """
        [answer] = self.fallback_answers([raw], [normalised])
        return answer

    def degraded_answer(self, raw: str, normalised: str) -> bytes:
        """Return an answer that asks neither student nor retriever, for when there is no time for them.

        Raises:
            UnicodeEncodeError: as `head_answer`.
        """
        raw.encode()
        return understanding_adapter.dump_json(self._fall_back(raw, normalised, None))

    def fallback_answers(self, raws: Sequence[str], normalised: Sequence[str]) -> list[bytes]:
        """Return the answers for queries that have no precomputed one, all in one pass through the student.

        Raises:
            UnicodeEncodeError: as `head_answer`, before any is answered.
        """
        for raw in raws:
            raw.encode()
        return [understanding_adapter.dump_json(answer) for answer in self._misses(raws, normalised)]

    def answer_bytes(self, raw: str) -> bytes:
        """Return the answer for a query as JSON in UTF-8, from the first that has one.

        Raises:
            UnicodeEncodeError: as `head_answer`.
        """
        normalised = normalise(raw)
        return self.head_answer(raw, normalised) or self.fallback_answer(raw, normalised)

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query, in order. Any text is answered, lone surrogates included."""
        normalised = [normalise(query) for query in queries]
        values = [self._head.get(query) if query else None for query in normalised]
        missed = [i for i, value in enumerate(values) if value is None]
        answers = iter(self._misses([queries[i] for i in missed], [normalised[i] for i in missed]))
        return [
            next(answers) if value is None else parse(query, value)
            for query, value in zip(queries, values, strict=True)
        ]

    def understand_unseen(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query as one that has no precomputed answer, in order: what the student is worth by itself."""
        return self._misses(queries, [normalise(query) for query in queries])

    def steps(self, normalised: str) -> tuple[Step, ...]:
        """Return how the student answers a query, category by category; none without a student or a text."""
        return () if self._tail is None or not normalised else steps_of(self._tail.student, self.taxonomy, normalised)

    def embed(
        self,
        texts: Sequence[str],
        *,
        kind: EmbedKind,
        products: Sequence[str | None] | None = None,
        quality_weight: float = 0.0,
    ) -> npt.NDArray[np.float32]:
        """Return embeddings whose inner product is cosine + `quality_weight` x the sum of the product's qualities.

        The student's unit vector comes first, zero where nothing of a text is left by normalisation. Then a product has
        its qualities as they are, and a query has the weight for each of them: an index of products serves any weight.

        Args:
            texts: Normalised; only 256 characters of each are read.
            kind: What the texts are.
            products: The ids of the products whose texts they are; None, absent and unknown ones are neither good nor
                bad.
            quality_weight: Of a query.

        Returns:
            (texts, the student's dimension + 3) float32.

        Raises:
            ReleaseError: where the release has no student.
        """
        if self._tail is None:
            raise ReleaseError(f"{self.id} has no student", hint="run `querywise distill`, then build a release")
        embeddings = self._tail.student.predict(texts).embeddings
        if kind == "product" and products is not None and self._quality is not None:
            qualities = self._quality.of(products)
        else:
            value = quality_weight if kind == "query" else NEUTRAL
            qualities = np.full((len(texts), len(SIDES)), value, dtype=np.float32)
        return np.hstack((embeddings, qualities))

    @property
    def contents(self) -> Contents | None:
        """The discovery content that the release keeps, or None where it has none."""
        return self._beside.contents

    def needs_student(self, normalised: str) -> bool:
        """Whether the student has to be asked for the content of a query, as it has none of its own."""
        return self._beside.borrows(normalised)

    def discover(
        self,
        normalised: str,
        shown: Collection[str] = (),
        result_count: int | None = None,
        limit: int = LIMIT,
        *,
        few_results: int = FEW_RESULTS,
    ) -> Discovered:
        """Return discovery content for a page of results of a query.

        It is the query's own, or else that of a query near enough to lend it. Never is a product of the page among it,
        nor an idea without another product, nor one of a category that the page is full of.

        Args:
            normalised: The query in normal form.
            shown: Ids of the products on the page; unknown ones and any other text may be among them.
            result_count: How many results there are, or None where that is not known.
            limit: Ideas of each kind, at least 1.
            few_results: Results up to which substitutes lead.
        """
        return self._beside.discover(normalised, shown, result_count, limit, few_results=few_results)

    def suggest(
        self, normalised: str, limit: int = LIMIT, *, exploratory_share: float = EXPLORATORY_SHARE
    ) -> Suggested:
        """Return what to search after a query, from its own content or that of a query near enough to lend it.

        Args:
            normalised: The query in normal form.
            limit: Suggestions, at least 1.
            exploratory_share: Of what is returned, the share that may be exploratory, in [0, 1].
        """
        return self._beside.suggest(normalised, limit, exploratory_share=exploratory_share)

    def close(self) -> None:
        """Give the stores back; answering afterwards raises ReleaseError."""
        self._head.close()
        self._beside.close()

    def _misses(self, raws: Sequence[str], normalised: Sequence[str]) -> list[Understanding]:
        if self._tail is None:
            return [self._fall_back(*query, self._retriever) for query in zip(raws, normalised, strict=True)]
        said = iter(self._tail.answer([query for query in normalised if query]))
        return [
            self._said(raw, query, next(said)) if query else self._fall_back(raw, query, None)
            for raw, query in zip(raws, normalised, strict=True)
        ]

    def _said(self, raw: str, normalised: str, said: TailAnswer) -> Understanding:
        return Understanding(
            query=raw,
            normalized=normalised,
            source=said.source,
            reason=said.reason,
            release=self.id,
            categories=said.categories,
            annotations=said.annotations,
            rewrites=said.rewrites,
            specificity=said.specificity,
            borrowed_from=said.borrowed_from,
        )

    def _fall_back(self, raw: str, normalised: str, retriever: Retriever | None) -> Understanding:
        reason: Reason = "abstained_low_confidence"
        categories: tuple[Category, ...] = ()
        if not normalised:
            reason = "empty_query"
        elif retriever is None:
            reason = "degraded"
        else:
            try:
                near = retriever.nearest(normalised, _NEAREST)
            except Exception as error:
                # A plug-in that fails on one query must not take the answer down; the text itself is never logged.
                _log.error("the fallback retriever failed: %s", type(error).__name__)
                reason = "degraded"
            else:
                ids = dict.fromkeys(found.category_id for found in near if found.category_id in self.taxonomy)
                categories = tuple(Category(id=i, path=self.taxonomy.path(i), confidence=None) for i in ids)[:_NEAREST]
        return Understanding(
            query=raw,
            normalized=normalised,
            source="fallback",
            reason=reason,
            release=self.id,
            categories=categories,
        )
