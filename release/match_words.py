"""What the words of a query and of a text say of whether they match: which are held, where, and what is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from domain.constraint_words import ACCESSORIES
from domain.constraints import Constraint, ConstraintKind, constraints_of, keeps
from domain.text import MAX_QUERY_LENGTH
from release.likeness import lacking, same_words, within, words_of

__all__ = ["WORD_SIGNS", "Lexicon", "TextWords", "word_signs"]

WORD_SIGNS: Final = (
    "held",
    "held by weight",
    "held by what it is",
    "all held",
    "last held",
    "last held by what it is",
    "last at",
    "same",
    "asked",
    "query words",
    "text words",
    "digits",
    "accessory unasked",
    "accessory missing",
    "for a device",
    "constraints",
    "constraints kept",
    "model lost",
    "size lost",
    "brand asked",
    "brand kept",
    "only a brand",
    "another brand",
)
"""Names of what `word_signs` returns, in order.

``held`` is a share of the query's words, ``asked`` of the text's; ``what it is`` stands before "for" and the like;
``last`` is the query's last word, which in English names the thing.
"""

_BEHIND: Final = re.compile(r"(?<!\w)(?:for|fits?|compatible with|works with|designed for|to clean)(?!\w)")
_TOKEN: Final = re.compile(r"\S+")
_LONGEST_BRAND: Final = 3
_MOST_CONSTRAINTS: Final = 8
_ACCESSORIES: Final = frozenset(ACCESSORIES)
_MODELS: Final[frozenset[ConstraintKind]] = frozenset(("model", "compatibility"))
_SIZES: Final[frozenset[ConstraintKind]] = frozenset(("size",))


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """What a catalogue says of words.

    Attributes:
        weights: Inverse document frequency of words that many titles have.
        rarest: The same of all others.
        brands: Normal forms of the brands.
    """

    weights: Mapping[str, float]
    rarest: float
    brands: frozenset[str]

    def weight(self, words: Sequence[str]) -> float:
        """Return the sum of words' weights."""
        return sum(self.weights.get(word, self.rarest) for word in words)

    def brands_in(self, text: str) -> Iterator[str]:
        """Yield the brands that a normalised text names, in their order, the longest of those that begin together."""
        tokens = _TOKEN.findall(text)
        at = 0
        while at < len(tokens):
            for size in range(min(_LONGEST_BRAND, len(tokens) - at), 0, -1):
                if (name := " ".join(tokens[at : at + size])) in self.brands:
                    yield name
                    at += size
                    break
            else:
                at += 1


class TextWords:
    """What is read once of a normalised text, whatever it is held against: of its first 256 characters."""

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text = text[:MAX_QUERY_LENGTH]
        self.words = words_of(self.text)
        self._lexicon = lexicon

    @cached_property
    def what(self) -> Sequence[str]:
        """The words before what says what it goes with; all where nothing is before it."""
        behind = _BEHIND.search(self.text)
        return (words_of(self.text[: behind.start()]) if behind else []) or self.words

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """Its first hard constraints: to look for each in another text takes time."""
        return constraints_of(self.text)[:_MOST_CONSTRAINTS]

    @cached_property
    def brands(self) -> tuple[str, ...]:
        """The brands that it names."""
        return tuple(self._lexicon.brands_in(self.text))

    @cached_property
    def accessories(self) -> frozenset[str]:
        """Words of things that are bought to go with another."""
        found = {word if word in _ACCESSORIES else word.removesuffix("s") for word in self.words}
        return frozenset(found & _ACCESSORIES)


def word_signs(query: TextWords, text: TextWords, lexicon: Lexicon) -> list[float]:
    """Return `WORD_SIGNS` of a query and a text."""
    asked, said = query.words, text.words
    missing = lacking(asked, said)
    missing_what = missing if text.what is said else lacking(asked, text.what)
    last = asked[-1:]
    some = bool(asked)
    kept = [keeps(text.text, constraint) for constraint in query.constraints]
    lost = {constraint.kind for constraint, held in zip(query.constraints, kept, strict=True) if not held}
    branded = {word for brand in query.brands for word in words_of(brand)}
    brand_kept = set(query.brands) <= set(text.brands)
    return [
        some - len(missing) / max(1, len(asked)),
        some - lexicon.weight(missing) / max(1e-6, lexicon.weight(asked)),
        some - len(missing_what) / max(1, len(asked)),
        float(some and not missing),
        float(some and within(last, said)),
        float(some and within(last, text.what)),
        _place(last, said),
        float(same_words(asked, said)),
        bool(said) - len(lacking(said, asked)) / max(1, len(said)),
        math.log1p(len(asked)),
        math.log1p(len(said)),
        sum(map(_has_digit, asked)) / max(1, len(asked)),
        float(bool(text.accessories - query.accessories)),
        float(bool(query.accessories - text.accessories)),
        float(any(constraint.kind == "compatibility" for constraint in text.constraints)),
        float(len(kept)),
        sum(kept) / max(1, len(kept)),
        float(bool(lost & _MODELS)),
        float(bool(lost & _SIZES)),
        float(bool(query.brands)),
        float(bool(query.brands) and brand_kept),
        float(bool(query.brands) and branded >= set(asked)),
        float(bool(query.brands and text.brands) and not set(query.brands) & set(text.brands)),
    ]


def _place(last: Sequence[str], words: Sequence[str]) -> float:
    """Return how far behind the beginning a word first stands, in [0, 1); 1 where it does not, or is none."""
    at = next((i for i, other in enumerate(words) if last and within(last, [other])), None)
    return 1.0 if at is None else at / len(words)


def _has_digit(word: str) -> bool:
    return any(map(str.isdecimal, word))
