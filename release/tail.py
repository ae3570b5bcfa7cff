"""What is made of queries that have no precomputed answer: by the student, its tagger, and queries near by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.taxonomy import Taxonomy
from domain.understanding import Annotation, Category, Reason, Rewrite, Source, Specificity
from release.borrow import Borrowed, Borrower
from release.student import SPECIFICITIES, Answered, Student, Tagger, decide

__all__ = ["Place", "Tail", "TailAnswer"]


@dataclass(frozen=True, kw_only=True)
class TailAnswer:
    """What is answered for one query, and why; as it comes, an abstention."""

    source: Source = "fallback"
    reason: Reason = "abstained_low_confidence"
    categories: tuple[Category, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    specificity: Specificity | None = None
    borrowed_from: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Where a query stands: its unit embedding, the row of its likeliest category, and whether that one is answered."""

    embedding: npt.NDArray[np.float32]
    row: int
    sure: bool


class Tail:
    """Answers normalised queries, none of them empty. Use it from any thread.

    Where the student is sure of no category, nothing is said of a query, unless it says the same as one that has a
    precomputed answer: then it has that one's rewrites, and its own spans.

    Args:
        student: Of the release.
        taxonomy: Of the release.
        tagger: Marks spans; without it there are none.
        borrower: Finds rewrites; without it there are none.
    """

    def __init__(
        self, student: Student, taxonomy: Taxonomy, *, tagger: Tagger | None = None, borrower: Borrower | None = None
    ) -> None:
        self.student = student
        self._taxonomy = taxonomy
        self._tagger = tagger
        self._borrower = borrower

    def answer(self, queries: Sequence[str]) -> list[TailAnswer]:
        """Answer all queries in one pass through each model, in order."""
        predicted = self.student.predict(queries)
        tags = self._tagger.tag(queries) if self._tagger else [()] * len(queries)
        specificities = predicted.specificities.argmax(1).tolist()
        return [
            self._answer(query, tags[i], predicted.embeddings[i], predicted.probabilities[i], SPECIFICITIES[best])
            for i, (query, best) in enumerate(zip(queries, specificities, strict=True))
        ]

    def place(self, query: str) -> Place:
        """Return where the student puts a query."""
        predicted = self.student.predict([query])
        [probabilities] = predicted.probabilities
        rows = decide(probabilities, self.student.tree, self.student.about.policy).rows
        row = rows[0] if rows else int(probabilities.argmax())
        return Place(embedding=predicted.embeddings[0], row=row, sure=bool(rows))

    def _answer(
        self,
        query: str,
        annotations: tuple[Annotation, ...],
        embedding: npt.NDArray[np.float32],
        probabilities: npt.NDArray[np.float32],
        specificity: Specificity,
    ) -> TailAnswer:
        answer = decide(probabilities, self.student.tree, self.student.about.policy)
        row = answer.rows[0] if answer.rows else int(probabilities.argmax())
        borrowed = self._borrow(query, annotations, embedding, row, sure=bool(answer.rows))
        if not answer.rows and borrowed is None:
            return TailAnswer()
        rewrites = borrowed.rewrites if borrowed else ()
        lender = borrowed.query if borrowed else None
        if not answer.rows:
            return TailAnswer(annotations=annotations, rewrites=rewrites, borrowed_from=lender)
        return TailAnswer(
            source="tail",
            reason="backed_off_to_parent" if answer.backed_off else "model",
            categories=self._categories(answer),
            annotations=annotations,
            rewrites=rewrites,
            specificity=specificity,
            borrowed_from=lender,
        )

    def _categories(self, answer: Answered) -> tuple[Category, ...]:
        ids = [self.student.tree.ids[row] for row in answer.rows]
        return tuple(
            Category(id=i, path=self._taxonomy.path(i), confidence=round(chance, 4))
            for i, chance in zip(ids, answer.chances, strict=True)
        )

    def _borrow(
        self,
        query: str,
        annotations: tuple[Annotation, ...],
        embedding: npt.NDArray[np.float32],
        row: int,
        *,
        sure: bool,
    ) -> Borrowed | None:
        if self._borrower is None:
            return None
        borrowed = self._borrower.borrow(query, annotations, embedding, row)
        if borrowed is None or not (sure or borrowed.relation in ("same", "synonym")):
            return None
        return borrowed
