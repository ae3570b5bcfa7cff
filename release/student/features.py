"""What the student reads of a text, in training and serving alike: the pieces of its words, and their hashed grams.

All but the pairs follows from single words, and words come again and again: what was read of one is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from domain.errors import ReleaseError
from release.student.grams import GRAM_BITS, MAX_CHARACTERS, WordGrams, pair_id, word_grams

__all__ = ["TOKENIZER", "Features", "Ids", "Word", "open_tokenizer", "pieces_of"]

Ids = npt.NDArray[np.int32]

TOKENIZER = "tokenizer.json"

_MOST_KEPT: Final = 300_000
"""Rows of words that are kept at most: some 12,000 words, or 10 MB."""

_STEP: Final = 4
"""Rows come in fours: onnxruntime adds what is over in another order, so that the last digit of a sum would depend on
how many fillers there are, and that on the texts beside."""


def open_tokenizer(folder: Path) -> Tokenizer:
    """Open the `tokenizer.json` of a folder; it neither fills texts up nor cuts them.

    Raises:
        ReleaseError: when the file is missing or no tokenizer.
    """
    path = folder / TOKENIZER
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ReleaseError(
            f"{path} cannot be read: {error}", hint="run `querywise distill` again, then `release build`"
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def pieces_of(tokenizer: Tokenizer) -> int:
    """Return a bound of a tokenizer's numbers; a vocabulary can have holes, so that its size is none."""
    return max(tokenizer.get_vocab().values(), default=-1) + 1


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """What is read of a word; it is shared, and not to be written to.

    Attributes:
        rows: Of its pieces and then of its grams, in the table of a `Features`.
        grams: Of the word.
    """

    rows: Ids
    grams: WordGrams

    @property
    def pieces(self) -> Ids:
        """Numbers of its pieces."""
        return self.rows[: len(self.rows) - len(self.grams.ids)]


class Features:
    """Numbers texts: the rows of their words' pieces and grams, of pairs of words, and one that stands for nothing.

    Use it from any thread.

    Args:
        folder: Where `tokenizer.json` is.
        bits: Grams are hashed into ``2 ** bits`` rows.

    Attributes:
        pieces: A bound of the numbers of pieces.

    Raises:
        ReleaseError: when the file is missing or no tokenizer.
    """

    def __init__(self, folder: Path, *, bits: int) -> None:
        self._tokenizer = open_tokenizer(folder)
        self.pieces: Final = pieces_of(self._tokenizer)
        self._bits = bits
        self._fill = np.full(_STEP, self.filler, dtype=np.int32)
        self._known: dict[str, Word] = {}
        self._kept = 0

    @property
    def rows(self) -> int:
        """How many rows a table of vectors needs, the filler's included."""
        return self.pieces + (1 << self._bits) + 1

    @property
    def filler(self) -> int:
        """The row of no feature, whose vector is zero."""
        return self.rows - 1

    def __call__(self, texts: Sequence[str]) -> Ids:
        """Return the rows of each normalised text, (texts, most of any text) int32, filled up on the right.

        There are four of each, or eight, and so on, see `_STEP`. Only the first 256 characters are read; a text without
        any feature has fillers alone.
        """
        split = [text[:MAX_CHARACTERS].split() for text in texts]
        known = self._words(split[0] if len(split) == 1 else set(chain.from_iterable(split)))
        if len(split) == 1:
            own = self._of_words(split[0], known)
            missing = -sum(map(len, own)) % _STEP if own else _STEP
            return np.concatenate([*own, self._fill[:missing]])[None]
        parts = [self._of_words(words, known) for words in split]
        counts = [sum(map(len, own)) for own in parts]
        width = -(-max([1, *counts]) // _STEP) * _STEP
        rows = np.full((len(texts), width), self.filler, dtype=np.int32)
        for row, own, count in zip(rows, parts, counts, strict=True):
            if own:
                np.concatenate(own, out=row[:count])
        return rows

    def word(self, word: str) -> Word:
        """Return what is read of a word that is not empty."""
        return self._words((word,))[word]

    def _of_words(self, words: Sequence[str], known: Mapping[str, Word]) -> list[Ids]:
        """Return the rows of a text's words, and of its pairs of words."""
        read = [known[word] for word in words]
        rows = [word.rows for word in read]
        if len(read) > 1:
            pairs = [self.pieces + pair_id(one.grams, other.grams, bits=self._bits) for one, other in pairwise(read)]
            rows.append(np.array(pairs, dtype=np.int32))
        return rows

    def _words(self, words: Collection[str]) -> Mapping[str, Word]:
        """Return what is known of words, which is the same whichever words are read with them."""
        known = self._known
        unseen = [word for word in words if word not in known]
        if unseen:
            if self._kept > _MOST_KEPT:
                # Another thread may be reading from it, so it is left to that thread as it is.
                known = self._known = {}
                self._kept = 0
                unseen = list(words)
            read = {word: self._read(word) for word in unseen}
            self._kept += sum(len(word.rows) for word in read.values())
            known.update(read)
        return known

    def _read(self, word: str) -> Word:
        grams = word_grams(word)
        rows = np.int32(self.pieces) + (grams.ids >> np.int32(GRAM_BITS - self._bits))
        return Word(np.concatenate((self._pieces_of(word), rows)), grams)

    def _pieces_of(self, word: str) -> Ids:
        # One by one: a batch would wake the library's threads.
        text = word.encode("utf-8", "ignore").decode()
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int32)
