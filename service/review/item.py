"""One query of a review: what the log says of it, and what each source answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from domain.label import Tier

__all__ = ["Bought", "CategoryDemand", "Evidence", "Followed", "Item", "Proposal"]


@dataclass(frozen=True, kw_only=True)
class CategoryDemand:
    """Smoothed share of a query's demand that one category has, in [0, 1], and what that rests on."""

    path: tuple[str, ...]
    share: float
    actions: int
    purchases: int
    shoppers: int


@dataclass(frozen=True, kw_only=True)
class Bought:
    """A product that shoppers chose after the query, and how often."""

    title: str
    actions: int


@dataclass(frozen=True, kw_only=True)
class Followed:
    """Another query that shoppers went on with, and how often."""

    query: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the log says of a query; shares are of its searches, None where the log does not tell."""

    categories: tuple[CategoryDemand, ...] = ()
    products: tuple[Bought, ...] = ()
    next_queries: tuple[Followed, ...] = ()
    replaced_by: tuple[Followed, ...] = ()
    acted_share: float | None = None
    zero_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """The categories of one source, best first; in an adjudication the source is a rater, who may give a reason."""

    source: str
    categories: tuple[str, ...]
    acceptable: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One query on which sources differ; `disagreement` is in (0, 1], `proposals` in any order."""

    query: str
    searches: int
    tier: Tier | None
    disagreement: float
    evidence: Evidence
    proposals: tuple[Proposal, ...]

    @property
    def weight(self) -> float:
        """What a decision is worth: searches that meet the disagreement."""
        return self.searches * self.disagreement

    @cached_property
    def blind(self) -> tuple[Proposal, ...]:
        """The proposals in an order that tells nothing of their sources: another for each query, the same each time."""
        return tuple(
            sorted(self.proposals, key=lambda p: hashlib.sha256(f"{self.query}\0{p.source}".encode()).digest())
        )

    @cached_property
    def digest(self) -> str:
        """Name of what the sources said, 16 hexadecimal digits."""
        said = sorted((p.source, p.categories, p.acceptable) for p in self.proposals)
        return hashlib.sha256(json.dumps([self.query, said]).encode()).hexdigest()[:16]

    @cached_property
    def proposed(self) -> tuple[str, ...]:
        """Every category that some source proposes, each once."""
        return tuple(dict.fromkeys(_ids(self.blind)))


def _ids(proposals: Iterable[Proposal]) -> Iterable[str]:
    for proposal in proposals:
        yield from proposal.categories
        yield from proposal.acceptable
