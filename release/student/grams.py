"""Hashed n-grams of text: its words, pairs of words, and runs of three to five characters, spaces included.

The hash of every substring follows from prefix sums of one polynomial (Karp & Rabin, "Efficient randomized
pattern-matching algorithms", 1987), so that no loop runs over characters. Training and serving use this code, so a
gram has the same number in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_CHARACTERS", "Grams", "gram_ids"]

MAX_CHARACTERS: Final = 256
"""Characters of a text that are read; normalised queries are no longer."""

_RUNS: Final = (3, 4, 5)
_WORD, _PAIR = 1, 2
_SPACE: Final = 32
_AT_ONCE: Final = 256
"""Texts hashed in one pass, which bounds the memory of a pass."""

Ids = npt.NDArray[np.int32]
_Hashes = npt.NDArray[np.uint64]
_Places = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Grams:
    """The grams of texts, one text after the other: those of text i are ``ids[starts[i]:starts[i + 1]]``."""

    ids: Ids
    starts: _Places

    def padded(self, filler: int) -> Ids:
        """Return one row a text, (texts, most grams of any) int32, filled up on the right."""
        counts = np.diff(self.starts)
        longest = int(counts.max(initial=0))
        if len(counts) == 1:
            return self.ids[None, :]
        rows = np.full((len(counts), longest), filler, dtype=np.int32)
        rows[np.arange(longest) < counts[:, None]] = self.ids
        return rows


def gram_ids(texts: Sequence[str], *, bits: int) -> Grams:
    """Return the grams of normalised texts as numbers below ``2 ** bits``; only 256 characters of a text are read.

    An empty text has none. The order of grams within a text says nothing.
    """
    if len(texts) == 1:
        ids = _one(texts[0], bits)
        return Grams(ids=ids, starts=np.array([0, len(ids)]))
    parts, counts = [], []
    for start in range(0, len(texts), _AT_ONCE):
        ids, per_text = _many(texts[start : start + _AT_ONCE], bits)
        parts.append(ids)
        counts.append(per_text)
    if not parts:
        return Grams(ids=np.empty(0, dtype=np.int32), starts=np.zeros(1, dtype=np.intp))
    return Grams(ids=np.concatenate(parts), starts=np.concatenate([[0], np.cumsum(np.concatenate(counts))]))


def _characters(text: str) -> npt.NDArray[np.uint32]:
    return np.frombuffer(f" {text[:MAX_CHARACTERS]} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _one(text: str, bits: int) -> Ids:
    if not text:
        return np.empty(0, dtype=np.int32)
    characters = _characters(text)
    places = _runs_of(len(characters))
    spaces = np.flatnonzero(characters == _SPACE)
    starts, ends = spaces[:-1] + 1, spaces[1:]
    pairs = len(starts) - 1
    return _numbers(
        characters,
        np.concatenate((places.starts, starts, starts[:pairs])),
        np.concatenate((places.ends, ends, ends[1:])),
        np.concatenate((places.salts, _SALTS[_WORD].repeat(len(starts)), _SALTS[_PAIR].repeat(pairs))),
        bits,
    )


def _many(texts: Sequence[str], bits: int) -> tuple[Ids, _Places]:
    """Hash texts laid end to end; what would reach from one into the next is left out."""
    pieces = [_characters(text) if text else np.empty(0, dtype=np.uint32) for text in texts]
    lengths = np.array([len(piece) for piece in pieces])
    characters = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.uint32)
    owner = np.repeat(np.arange(len(texts)), lengths)
    starts, ends, salts = [], [], []
    for run in _RUNS:
        first = np.flatnonzero(owner[run - 1 :] == owner[: len(owner) - run + 1]) if len(owner) >= run else owner[:0]
        starts.append(first)
        ends.append(first + run)
        salts.append(_SALTS[run].repeat(len(first)))
    spaces = np.flatnonzero(characters == _SPACE)
    inside = owner[spaces[:-1]] == owner[spaces[1:]]
    words, word_ends = spaces[:-1][inside] + 1, spaces[1:][inside]
    together = owner[words[:-1]] == owner[words[1:]]
    starts += [words, words[:-1][together]]
    ends += [word_ends, word_ends[1:][together]]
    salts += [_SALTS[_WORD].repeat(len(words)), _SALTS[_PAIR].repeat(len(starts[-1]))]
    at = np.concatenate(starts)
    ids = _numbers(characters, at, np.concatenate(ends), np.concatenate(salts), bits)
    of = owner[at]
    return ids[np.argsort(of, kind="stable")], np.bincount(of, minlength=len(texts))


def _numbers(characters: npt.NDArray[np.uint32], starts: _Places, ends: _Places, salts: _Hashes, bits: int) -> Ids:
    powers = _powers(len(characters).bit_length())
    sums = np.zeros(len(characters) + 1, dtype=np.uint64)
    np.cumsum((characters + np.uint64(1)) * powers.up[: len(characters)], out=sums[1:])
    # Shifted back to the start of the text, a gram has one hash wherever it stands.
    hashes = (sums[ends] - sums[starts]) * powers.down[starts]
    hashes ^= salts
    hashes *= _MIXER
    hashes ^= hashes >> np.uint64(32)
    hashes *= _MIXER
    return (hashes >> np.uint64(64 - bits)).astype(np.int32)


_BASE: Final = 0x9E3779B97F4A7C15
_MIXER: Final = np.uint64(0xD6E8FEB86659FD93)
# By kind of gram, so that a word of three letters is not the run of its letters.
_SALTS: Final = np.array([(kind * _BASE) % 2**64 for kind in range(max(_RUNS) + 1)], dtype=np.uint64)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Runs:
    starts: _Places
    ends: _Places
    salts: _Hashes


@lru_cache(maxsize=MAX_CHARACTERS + 2)
def _runs_of(length: int) -> _Runs:
    """Return where the runs of characters of a text lie, which depends on its length alone."""
    starts = [np.arange(max(0, length - run + 1)) for run in _RUNS]
    ends = [start + run for start, run in zip(starts, _RUNS, strict=True)]
    salts = [_SALTS[run].repeat(len(start)) for start, run in zip(starts, _RUNS, strict=True)]
    return _Runs(starts=np.concatenate(starts), ends=np.concatenate(ends), salts=np.concatenate(salts))
