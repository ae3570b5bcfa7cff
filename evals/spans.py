"""Spans of a query: where a label stands in the normal form, and how far two sets of spans agree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from domain.text import normalise
from domain.understanding import AnnotationType

__all__ = ["Place", "Span", "agree_exactly", "find_place", "overlap_any"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Characters [start, end) of a normalised query."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Span:
    """A typed place in a normalised query."""

    place: Place
    type: AnnotationType


def find_place(text: str, start: int | None, *, query: str, normalized: str) -> Place:
    """Return where a labelled text stands in the normal form of its query.

    Raters see the query as it was typed and the answer speaks of its normal form, so a `start` may count in either.
    Without a `start` the first occurrence is taken, whole words before parts of words.

    Raises:
        ValueError: the text does not stand in the query, or not at `start`.
    """
    wanted = normalise(text)
    found = [i for i in range(len(normalized)) if normalized.startswith(wanted, i)] if wanted else []
    if not found:
        raise ValueError(f"{text[:50]!r} is not in the query")
    found = [i for i in found if _whole_words(normalized, i, i + len(wanted))] or found
    if start is None:
        at = found[0]
    elif query[start : start + len(text)] == text:
        expected = len(normalise(query[:start]))
        at = min(found, key=lambda i: abs(i - expected))
    elif start in found:
        at = start
    else:
        raise ValueError(f"{text[:50]!r} is not at {start}")
    return Place(start=at, end=at + len(wanted))


def _whole_words(text: str, start: int, end: int) -> bool:
    return text[start - 1 : start] in ("", " ") and text[end : end + 1] in ("", " ")


def agree_exactly(span: Span, others: Collection[Span]) -> bool:
    """Whether a span of the same place and type is among the others."""
    return span in others


def overlap_any(span: Span, others: Collection[Span]) -> bool:
    """Whether a span of the same type shares a character with one of the others."""
    return any(
        span.type == other.type and span.place.start < other.place.end and other.place.start < span.place.end
        for other in others
    )
