"""Queries as shoppers mistype and shorten them, for training.

How often which slip happens is counted in the log, where a shopper typed one query and then another that differs by
one slip; a handful of counts per kind is assumed beforehand, so that a log without any such pair works too.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Noise", "Slip", "learn_noise", "slip_between"]

Slip = Literal["drop", "double", "swap", "replace", "insert", "glue", "split"]

_ASSUMED: dict[Slip, int] = {"drop": 6, "double": 3, "swap": 6, "replace": 4, "insert": 3, "glue": 4, "split": 1}
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How shoppers mistype: the share of each kind of slip, and which letter is hit for which.

    Attributes:
        slips: Kinds with their weights.
        replaced: For each letter, what is typed in its place, with counts.
        mistyped: Share of texts that get a slip.
        shortened: Share of texts of three words and more that lose a word, and of texts whose last word goes from one
            number to the other.
        shuffled: Share of texts of two words and more whose words change places.
    """

    slips: dict[Slip, float]
    replaced: dict[str, dict[str, int]]
    mistyped: float = 0.3
    shortened: float = 0.08
    shuffled: float = 0.08

    def __call__(self, text: str, rng: random.Random) -> str:
        """Return a normalised text as it might have been typed, spaced as one; often as it is, never empty."""
        words = text.split()
        if len(words) > 2 and rng.random() < self.shortened:
            words.pop(rng.randrange(len(words)))
        if len(words) > 1 and rng.random() < self.shuffled:
            rng.shuffle(words)
        if words and rng.random() < self.shortened:
            words[-1] = _other_number(words[-1])
        typed = " ".join(words)
        if rng.random() < self.mistyped:
            [slip] = rng.choices(tuple(self.slips), tuple(self.slips.values()))
            # A word of one letter that was dropped leaves two spaces.
            typed = " ".join(self._slip(typed, slip, rng).split())
        return typed or text

    def _slip(self, text: str, slip: Slip, rng: random.Random) -> str:
        if len(text) < 4:
            return text
        i = rng.randrange(1, len(text) - 1)
        if slip == "glue":
            spaces = [at for at, char in enumerate(text) if char == " "]
            at = rng.choice(spaces) if spaces else i
            return text[:at] + text[at + 1 :] if spaces else text
        if slip == "split":
            return text if " " in text[i - 1 : i + 1] else f"{text[:i]} {text[i:]}"
        if text[i] == " " or any(char.isdigit() for char in text[i : i + 2]):
            return text  # another figure is another need
        if slip == "drop":
            return text[:i] + text[i + 1 :]
        if slip == "double":
            return text[:i] + text[i] + text[i:]
        if slip == "swap":
            return text if text[i + 1] == " " else text[:i] + text[i + 1] + text[i] + text[i + 2 :]
        typed = self._neighbour(text[i], rng)
        return text[:i] + typed + text[i + (slip == "replace") :]

    def _neighbour(self, letter: str, rng: random.Random) -> str:
        seen = self.replaced.get(letter)
        if seen and rng.random() < 0.5:
            return rng.choices(tuple(seen), tuple(seen.values()))[0]
        for row in _ROWS:
            at = row.find(letter)
            if at >= 0:
                return rng.choice(row[max(0, at - 1) : at] + row[at + 1 : at + 2])
        return rng.choice(_LETTERS)


def learn_noise(reformulations: Iterable[tuple[str, str, int]]) -> Noise:
    """Count the slips between what was typed and what was typed next.

    Args:
        reformulations: Query, next query and how often; pairs that differ by more than one slip say nothing.
    """
    slips = Counter(_ASSUMED)
    replaced: dict[str, Counter[str]] = {}
    for typed, meant, count in reformulations:
        slip = slip_between(meant, typed)
        if slip is None:
            continue
        slips[slip] += count
        if slip == "replace":
            [(was, now)] = [(a, b) for a, b in zip(meant, typed, strict=True) if a != b]
            replaced.setdefault(was, Counter())[now] += count
    total = slips.total()
    return Noise(
        slips={slip: slips[slip] / total for slip in _ASSUMED},
        # In order of the alphabet, so that what is drawn with a seed does not hang on the order of the log.
        replaced={letter: dict(sorted(counts.items())) for letter, counts in sorted(replaced.items())},
    )


def slip_between(meant: str, typed: str) -> Slip | None:
    """Return the one slip that turns what was meant into what was typed, or None.

    One figure for another is another need, and one number for the other is no slip but the shopper's choice.
    """
    if meant == typed or _figures(meant) != _figures(typed) or _singular(meant) == _singular(typed):
        return None
    if meant.replace(" ", "") == typed.replace(" ", ""):
        return {-1: "glue", 1: "split"}.get(len(typed) - len(meant))  # type: ignore[return-value]
    start = next((i for i, (a, b) in enumerate(zip(meant, typed, strict=False)) if a != b), min(len(meant), len(typed)))
    rest, other = meant[start:], typed[start:]
    if len(meant) == len(typed):
        if rest[1:] == other[1:]:
            return None if " " in (rest[0], other[0]) else "replace"
        return "swap" if rest[:2] == other[1::-1] and rest[2:] == other[2:] else None
    if rest[1:] == other:
        return "drop"
    if rest == other[1:]:
        return "double" if start and other[0] == typed[start - 1] else "insert"
    return None


def _figures(text: str) -> str:
    return re.sub(r"\D", "", text)


def _singular(text: str) -> str:
    return " ".join(re.sub(r"(?<=[^s])s$", "", word) for word in text.split())


def _other_number(word: str) -> str:
    """Return the plural of a singular and the other way round, as English mostly does."""
    if len(word) < 4 or not word.isalpha():
        return word
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else f"{word}s"
