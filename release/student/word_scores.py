"""Scores of tags for the words of queries, from `tagger.npz`: a table of vectors and the layers above it.

A word's vector is the sum of its rows in the table, which is in int8 with a scale for each row. A convolution of width
three follows, and an output that also sees the vector itself (`distill.tagger_network`). The convolution is linear
before its activation, so that what a word adds to it, for itself and for its neighbours, depends on no neighbour: it
is made once for a word and then remembered. What is left of a query is a few sums and one small product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from domain.errors import ReleaseError
from release.student.tags import Scores
from release.student.word_features import WordFeatures

__all__ = ["WEIGHTS", "WordScores", "write_weights"]

WEIGHTS: Final = "tagger.npz"

_REMEMBERED: Final = 8192
"""Words; some 10 MB with 96 channels and 21 tags."""

_ZERO: Final = np.zeros((), dtype=np.float32)  # a Python number is made an array at every call

Matrix = npt.NDArray[np.float32]


class WordScores:
    """Scores tags for words. Use it from any thread.

    Args:
        folder: Where `tagger.npz` is.
        features: Reads words.
        tags: How many there are.

    Raises:
        ReleaseError: when the file is missing or malformed, or made for other features or tags.
    """

    def __init__(self, folder: Path, features: WordFeatures, *, tags: int) -> None:
        arrays = _read(folder / WEIGHTS, rows=features.rows, tags=tags)
        self._output: Matrix = arrays["output"]
        self._gap = np.zeros_like(arrays["offsets"])
        channels = len(self._output)
        self._behind, self._own, self._before = (slice(i * channels, (i + 1) * channels) for i in range(3))
        self._direct = slice(3 * channels, None)
        # Not a method: what is remembered would keep this object, and a release that was closed its megabytes, until
        # the garbage collector comes by.
        self._adds = lru_cache(maxsize=_REMEMBERED)(partial(_adds, features, arrays))

    def __call__(self, queries: Sequence[Sequence[str]]) -> Scores:
        """Return the score of each tag for each word of queries, of which there is one and none is empty.

        The scores are (words + queries - 1, tags): between two queries is one row that says nothing.
        """
        rows = list(map(self._adds, queries[0]))
        for words in queries[1:]:
            rows.append(self._gap)
            rows.extend(map(self._adds, words))
        added = np.array(rows)
        sums = added[:, self._own]
        if len(rows) > 1:
            behind, before = sums[1:], sums[:-1]
            behind += added[:-1, self._behind]
            before += added[1:, self._before]
        np.maximum(sums, _ZERO, out=sums)
        scores: Scores = sums @ self._output
        scores += added[:, self._direct]
        return scores


def _adds(features: WordFeatures, arrays: Mapping[str, npt.NDArray[Any]], word: str) -> Matrix:
    """Return what a word adds to the word behind it, to itself, to the word before it, and to its scores."""
    read = features([word])
    kept = read.weights[0] > 0
    rows = read.rows[0, kept]
    vector = (read.weights[0, kept] * arrays["scales"][rows]) @ arrays["table"][rows].astype(np.float32)
    added: Matrix = vector @ arrays["words"] + arrays["offsets"]
    return added


def _read(path: Path, *, rows: int, tags: int) -> dict[str, npt.NDArray[Any]]:
    hint = "run `querywise distill` again, then `release build`"
    try:
        # Opened here: the library leaves a file open that turns out to be no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive)
    except Exception as error:  # what a damaged archive raises has many names
        raise ReleaseError(f"{path} cannot be read: {error}", hint=hint) from error
    if flaws := "; ".join(_flaws(arrays, rows, tags)):
        raise ReleaseError(f"{path} does not belong to the tokenizer and description beside it: {flaws}", hint=hint)
    return arrays


def _flaws(arrays: Mapping[str, npt.NDArray[Any]], rows: int, tags: int) -> Iterator[str]:
    """Yield what is wrong with the arrays that `write_weights` wrote for so many rows and tags."""
    kinds = {"table": np.int8, "scales": np.float32, "words": np.float32, "offsets": np.float32, "output": np.float32}
    if arrays.keys() != kinds.keys():
        yield f"it holds {', '.join(sorted(arrays))}"
        return
    dimension, channels = arrays["table"].size // rows, arrays["output"].size // tags
    added = 3 * channels + tags
    shapes = ((rows, dimension), (rows,), (dimension, added), (added,), (channels, tags))
    for (name, kind), shape in zip(kinds.items(), shapes, strict=True):
        array = arrays[name]
        if array.dtype != kind or array.shape != shape:
            yield f"{name} is {array.dtype} {array.shape}, not {np.dtype(kind)} {shape}"
        elif not np.isfinite(array).all():
            yield f"{name} has numbers that are not finite"


def write_weights(folder: Path, table: Matrix, *, words: Matrix, offsets: Matrix, output: Matrix) -> None:
    """Write `tagger.npz`.

    Args:
        folder: Where.
        table: Vectors, (rows, dimension).
        words: What a word's vector adds to the channels of the word behind it, of itself and of the word before it,
            and to its own scores: (dimension, 3 x channels + tags).
        offsets: What every word adds to the same, (3 x channels + tags,).
        output: What the channels of a word, activated, add to its scores: (channels, tags).
    """
    scales = np.maximum(np.abs(table).max(axis=1) / 127, 1e-12).astype(np.float32)
    rounded = np.rint(table / scales[:, None]).astype(np.int8)
    np.savez(folder / WEIGHTS, table=rounded, scales=scales, words=words, offsets=offsets, output=output)
