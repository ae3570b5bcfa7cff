"""The precomputed answers of a release, one at a time, as far as they become rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from domain import Understanding, normalise
from domain.understanding import AnnotationType, understanding_adapter
from release.answers import echo
from release.exports.rule import Kind
from release.head import HeadStore, key_of
from release.manifest import HEAD

__all__ = ["CACHED", "Answers", "Heard", "Known", "Said"]

CACHED: Final = 1 << 14
"""Answers that are kept for being asked again, and what follows of them."""

_SPELLING: Final = b'"spelling"'
_PRODUCT: Final[frozenset[AnnotationType]] = frozenset({"product_type", "brand"})


@dataclass(frozen=True, kw_only=True)
class Said:
    """That a label calls `target` a rewrite of `query`, or the category that its shoppers expect."""

    kind: Kind
    query: str
    target: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One answer.

    Attributes:
        query: In normal form.
        categories: Ids.
        shelves: The categories with a confidence, each once.
        sure: The confidence of the first category; 0 where there is none.
        product: Whether a kind of product or a brand was marked in the query.
        value: The shop's form of what was marked, in normal form, where that is the whole query; else empty.
        said: The rewrites whose target is in normal form.
        not_normal: How many others there are.
    """

    query: str
    categories: tuple[str, ...]
    shelves: tuple[Said, ...]
    sure: float
    product: bool
    value: str
    said: tuple[Said, ...]
    not_normal: int


@dataclass(frozen=True, kw_only=True)
class Known:
    """An answer, and what counts of the rewrites of its label."""

    answer: Heard
    said: tuple[Said, ...]

    @property
    def is_mended(self) -> bool:
        """Whether the query is misspelt, and mended first."""
        return any(one.kind == "spelling" for one in self.said)


class Answers:
    """Reads answers from the release each time: some are asked for again and again, and all are never held.

    Args:
        folder: Of the release.
    """

    def __init__(self, folder: Path) -> None:
        self._store = HeadStore(folder / HEAD)
        self.of = lru_cache(CACHED)(self._of)
        self._misspelt = {hash(key) for key, value in self._store if _SPELLING in value}

    def __iter__(self) -> Iterator[Heard]:
        """Yield every answer, in the order of the release: that of their keys."""
        return (_heard(understanding_adapter.validate_json(echo("", value))) for _, value in self._store)

    def may_be_misspelt(self, query: str) -> bool:
        """Return whether the answer for a query may have a spelling in it; most have none, and need not be read."""
        return hash(key_of(query)) in self._misspelt

    def close(self) -> None:
        """Let go of the release."""
        self._store.close()

    def _of(self, query: str) -> Heard | None:
        value = self._store.get(query)
        return None if value is None else _heard(understanding_adapter.validate_json(echo("", value)))


def _heard(answer: Understanding) -> Heard:
    query = answer.normalized
    first = answer.categories[0].confidence if answer.categories else None
    whole = [a.value for a in answer.annotations if a.text == query]
    # Each once, as sure as where it stands first.
    shelves = {
        c.id: Said(kind="category", query=query, target=c.id, confidence=c.confidence)
        for c in reversed(answer.categories)
        if c.confidence is not None
    }
    normal = [r for r in answer.rewrites if r.query and normalise(r.query) == r.query]
    return Heard(
        query=query,
        categories=tuple(category.id for category in answer.categories),
        shelves=tuple(shelves.values()),
        sure=first or 0.0,
        product=any(a.type in _PRODUCT for a in answer.annotations),
        value=normalise(whole[0]) if whole else "",
        said=tuple(Said(kind=r.type, query=query, target=r.query, confidence=r.confidence) for r in normal),
        not_normal=len(answer.rewrites) - len(normal),
    )
