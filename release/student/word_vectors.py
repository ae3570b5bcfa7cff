"""The vectors of words that the tagger reads, from `tagger.npz`: a table in int8 with a scale for each row.

A word's vector is the sum of its features' and does not depend on its neighbours, so that it is made once and then
remembered. The table is no part of the ONNX file because of that: most words of a query were in one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from domain.errors import ReleaseError
from release.student.word_features import WordFeatures

__all__ = ["TABLE", "QueryVectors", "WordVectors", "write_table"]

TABLE: Final = "tagger.npz"

_REMEMBERED: Final = 16_384
"""Words; some 8 MB with 64 dimensions."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryVectors:
    """The vectors of queries' words, filled up with zeros on the right.

    Attributes:
        vectors: (queries, most words of any, dimension) float32.
        there: 1 where there is a word and else 0, (queries, most words of any, 1) float32.
    """

    vectors: Vectors
    there: Vectors


class WordVectors:
    """Makes vectors of words. Use it from any thread.

    Args:
        folder: Where `tagger.npz` is.
        features: Reads words.

    Raises:
        ReleaseError: when the file is missing or malformed, or the table is another's than the features'.
    """

    def __init__(self, folder: Path, features: WordFeatures) -> None:
        path = folder / TABLE
        try:
            # Opened here: the library leaves a file open that turns out to be no archive.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                self._table, self._scales = arrays["table"], arrays["scales"]
        except Exception as error:  # what a damaged archive raises has many names
            raise ReleaseError(
                f"{path} cannot be read: {error}", hint="run `querywise distill` again, then `release build`"
            ) from error
        fits = self._table.ndim == 2 and self._scales.shape == (features.rows,) == self._table.shape[:1]
        if not fits or (self._table.dtype, self._scales.dtype) != (np.int8, np.float32) or self._table[-1].any():
            raise ReleaseError(
                f"{path} does not belong to the tokenizer beside it",
                hint="run `querywise distill` again, then `release build`",
            )
        # Not a method: what is remembered would keep this object, and a release that was closed its megabytes, until
        # the garbage collector comes by.
        self._vector = lru_cache(maxsize=_REMEMBERED)(partial(_make, features, self._table, self._scales))

    @property
    def dimension(self) -> int:
        """Of a vector."""
        return int(self._table.shape[1])

    def __call__(self, queries: Sequence[Sequence[str]]) -> QueryVectors:
        """Return the vectors of the words of queries, of which there is one and none is empty."""
        if len(queries) == 1:
            vectors = np.array([[self._vector(word) for word in queries[0]]])
            return QueryVectors(vectors=vectors, there=np.ones((*vectors.shape[:2], 1), dtype=np.float32))
        lengths = np.array([len(words) for words in queries])
        there = np.arange(lengths.max()) < lengths[:, None]
        vectors = np.zeros((*there.shape, self.dimension), dtype=np.float32)
        vectors[there] = [self._vector(word) for words in queries for word in words]
        return QueryVectors(vectors=vectors, there=there[:, :, None].astype(np.float32))


def _make(features: WordFeatures, table: npt.NDArray[np.int8], scales: Vectors, word: str) -> Vectors:
    read = features([word])
    kept = read.weights[0] > 0
    rows = read.rows[0, kept]
    vector: Vectors = (read.weights[0, kept] * scales[rows]) @ table[rows].astype(np.float32)
    return vector


def write_table(folder: Path, table: Vectors) -> None:
    """Write `tagger.npz` of vectors, (rows, dimension), the last of which is zero."""
    scales = np.maximum(np.abs(table).max(axis=1) / 127, 1e-12).astype(np.float32)
    np.savez(folder / TABLE, table=np.rint(table / scales[:, None]).astype(np.int8), scales=scales)
