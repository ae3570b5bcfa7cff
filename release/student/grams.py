"""Hashed n-grams of words: the word, its runs of three to five characters, ends included, and pairs of words.

The hash of every substring follows from prefix sums of one polynomial (Karp & Rabin, "Efficient randomized
pattern-matching algorithms", 1987), so that no loop runs over characters, and that of a pair from those of its words.
Training and serving use this code, so a gram has the same number in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["GRAM_BITS", "MAX_CHARACTERS", "WordGrams", "pair_id", "word_grams"]

GRAM_BITS: Final = 30
"""Of the number of a gram; a table of fewer rows takes the upper ones, ``id >> GRAM_BITS - bits``."""

MAX_CHARACTERS: Final = 256
"""Characters of a text that are read; normalised queries are no longer."""

_RUNS: Final = (3, 4, 5)
_WORD, _PAIR = 1, 2
_ALL: Final = 2**64 - 1
_BASE: Final = 0x9E3779B97F4A7C15
_MIXER: Final = 0xD6E8FEB86659FD93
_MIX, _HALF, _ONE = np.uint64(_MIXER), np.uint64(32), np.uint64(1)
_UNUSED: Final = np.uint64(64 - GRAM_BITS)
# By kind of gram, so that a word of three letters is not the run of its letters.
_SALTS: Final = np.array([(kind * _BASE) % 2**64 for kind in range(max(_RUNS) + 1)], dtype=np.uint64)
_PAIR_SALT: Final = int(_SALTS[_PAIR])

Ids = npt.NDArray[np.int32]
_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class WordGrams:
    """The grams of a word, and what a pair with it is hashed from.

    Attributes:
        ids: Of itself, and then of its runs, below ``2 ** GRAM_BITS``.
        hash: Of the word.
        before: Hash of the word and a space.
        shift: By which what follows them is multiplied.
    """

    ids: Ids
    hash: int
    before: int
    shift: int


def word_grams(word: str) -> WordGrams:
    """Return the grams of a word that is not empty; only its first 256 characters are read."""
    word = word[:MAX_CHARACTERS]
    layout = _layout(len(word))
    characters = np.frombuffer(f" {word} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    sums = np.zeros(len(characters) + 1, dtype=np.uint64)
    np.cumsum((characters + _ONE) * layout.powers, out=sums[1:])
    # Shifted back to the start of the text, a gram has one hash wherever it stands.
    hashes = (sums[layout.ends] - sums[layout.starts]) * layout.shifts_back
    own, before = hashes[:2].tolist()
    hashes = hashes[1:]
    hashes[0] = own
    hashes ^= layout.salts
    hashes *= _MIX
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    return WordGrams((hashes >> _UNUSED).astype(np.int32), own, before, layout.shift)


def pair_id(first: WordGrams, second: WordGrams, *, bits: int) -> int:
    """Return the number of the pair of a word and the next, below ``2 ** bits``."""
    mixed = ((first.before + first.shift * second.hash & _ALL) ^ _PAIR_SALT) * _MIXER & _ALL
    return ((mixed ^ mixed >> 32) * _MIXER & _ALL) >> 64 - bits


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layout:
    """Where the grams of a word stand that has so many characters: the word, it and the space behind it, and its runs.

    Attributes:
        starts, ends: Of each in the word with a space at either end, (grams,).
        shifts_back: By which a gram is multiplied that begins there, (grams,).
        salts: Of the kind of each, (grams - 1,): the word and the space behind it are no gram.
        powers: Of the base, one for each character.
        shift: By which what follows the word and a space is multiplied.
    """

    starts: npt.NDArray[np.intp]
    ends: npt.NDArray[np.intp]
    shifts_back: _Hashes
    salts: _Hashes
    powers: _Hashes
    shift: int


@lru_cache(maxsize=MAX_CHARACTERS)
def _layout(characters: int) -> _Layout:
    length = characters + 2
    runs = [np.arange(length - run + 1) for run in _RUNS if run <= length]
    starts = np.concatenate([[1, 1], *runs])
    ends = np.concatenate([[length - 1, length], *(at + run for at, run in zip(runs, _RUNS, strict=False))])
    kinds = np.concatenate([[_WORD], *(np.full(len(at), run) for at, run in zip(runs, _RUNS, strict=False))])
    return _Layout(
        starts=starts,
        ends=ends,
        shifts_back=_powers(pow(_BASE, -1, 2**64), length)[starts],
        salts=_SALTS[kinds],
        powers=_powers(_BASE, length),
        shift=pow(_BASE, length - 1, 2**64),
    )


def _powers(base: int, count: int) -> _Hashes:
    """Return the first powers of a base, modulo 2 ** 64."""
    powers = np.full(count, np.uint64(base))
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)
