"""Labelled queries in three parts, each for one purpose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from domain.context import DomainContext

__all__ = ["Split", "split_queries"]

_TRAINING, _VALIDATION = 0.4, 0.3


@dataclass(frozen=True, kw_only=True)
class Split:
    """Queries to learn from, to choose a prompt by, and to report on, which the search never sees."""

    training: tuple[DomainContext, ...]
    validation: tuple[DomainContext, ...]
    held_back: tuple[DomainContext, ...]


def split_queries(contexts: Iterable[DomainContext], *, seed: int) -> Split:
    """Part queries by a hash of seed and query, about 40, 30 and 30 in a hundred.

    A query stays in its part whatever others come or go, so that what was once held back is never learnt from later.
    """
    parts: tuple[list[DomainContext], ...] = ([], [], [])
    for context in contexts:
        digest = sha256(f"{seed}:{context.query}".encode("utf-8", "surrogatepass")).digest()
        place = int.from_bytes(digest[:8]) / 2**64
        parts[(place >= _TRAINING) + (place >= _TRAINING + _VALIDATION)].append(context)
    training, validation, held_back = (tuple(sorted(part, key=lambda c: c.query)) for part in parts)
    return Split(training=training, validation=validation, held_back=held_back)
