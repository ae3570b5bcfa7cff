"""Hashed n-grams of words: the word, its runs of three to five characters, ends included, and pairs of words.

The hash of every substring follows from prefix sums of one polynomial (Karp & Rabin, "Efficient randomized
pattern-matching algorithms", 1987), so that no loop runs over characters, and that of a pair from those of its words.
Training and serving use this code, so a gram has the same number in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_CHARACTERS", "WordGrams", "pair_id", "word_grams"]

MAX_CHARACTERS: Final = 256
"""Characters of a text that are read; normalised queries are no longer."""

_RUNS: Final = (3, 4, 5)
_WORD, _PAIR = 1, 2
_AT_ONCE: Final = 1024
"""Words hashed in one pass, which bounds the memory of a pass."""

Ids = npt.NDArray[np.int32]
_Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class WordGrams:
    """The grams of a word, and what a pair with it is hashed from.

    Attributes:
        ids: Of its runs and of itself, below ``2 ** bits``.
        hash: Of the word.
        before: Hash of the word and a space.
        shift: By which what follows them is multiplied.
    """

    ids: Ids
    hash: int
    before: int
    shift: int


def word_grams(words: Sequence[str], *, bits: int) -> list[WordGrams]:
    """Return the grams of words, none of them empty; only 256 characters of a word are read.

    The order of grams within a word says nothing.
    """
    return [read for i in range(0, len(words), _AT_ONCE) for read in _read(words[i : i + _AT_ONCE], bits)]


def pair_id(first: WordGrams, second: WordGrams, *, bits: int) -> int:
    """Return the number of the pair of a word and the next, below ``2 ** bits``."""
    mixed = ((first.before + first.shift * second.hash & _ALL) ^ _PAIR_SALT) * _MIXER & _ALL
    return ((mixed ^ mixed >> 32) * _MIXER & _ALL) >> 64 - bits


def _read(words: Sequence[str], bits: int) -> list[WordGrams]:
    """Hash words laid end to end; what would reach from one into the next is left out."""
    pieces = [
        np.frombuffer(f" {word[:MAX_CHARACTERS]} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        for word in words
    ]
    lengths = np.array([len(piece) for piece in pieces])
    characters = np.concatenate(pieces)
    owner = np.repeat(np.arange(len(words)), lengths)
    powers = _powers(len(characters).bit_length())
    sums = np.zeros(len(characters) + 1, dtype=np.uint64)
    np.cumsum((characters + np.uint64(1)) * powers.up[: len(characters)], out=sums[1:])
    first = np.cumsum(lengths) - lengths + 1
    last = first + lengths - 2
    starts, ends, salts = [first], [last], [_SALTS[_WORD].repeat(len(words))]
    for run in _RUNS:
        places = np.flatnonzero(owner[run - 1 :] == owner[: max(0, len(owner) - run + 1)])
        starts.append(places)
        ends.append(places + run)
        salts.append(_SALTS[run].repeat(len(places)))
    at = np.concatenate(starts)
    # Shifted back to the start of the text, a gram has one hash wherever it stands.
    hashes = (sums[np.concatenate(ends)] - sums[at]) * powers.down[at]
    own = hashes[: len(words)].copy()
    before = (sums[last + 1] - sums[first]) * powers.down[first]
    hashes ^= np.concatenate(salts)
    hashes *= np.uint64(_MIXER)
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(_MIXER)
    ids = (hashes >> np.uint64(64 - bits)).astype(np.int32)
    of = owner[at]
    by_word = np.split(ids[np.argsort(of, kind="stable")], np.cumsum(np.bincount(of, minlength=len(words)))[:-1])
    shifts = powers.up[lengths - 1]
    numbers = zip(own.tolist(), before.tolist(), shifts.tolist(), strict=True)
    # A copy each, so that no word keeps those that it was read with.
    return [WordGrams(some.copy(), *of_word) for some, of_word in zip(by_word, numbers, strict=True)]


_ALL: Final = 2**64 - 1
_BASE: Final = 0x9E3779B97F4A7C15
_MIXER: Final = 0xD6E8FEB86659FD93
# By kind of gram, so that a word of three letters is not the run of its letters.
_SALTS: Final = np.array([(kind * _BASE) % 2**64 for kind in range(max(_RUNS) + 1)], dtype=np.uint64)
_PAIR_SALT: Final = int(_SALTS[_PAIR])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Powers:
    up: _Hashes
    down: _Hashes


@lru_cache
def _powers(bits: int) -> _Powers:
    """Return the first ``2 ** bits`` powers of the base and of its inverse, modulo 2 ** 64."""
    count = 2**bits
    up, down = np.ones(count, dtype=np.uint64), np.ones(count, dtype=np.uint64)
    up[1:], down[1:] = np.uint64(_BASE), np.uint64(pow(_BASE, -1, 2**64))
    return _Powers(up=np.cumprod(up, dtype=np.uint64), down=np.cumprod(down, dtype=np.uint64))
