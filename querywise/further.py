"""The queries that a run is about besides those of its tiers."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from domain.context import ContextStore, DomainContext
from domain.label import Tier
from domain.retrieval import RetrievalIndex
from domain.shop import Shop
from prompts.increment import unseen_context
from querywise.options import status
from querywise.queries import Addition
from querywise.value import disagreement_of, most_valuable

__all__ = ["Further", "find_further"]


@dataclass(frozen=True, kw_only=True)
class Further:
    """The queries that a run is about besides those of its tiers.

    Attributes:
        named: All of them.
        unseen: Those of them that the log does not hold, and how often they were searched elsewhere.
        inputs: What was asked for, as `Addition.inputs`.
    """

    named: frozenset[str] = frozenset()
    unseen: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    def is_asked(self, context: DomainContext, tiers: Collection[Tier]) -> bool:
        """Whether a run over some tiers is about a query."""
        return context.tier in tiers or context.query in self.named

    def context(self, query: str, log: ContextStore) -> DomainContext | None:
        """Return what the log says of a query; an unseen one has an empty context, and its tier is the tail."""
        if query in self.unseen:
            return unseen_context(query, self.unseen[query])
        return log.get(query)

    def contexts(self, log: ContextStore) -> Iterator[DomainContext]:
        """Yield the contexts of every query of the log and of those that it does not hold, most searched first."""
        unseen = sorted((unseen_context(query, searches) for query, searches in self.unseen.items()), key=_by_searches)
        return heapq.merge(log.of_tiers("head", "torso", "tail"), unseen, key=_by_searches)


def find_further(
    shop: Shop, addition: Addition, *, tiers: Collection[Tier], uncertainty: Mapping[str, float] | None = None
) -> Further:
    """Choose what a run is about besides its tiers: all queries of a file, or the most valuable of them and the tail.

    Log, catalogue, file and number decide, and no label: the next run chooses the same and asks nothing anew.

    Args:
        shop: The shop.
        addition: What was asked for.
        tiers: Those that the run is about anyhow; none of their queries is chosen.
        uncertainty: How unsure a student is of queries, 0 to 1.

    Raises:
        StageMissing: when there are no contexts, or no index to choose by.
    """
    if not addition.inputs:
        return Further()
    log = ContextStore(shop.context_file)
    given = addition.file.searches if addition.file else {}
    known = log.tiers()
    every = Further(
        named=frozenset(given),
        unseen={query: searches for query, searches in given.items() if query not in known},
        inputs=addition.inputs,
    )
    if addition.tail is None:
        return every
    pool = {
        context.query: context.searches
        for context in every.contexts(log)
        if context.query in every.unseen
        or (context.tier not in tiers and (context.tier == "tail" or context.query in given))
    }
    index = RetrievalIndex(shop.index)

    def disagreement(query: str) -> float:
        return disagreement_of(every.context(query, log) or unseen_context(query, 0), index)

    chosen = [*pool]
    if len(pool) > addition.tail:
        with status("the most valuable queries"):
            chosen = most_valuable(pool, addition.tail, disagreement=disagreement, uncertainty=uncertainty)
    return Further(
        named=frozenset(chosen),
        unseen={query: every.unseen[query] for query in chosen if query in every.unseen},
        inputs=addition.inputs,
    )


def _by_searches(context: DomainContext) -> tuple[int, str]:
    return -context.searches, context.query
