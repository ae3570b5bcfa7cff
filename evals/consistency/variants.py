"""Other ways to type a query: with a slip of the finger, in another order, in another number, in another dress.

Every choice is seeded by the query itself, so that a query has the same variants whatever it is asked with. Number is
English; words that are not written in letters are left alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from domain.text import normalise

__all__ = ["FORMS", "VARIANTS", "Variant", "VariantKind", "variants_of"]

VariantKind = Literal[
    "typo_swap",
    "typo_drop",
    "typo_double",
    "typo_neighbour",
    "word_order",
    "number",
    "case",
    "spacing",
    "punctuation",
    "retyped",
    "spelling",
    "synonym",
]

VARIANTS: dict[VariantKind, str] = {
    "typo_swap": "two letters change places",
    "typo_drop": "a letter is missing",
    "typo_double": "a letter is there twice",
    "typo_neighbour": "a letter is the next one on the keyboard",
    "word_order": "two words that stand side by side change places",
    "number": "the last word in the plural, or in the singular where it is plural",
    "case": "in capitals",
    "spacing": "with more space",
    "punctuation": "with an exclamation mark",
    "retyped": "what shoppers typed in its place",
    "spelling": "the spelling rewrite of its own answer",
    "synonym": "the synonym rewrite of its own answer",
}
"""Every kind of variant, with what it is, in the order of a report."""

FORMS: frozenset[VariantKind] = frozenset(("case", "spacing", "punctuation"))
"""Kinds that mean the same query, and are the same after normalisation: the answer has to be the same as well."""

_SHORTEST = 4
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SIBILANTS = ("s", "x", "z", "ch", "sh")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A query and another way to type it."""

    query: str
    kind: VariantKind
    text: str


def variants_of(query: str, *, seed: int = 0) -> tuple[Variant, ...]:
    """Return the variants of a query in normal form that can be made of it, at most one of each kind.

    A typo is in a word of four letters or more and never in its first letter. Kinds other than `FORMS` differ from the
    query in normal form.
    """
    found = []
    for kind, make in _MAKERS.items():
        text = make(query, random.Random(f"{seed} {kind} {query}"))
        if text is not None and (kind in FORMS or normalise(text) not in ("", query)):
            found.append(Variant(query=query, kind=kind, text=text))
    return tuple(found)


def _typo(change: Callable[[str, int], str | None]) -> Callable[[str, random.Random], str | None]:
    """Return what makes a slip where it shows; `change` gets a word and the place of a letter, never the first."""

    def make(query: str, rng: random.Random) -> str | None:
        words = query.split(" ")
        slips = [
            (place, slip)
            for place, word in enumerate(words)
            if len(word) >= _SHORTEST and word.isalpha()
            for at in range(1, len(word))
            if (slip := change(word, at)) not in (None, word)
        ]
        if not slips:
            return None
        place, slip = rng.choice(slips)
        return " ".join([*words[:place], str(slip), *words[place + 1 :]])

    return make


def _swap(word: str, at: int) -> str | None:
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :] if at + 1 < len(word) else None


def _drop(word: str, at: int) -> str:
    return word[:at] + word[at + 1 :]


def _double(word: str, at: int) -> str:
    return word[:at] + word[at] + word[at:]


def _neighbour(word: str, at: int) -> str | None:
    row = next((row for row in _ROWS if word[at] in row), "")
    # The key to the right, or to the left of the last: one choice a letter, and the place is drawn.
    beside = row[row.index(word[at]) + 1 :][:1] or row[-2:-1] if row else ""
    return word[:at] + beside + word[at + 1 :] if beside else None


def _word_order(query: str, rng: random.Random) -> str | None:
    words = query.split(" ")
    apart = [i for i in range(len(words) - 1) if words[i] != words[i + 1]]
    if not apart:
        return None
    i = rng.choice(apart)
    return " ".join([*words[:i], words[i + 1], words[i], *words[i + 2 :]])


def _number(query: str, _: random.Random) -> str | None:
    rest, space, last = query.rpartition(" ")
    if len(last) < _SHORTEST or not (last.isascii() and last.isalpha()):
        return None
    return rest + space + (_singular(last) or _plural(last))


def _singular(word: str) -> str | None:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return None
    if word.endswith("ies") and len(word) > _SHORTEST:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith("es") and word[:-2].endswith(_SIBILANTS) else word[:-1]


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(_SIBILANTS) else f"{word}s"


_MAKERS: dict[VariantKind, Callable[[str, random.Random], str | None]] = {
    "typo_swap": _typo(_swap),
    "typo_drop": _typo(_drop),
    "typo_double": _typo(_double),
    "typo_neighbour": _typo(_neighbour),
    "word_order": _word_order,
    "number": _number,
    "case": lambda query, _: query.upper(),
    "spacing": lambda query, _: f"  {query.replace(' ', '   ')} ",
    "punctuation": lambda query, _: f"{query}!",
}
