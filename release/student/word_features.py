"""What the tagger reads of a word, in training and serving alike: itself, its shape, its pieces and its grams."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from release.student.features import Features
from release.student.grams import GRAM_BITS

__all__ = ["GRAMS", "OWN", "PIECES", "WIDTH", "WordFeatures", "WordRows"]

OWN: Final = slice(0, 3)
"""Columns of the word itself, its shape, and its shape with runs made one: `iphone14`, `aaaaaa99`, `a9`."""

PIECES: Final = slice(3, 11)
"""Columns of its word pieces."""

GRAMS: Final = slice(11, 51)
"""Columns of its runs of three to five characters, its ends marked."""

WIDTH: Final = 51

_LETTER, _DIGIT, _REPEATED = re.compile(r"[^\W\d_]"), re.compile(r"\d"), re.compile(r"(.)\1+", re.DOTALL)


@dataclass(frozen=True, kw_only=True, eq=False)
class WordRows:
    """The rows of words and what each counts, (words, `WIDTH`) int32 and float32; what fills a column counts 0.

    The pieces of a word count 1 together, and so do the squares of its grams.
    """

    rows: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]


class WordFeatures:
    """Numbers words: pieces come first, then what is hashed, then the one row that stands for nothing.

    Args:
        features: Read pieces and grams of words, and remember them; its own rows are not used.
        bits: What is hashed goes into ``2 ** bits`` rows.
    """

    def __init__(self, features: Features, *, bits: int) -> None:
        self.features: Final = features
        self.pieces: Final = features.pieces
        self.bits: Final = bits

    @property
    def rows(self) -> int:
        """How many rows a table of vectors needs, the filler's included."""
        return self.pieces + (1 << self.bits) + 1

    @property
    def filler(self) -> int:
        """The row of no feature, whose vector is zero."""
        return self.rows - 1

    def __call__(self, words: Sequence[str]) -> WordRows:
        """Return what is read of each word; of a long one, the first pieces and grams."""
        rows = np.full((len(words), WIDTH), self.filler, dtype=np.int32)
        weights = np.zeros((len(words), WIDTH), dtype=np.float32)
        for i, word in enumerate(words):
            read = self.features.word(word)
            hashed = self.pieces + (read.grams.ids >> np.int32(GRAM_BITS - self.bits))
            own, grams = hashed[0], hashed[1 : 1 + GRAMS.stop - GRAMS.start]
            pieces = read.pieces[: PIECES.stop - PIECES.start]
            shape = _DIGIT.sub("9", _LETTER.sub("a", word))
            rows[i, OWN] = own, self._hashed(f"s{shape}"), self._hashed("r" + _REPEATED.sub(r"\1", shape))
            weights[i, OWN] = 1.0
            rows[i, PIECES.start : PIECES.start + len(pieces)] = pieces
            weights[i, PIECES.start : PIECES.start + len(pieces)] = 1 / max(1, len(pieces))
            rows[i, GRAMS.start : GRAMS.start + len(grams)] = grams
            weights[i, GRAMS.start : GRAMS.start + len(grams)] = len(grams) ** -0.5
        return WordRows(rows=rows, weights=weights)

    def _hashed(self, text: str) -> int:
        # A lone surrogate is a character like any other.
        return self.pieces + (zlib.crc32(text.encode("utf-8", "surrogatepass")) & (1 << self.bits) - 1)
