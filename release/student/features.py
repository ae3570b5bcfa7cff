"""What the student reads of a text, in training and serving alike: the pieces of its words, and its hashed grams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from domain.errors import ReleaseError
from release.student.grams import MAX_CHARACTERS, gram_ids

__all__ = ["TOKENIZER", "Features", "Ids"]

Ids = npt.NDArray[np.int32]

TOKENIZER = "tokenizer.json"


class Features:
    """Numbers texts: pieces of words come first, then grams, then the one row that stands for nothing.

    Args:
        folder: Where `tokenizer.json` is.
        bits: Grams are hashed into ``2 ** bits`` rows.

    Raises:
        ReleaseError: when the file is missing or no tokenizer.
    """

    def __init__(self, folder: Path, *, bits: int) -> None:
        path = folder / TOKENIZER
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise ReleaseError(f"{path} cannot be read: {error}", hint="build the student anew") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # A vocabulary can have holes, so that its size is no bound of its numbers.
        self._pieces = max(self._tokenizer.get_vocab().values(), default=-1) + 1
        self._bits = bits

    @property
    def rows(self) -> int:
        """How many rows a table of vectors needs, the filler's included."""
        return self._pieces + (1 << self._bits) + 1

    @property
    def filler(self) -> int:
        """The row of no feature, whose vector is zero."""
        return self.rows - 1

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Return the rows of each normalised text, (texts, most of any text) int32, filled up on the right.

        Only the first 256 characters are read; a text without any feature has fillers alone, at least one.
        """
        cut = [text[:MAX_CHARACTERS].encode("utf-8", "ignore").decode() for text in texts]
        grams = gram_ids(texts, bits=self._bits)
        counts = np.diff(grams.starts)
        pieces = [found.ids for found in self._tokenizer.encode_batch_fast(cut, add_special_tokens=False)]
        width = max(1, max((int(count) + len(ids) for count, ids in zip(counts, pieces, strict=True)), default=0))
        rows = np.full((len(texts), width), self.filler, dtype=np.int32)
        for i, ids in enumerate(pieces):
            start = len(ids)
            rows[i, :start] = ids
            rows[i, start : start + counts[i]] = grams.ids[grams.starts[i] : grams.starts[i + 1]] + self._pieces
        return rows
