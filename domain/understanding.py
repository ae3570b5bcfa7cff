"""The answer for one query: the same type for the model's answer, the file and the HTTP response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import TypeAdapter

__all__ = [
    "Annotation",
    "AnnotationType",
    "Category",
    "Discovery",
    "Reason",
    "Rewrite",
    "RewriteType",
    "Source",
    "Specificity",
    "Understander",
    "Understanding",
    "understanding_adapter",
]

Source = Literal["head", "tail", "fallback"]
Reason = Literal["precomputed", "model", "backed_off_to_parent", "abstained_low_confidence", "empty_query", "degraded"]
AnnotationType = Literal[
    "product_type",
    "brand",
    "attribute",
    "dietary",
    "size",
    "color",
    "material",
    "audience",
    "occasion",
    "price",
]
RewriteType = Literal["spelling", "synonym", "broader", "substitute"]
Specificity = Literal["broad", "category", "specific", "navigational"]


@dataclass(frozen=True, kw_only=True)
class Category:
    """A category of the shop's taxonomy that shoppers expect.

    ``path`` runs from the root to the category itself; ``confidence`` is in [0, 1], or None where none is known.
    """

    id: str
    path: tuple[str, ...]
    confidence: float | None


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A span of the normalised query, ``text == normalized[start:end]`` in characters; ``value`` is the shop's form."""

    text: str
    start: int
    end: int
    type: AnnotationType
    value: str


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """Another query, in normal form, that serves the same need or the nearest one the shop can serve."""

    query: str
    type: RewriteType
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """One idea of discovery content with the products that show it."""

    label: str
    query: str
    category_id: str
    product_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Understanding:
    """What shoppers of one shop mean by a query. ``query`` is as it was sent, the rest follows from ``normalized``."""

    query: str
    normalized: str
    source: Source
    reason: Reason
    release: str
    categories: tuple[Category, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    substitutes: tuple[Discovery, ...] = ()
    complements: tuple[Discovery, ...] = ()
    next_queries: tuple[str, ...] = ()
    specificity: Specificity | None = None
    borrowed_from: str | None = None


understanding_adapter: TypeAdapter[Understanding] = TypeAdapter(Understanding)


class Understander(Protocol):
    """Anything that answers queries: teacher, student, head store, a cascade of them, a baseline, a fake."""

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query, in order. Never raises on the text of a query."""
        ...
