"""What the student makes of queries that have no precomputed answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.taxonomy import Taxonomy
from domain.understanding import Category, Reason, Source, Specificity
from release.student import SPECIFICITIES, Student, decide

__all__ = ["Tail", "TailAnswer"]


@dataclass(frozen=True, kw_only=True)
class TailAnswer:
    """What is answered for one query, and why; as it comes, an abstention."""

    source: Source = "fallback"
    reason: Reason = "abstained_low_confidence"
    categories: tuple[Category, ...] = ()
    specificity: Specificity | None = None


class Tail:
    """Answers normalised queries, none of them empty. Use it from any thread.

    Args:
        student: Of the release.
        taxonomy: Of the release.
    """

    def __init__(self, student: Student, taxonomy: Taxonomy) -> None:
        self.student = student
        self._taxonomy = taxonomy

    def answer(self, queries: Sequence[str]) -> list[TailAnswer]:
        """Answer all queries in one pass through the model, in order."""
        predicted = self.student.predict(queries)
        specificities = predicted.specificities.argmax(1)
        return [
            self._answer(probabilities, SPECIFICITIES[specificity])
            for probabilities, specificity in zip(predicted.probabilities, specificities.tolist(), strict=True)
        ]

    def _answer(
        self, probabilities: np.ndarray[tuple[int], np.dtype[np.float32]], specificity: Specificity
    ) -> TailAnswer:
        tree = self.student.tree
        answer = decide(probabilities, tree, self.student.about.policy)
        if not answer.rows:
            return TailAnswer()
        ids = [tree.ids[row] for row in answer.rows]
        return TailAnswer(
            source="tail",
            reason="backed_off_to_parent" if answer.backed_off else "model",
            categories=tuple(
                Category(id=i, path=self._taxonomy.path(i), confidence=round(chance, 4))
                for i, chance in zip(ids, answer.chances, strict=True)
            ),
            specificity=specificity,
        )
