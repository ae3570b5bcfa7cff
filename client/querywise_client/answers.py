"""What the service answers, as values.

Closed sets are ``Literal | str``: what is known today is spelled out, and a newer service may say something else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

__all__ = [
    "Annotation",
    "AnnotationType",
    "Category",
    "DiscoverReason",
    "Discovered",
    "Discovery",
    "EmbedKind",
    "Embeddings",
    "EmptyReason",
    "Gate",
    "GateVerdict",
    "Lead",
    "LeadReason",
    "Lineage",
    "OtherInfo",
    "Override",
    "Reason",
    "Refused",
    "ReleaseInfo",
    "Rewrite",
    "RewriteType",
    "Source",
    "Specificity",
    "Suggested",
    "Suggestion",
    "SuggestionKind",
    "Understanding",
]

Source = Literal["head", "tail", "fallback"]
Reason = Literal["precomputed", "model", "backed_off_to_parent", "abstained_low_confidence", "empty_query", "degraded"]
AnnotationType = Literal[
    "product_type", "brand", "attribute", "dietary", "size", "color", "material", "audience", "occasion", "price"
]
RewriteType = Literal["spelling", "synonym", "broader", "substitute"]
Specificity = Literal["broad", "category", "specific", "navigational"]
Lead = Literal["substitutes", "complements"]
LeadReason = Literal["few_results", "many_results", "scarce", "stocked"]
DiscoverReason = Literal["precomputed", "borrowed", "nothing_known", "all_shown", "empty_query"]
EmptyReason = Literal["none_known", "all_shown", "nothing_known", "empty_query"]
SuggestionKind = Literal["next", "exploratory"]
EmbedKind = Literal["query", "product"]
GateVerdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Category:
    """A category that shoppers expect; ``confidence`` is in [0, 1], or None where none is known."""

    id: str
    path: tuple[str, ...]
    confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """A span of the normalised query, ``normalized[start:end]``; ``value`` is the shop's form of it."""

    text: str
    start: int
    end: int
    type: AnnotationType | str
    value: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewrite:
    """Another query, in normal form, that serves the same need or the nearest one the shop can serve."""

    query: str
    type: RewriteType | str
    confidence: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """One idea of what else to show: a heading, a search that leads to more, and some products."""

    label: str
    query: str
    category_id: str
    product_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Understanding:
    """What shoppers of one shop mean by a query. ``query`` is as it was sent, the rest follows from ``normalized``.

    In the empty one that ``on_error="empty"`` gives, ``reason`` is ``degraded``, ``release`` is empty, and
    ``normalized`` is the query as it was sent: nobody normalised it.
    """

    query: str
    normalized: str
    source: Source | str
    reason: Reason | str
    release: str
    categories: tuple[Category, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    substitutes: tuple[Discovery, ...] = ()
    complements: tuple[Discovery, ...] = ()
    next_queries: tuple[str, ...] = ()
    specificity: Specificity | str | None = None
    borrowed_from: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovered:
    """What to show beside a page of results; ``lead`` is the list to show first, ``empty`` why a list is empty."""

    query: str
    lead: Lead | str
    lead_reason: LeadReason | str
    reason: DiscoverReason | str
    release: str
    substitutes: tuple[Discovery, ...] = ()
    complements: tuple[Discovery, ...] = ()
    empty: dict[str, str] = field(default_factory=dict)
    borrowed_from: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """A normalised query to go on with: one that shoppers search next, or one to explore."""

    query: str
    kind: SuggestionKind | str


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggested:
    """Queries to go on with, best first."""

    query: str
    release: str
    suggestions: tuple[Suggestion, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Embeddings:
    """One vector for each text, in order, of ``dimension`` numbers. Vectors of two releases are not comparable."""

    embeddings: tuple[tuple[float, ...], ...]
    dimension: int
    release: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Override:
    """Somebody's decision to serve a release that its gate did not let through."""

    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Gate:
    """What was decided on a release."""

    verdict: GateVerdict | str
    decided: datetime
    base: str | None
    look: int
    failed: tuple[str, ...]
    inconclusive: tuple[str, ...]
    override: Override | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Lineage:
    """Where the answers come from."""

    content: str
    fingerprints: dict[str, str]
    prompts: tuple[str, ...]
    models: tuple[str, ...]
    counts: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """A release that was found and is not served; ``release`` is None where the link leads to none."""

    release: str | None
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OtherInfo:
    """A second release, the share of requests that it is asked, and whether its answers are only compared."""

    release: str
    share: float
    shadow: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseInfo:
    """The release being served; ``provider`` and ``gate`` are None where it has no model, or was not evaluated.

    ``follows`` says whether the service moves to the next release by itself, ``refused`` which one it would not move
    to; ``other`` is a second one that gets a share of the requests.
    """

    release: str
    shop: str
    created: datetime
    provider: str | None
    gate: Gate | None
    lineage: Lineage
    examples: tuple[str, ...]
    follows: bool = False
    refused: Refused | None = None
    other: OtherInfo | None = None
