"""What is made of queries that have no precomputed answer: by the student, its tagger, and queries near by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from domain.taxonomy import Taxonomy
from domain.understanding import Annotation, Category, Reason, Rewrite, Source, Specificity
from release.borrow import Borrower, Loans
from release.student import SPECIFICITIES, Answered, Student, Tagger, decide

__all__ = ["Place", "Tail", "TailAnswer"]

Vector = npt.NDArray[np.float32]


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


class _Decided(NamedTuple):
    """What is answered of categories, and the row of the first of them or else of the likeliest."""

    answered: Answered
    row: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Place:
    """Where a query stands: its unit embedding, the row of its likeliest category, and whether that one is answered."""

    embedding: Vector
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
        decided = [self._decide(chances) for chances in predicted.probabilities]
        loans = [self._loans(*asked) for asked in zip(queries, predicted.embeddings, decided, strict=True)]
        # Nothing is said of the words of the rest.
        told = [i for i, (one, lent) in enumerate(zip(decided, loans, strict=True)) if one.answered.rows or lent]
        tags = self._tagger.tag([queries[i] for i in told]) if self._tagger else [()] * len(told)
        answers = [TailAnswer()] * len(queries)
        for i, tagged in zip(told, tags, strict=True):
            answers[i] = self._answer(decided[i].answered, tagged, loans[i], predicted.specificities[i])
        return answers

    def place(self, query: str) -> Place:
        """Return where the student puts a query."""
        predicted = self.student.predict([query])
        decided = self._decide(predicted.probabilities[0])
        return Place(embedding=predicted.embeddings[0], row=decided.row, sure=bool(decided.answered.rows))

    def _decide(self, chances: Vector) -> _Decided:
        answered = decide(chances, self.student.tree, self.student.about.policy)
        return _Decided(answered=answered, row=answered.rows[0] if answered.rows else int(chances.argmax()))

    def _loans(self, query: str, embedding: Vector, decided: _Decided) -> Loans | None:
        return self._borrower.find(query, embedding, decided.row) if self._borrower else None

    def _answer(
        self, answered: Answered, annotations: tuple[Annotation, ...], loans: Loans | None, specificities: Vector
    ) -> TailAnswer:
        borrowed = loans.take(annotations) if loans else None
        if not answered.rows and (borrowed is None or borrowed.relation == "detail"):
            return TailAnswer()
        rewrites = borrowed.rewrites if borrowed else ()
        lender = borrowed.query if borrowed else None
        if not answered.rows:
            return TailAnswer(annotations=annotations, rewrites=rewrites, borrowed_from=lender)
        return TailAnswer(
            source="tail",
            reason="backed_off_to_parent" if answered.backed_off else "model",
            categories=self._categories(answered),
            annotations=annotations,
            rewrites=rewrites,
            specificity=SPECIFICITIES[specificities.argmax()],
            borrowed_from=lender,
        )

    def _categories(self, answered: Answered) -> tuple[Category, ...]:
        ids = [self.student.tree.ids[row] for row in answered.rows]
        return tuple(
            Category(id=i, path=self._taxonomy.path(i), confidence=round(chance, 4))
            for i, chance in zip(ids, answered.chances, strict=True)
        )
