"""What the student is taught: queries with the share of their demand by category.

Sources: the teacher's labels; the top-converting categories of queries that were not labelled; pseudo-queries of the
catalogue; category names; and strings that mean nothing. `distill.split` keeps labels and behaviour of the gold from
them, and of queries nearly in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from domain.context import DomainContext
from domain.label import Label
from domain.text import normalise
from domain.understanding import Specificity

__all__ = ["NONE", "Example", "Source", "behaviour_examples", "label_examples", "nonsense"]

Source = Literal["labels", "behaviour", "catalogue", "names", "nonsense"]

NONE = ""
"""In place of a category id: none of them."""

_LEAST_CONFIDENCE = 0.35
_LEAST_EVENTS = 3
_MOST_CATEGORIES = 5
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SCRIPTS = ((0x0430, 0x044F), (0x0627, 0x064A), (0x0905, 0x0939), (0x4E00, 0x9FA5), (0x3041, 0x3096), (0xAC00, 0xD7A3))
_SIGNS = ((0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x2500, 0x257F), (0x2600, 0x26FF))


@dataclass(frozen=True, kw_only=True)
class Example:
    """A normalised query with shares by category id that sum to 1; `NONE` is the share of no category."""

    query: str
    shares: Mapping[str, float]
    source: Source
    specificity: Specificity | None = None


def label_examples(labels: Iterable[Label]) -> list[Example]:
    """Return what the teacher says: shares by its confidence, and none where it abstained."""
    examples = []
    for label in labels:
        sure = {c.id: c.confidence if c.confidence is not None else 0.5 for c in label.understanding.categories}
        shares = _shares({i: s for i, s in sure.items() if s >= _LEAST_CONFIDENCE}) if sure else {NONE: 1.0}
        if shares:
            specificity = label.understanding.specificity
            examples.append(Example(query=label.query, shares=shares, source="labels", specificity=specificity))
    return examples


def behaviour_examples(contexts: Iterable[DomainContext]) -> list[Example]:
    """Return what the log says of queries with evidence enough."""
    examples = []
    for context in contexts:
        own = [c for c in context.categories if c.is_own and c.events >= _LEAST_EVENTS]
        shares = _shares({c.category_id: c.share for c in own[:_MOST_CATEGORIES]})
        if shares:
            examples.append(Example(query=context.query, shares=shares, source="behaviour"))
    return examples


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {i: weight / total for i, weight in weights.items()} if total > 0 else {}


def nonsense(rng: random.Random, count: int) -> list[Example]:
    """Return strings that mean nothing in any shop: runs of keys, letters and digits, signs, and letters of scripts.

    A shop whose own language is written in one of these scripts has its words in labels, log and catalogue, which
    outweigh strings of letters at random.
    """
    makers = (_keys, _letters, _digits, _script, _sign)
    queries = (_some(makers[i % len(makers)], rng) for i in range(count))
    return [Example(query=query, shares={NONE: 1.0}, source="nonsense") for query in queries]


def _some(make: Callable[[random.Random], str], rng: random.Random) -> str:
    """Return what is made as it will be read, normalised; where nothing is left of it, another."""
    while not (query := normalise(make(rng))):
        pass
    return query


def _keys(rng: random.Random) -> str:
    row = rng.choice(_ROWS)
    start, length = rng.randrange(len(row) - 3), rng.randint(4, 9)
    run = row[start : start + length]
    return (run[::-1] if rng.random() < 0.3 else run) * rng.randint(1, 2)


def _letters(rng: random.Random) -> str:
    words = ("".join(rng.choices(_LETTERS, k=rng.randint(3, 10))) for _ in range(rng.randint(1, 3)))
    return " ".join(words) if rng.random() < 0.8 else rng.choice(_LETTERS) * rng.randint(4, 12)


def _digits(rng: random.Random) -> str:
    groups = ("".join(rng.choices("0123456789", k=rng.randint(2, 6))) for _ in range(rng.randint(2, 4)))
    return rng.choice(("-", " ", "")).join(groups)


def _script(rng: random.Random) -> str:
    low, high = rng.choice(_SCRIPTS)
    words = ("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(2, 7))) for _ in range(rng.randint(1, 4)))
    return " ".join(words)


def _sign(rng: random.Random) -> str:
    low, high = rng.choice(_SIGNS)
    return "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 8)))
