"""What is read of a query and of what might be shown for it, in training and serving alike.

Three things: the words of both, the categories that the student gives to both, and its embeddings of both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from domain.text import normalise
from release.match_words import WORD_SIGNS, Lexicon, TextWords, word_signs
from release.student import SPECIFICITIES, Prediction, Student

__all__ = ["SIGNS", "Matrix", "Offer", "OfferFeatures"]

_DEPTHS: Final = (0, 1, 2)
"""Depths at which two texts may lie in one branch, besides the category itself."""

_SHARED: Final = tuple(f"at depth {depth}" for depth in _DEPTHS) + ("category",)

SIGNS: Final = (
    *WORD_SIGNS,
    "cosine",
    *(f"shared {where}" for where in _SHARED),
    "text in the query's category",
    "query in the text's category",
    "query of no category",
    "text of no category",
    "query sure",
    "text sure",
    "category known",
    *(f"known shared {where}" for where in _SHARED),
    "known in the query's category",
    "query in the known category",
    *(f"query {specificity}" for specificity in SPECIFICITIES),
)
"""Names of what is read, in order. ``shared`` is the Bhattacharyya coefficient of the chances of both texts; ``known``
is of the category that came with the text, and 0 where none did.

Products and differences of the embeddings' numbers are left out: with a few thousand lessons they gain nothing.
"""

_AT_ONCE: Final = 64

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What might be shown for a normalised query: a title, an idea or a rewrite, and its category where it has one."""

    query: str
    text: str
    category_id: str | None = None


class OfferFeatures:
    """Reads offers. Use it from any thread.

    Args:
        student: Gives the embeddings and the chances of categories.
        lexicon: What the catalogue says of words.
    """

    def __init__(self, student: Student, lexicon: Lexicon) -> None:
        self._student = student
        self._lexicon = lexicon
        tree = student.tree
        self._end = tree.end
        self._row = {category_id: row for row, category_id in enumerate(tree.ids)}
        # In preorder a branch is a run of rows.
        self._starts = [np.flatnonzero(tree.depth <= depth) for depth in _DEPTHS] + [np.arange(len(tree.ids))]

    def __call__(self, offers: Sequence[Offer]) -> Matrix:
        """Return `SIGNS` of each offer, (offers, signs)."""
        blocks = [self._block(offers[i : i + _AT_ONCE]) for i in range(0, len(offers), _AT_ONCE)]
        return np.concatenate(blocks) if blocks else np.empty((0, len(SIGNS)), dtype=np.float32)

    def _block(self, offers: Sequence[Offer]) -> Matrix:
        pairs = [(offer.query, normalise(offer.text)) for offer in offers]
        texts = list(dict.fromkeys(chain.from_iterable(pairs)))
        predicted = self._student.predict(texts)
        read = {text: TextWords(text, self._lexicon) for text in texts}
        place = {text: i for i, text in enumerate(texts)}
        query = np.array([place[asked] for asked, _ in pairs])
        text = np.array([place[said] for _, said in pairs])
        worded = [word_signs(read[asked], read[said], self._lexicon) for asked, said in pairs]
        ours, theirs = predicted.embeddings[query], predicted.embeddings[text]
        known = np.array([self._row.get(offer.category_id or "", -1) for offer in offers])
        parts = [
            np.array(worded, dtype=np.float32),
            (ours * theirs).sum(1, keepdims=True),
            self._category_signs(predicted, query, text, known),
            predicted.specificities[query],
        ]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _category_signs(
        self,
        predicted: Prediction,
        query: npt.NDArray[np.intp],
        text: npt.NDArray[np.intp],
        known: npt.NDArray[np.intp],
    ) -> Matrix:
        chances = predicted.probabilities
        best = chances.argmax(1)
        # What lies below a category is the difference of two running sums.
        sums = np.concatenate([np.zeros((len(chances), 1)), chances.cumsum(1, dtype=np.float64)], axis=1)
        none = 1 - sums[:, -1]
        there = known >= 0
        row = np.maximum(known, 0)
        shared, shared_known = [], []
        for starts in self._starts:
            branches = np.diff(sums[:, np.append(starts, chances.shape[1])], axis=1)
            roots = np.sqrt(branches.clip(0))
            shared.append((roots[query] * roots[text]).sum(1))
            shared_known.append(there * roots[query, np.searchsorted(starts, row, side="right") - 1])
        first, end = best[query], self._end[best[query]]
        columns: Iterable[npt.NDArray[Any]] = [
            *shared,
            sums[text, end] - sums[text, first],
            sums[query, self._end[best[text]]] - sums[query, best[text]],
            none[query],
            none[text],
            chances.max(1)[query],
            chances.max(1)[text],
            there,
            *shared_known,
            there * ((first <= row) & (row < end)),
            there * (sums[query, self._end[row]] - sums[query, row]),
        ]
        return np.stack(list(columns), axis=1).astype(np.float32)
