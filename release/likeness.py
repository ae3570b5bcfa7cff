"""How the words of two texts stand to each other: whether they are the same but for number, order and slips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

__all__ = ["is_respelt", "lacking", "same_words", "within", "words_of"]

_SLIPPED: Final = 6
"""Letters from which on one wrong letter makes a misspelling, and not another word as in "pears" and "peas"."""

_REMEMBERED: Final = 1 << 11
_FILLING: Final = frozenset(("a", "an", "and", "by", "for", "from", "in", "n", "of", "on", "or", "the", "to", "with"))
_WORD: Final = re.compile(r"[\w%]+")
_SIBILANTS: Final = ("oes", "xes", "ches", "shes", "sses")


@lru_cache(maxsize=_REMEMBERED)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a normalised text in their order, articles and the like left out."""
    return tuple(word for word in _WORD.findall(text) if word not in _FILLING)


def lacking(words: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return the words that are not among others, in whatever number and with whatever slip."""
    known = _singulars(tuple(others))
    missing = [word for word in words if _singular(word) not in known]
    return [word for word in missing if not _is_slip(word, others)] if missing else missing


def within(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether all words are among others, in whatever number and with whatever slip."""
    known = _singulars(tuple(others))
    for word in words:  # noqa: SIM110  # a generator would cost twice as much
        if _singular(word) not in known and not _is_slip(word, others):
            return False
    return True


def same_words(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two texts have the same words in any order, or the same letters split in another way."""
    if not words or not others:
        return False
    return _joined(tuple(words)) == _joined(tuple(others)) or (within(words, others) and within(others, words))


def is_respelt(words: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two texts that have the same words write them otherwise: with a slip, or split in another way."""
    return sorted(map(_singular, words)) != sorted(map(_singular, others))


@lru_cache(maxsize=_REMEMBERED)
def _joined(words: tuple[str, ...]) -> str:
    return "".join(map(_singular, words))


@lru_cache(maxsize=_REMEMBERED)
def _singulars(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(_singular, words))


@lru_cache(maxsize=_REMEMBERED)
def _singular(word: str) -> str:
    """Return a word without the ending of an English plural, for comparison alone."""
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(_SIBILANTS) else word[:-1]


def _is_slip(word: str, others: Sequence[str]) -> bool:
    if len(word) < _SLIPPED - 1:
        return False
    for other in others:  # noqa: SIM110  # a generator would cost twice as much
        if word[0] == other[0] and _slipped(word, other):
            return True
    return False


def _slipped(word: str, other: str) -> bool:
    """Whether one letter too many, missing, changed or swapped with the next makes one word the other.

    Both begin alike: who mistypes a word begins it right, as a rule; "craisins" are no raisins.
    """
    if not -1 <= len(word) - len(other) <= 1:
        return False
    short, long = (word, other) if len(word) < len(other) else (other, word)
    if len(long) < _SLIPPED or not (long.isalpha() and short.isalpha()):
        return False
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    end = 0
    while end < len(short) - start and short[-1 - end] == long[-1 - end]:
        end += 1
    left, right = short[start : len(short) - end], long[start : len(long) - end]
    return len(right) <= 1 or (len(right) == 2 and left == right[::-1])
