"""The queries that a run is about besides those of its tiers."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from domain.context import ContextStore, DomainContext
from domain.errors import ReleaseError
from domain.label import Tier, read_labels
from domain.retrieval import RetrievalIndex
from domain.shop import Shop
from prompts.increment import unseen_context
from querywise.options import status
from querywise.queries import Addition
from querywise.value import disagreement_of, most_valuable
from release.student import Student

__all__ = ["Further", "find_further"]

_AT_ONCE: Final = 4096


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


def find_further(shop: Shop, addition: Addition, *, tiers: Collection[Tier]) -> Further:
    """Choose what a run is about besides its tiers: all queries of a file, or the most valuable of them and the tail.

    Log, catalogue, file and number decide, and the shop's student where there is one: it makes queries that it is sure
    of worth less, but none that is labelled already, so that the next run has no reason to choose others.

    Args:
        shop: The shop.
        addition: What was asked for.
        tiers: Those that the run is about anyhow; none of their queries is chosen.

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
            unsure = _uncertainty(shop, pool)
            chosen = most_valuable(pool, addition.tail, disagreement=disagreement, uncertainty=unsure)
    return Further(
        named=frozenset(chosen),
        unseen={query: every.unseen[query] for query in chosen if query in every.unseen},
        inputs=addition.inputs,
    )


def _uncertainty(shop: Shop, queries: Iterable[str]) -> dict[str, float]:
    """Return how unsure the shop's student is of queries that have no label, 0 to 1; nothing where it has none."""
    if not shop.student.is_dir():
        return {}
    known = {label.query for label in read_labels(shop.labels_file)} if shop.labels_file.is_file() else set()
    unlabelled = [query for query in queries if query not in known]
    try:
        student = Student(shop.student, shop.load_taxonomy())
    except ReleaseError:  # of another tree, or of an older version: it has nothing to say
        return {}
    unsure: dict[str, float] = {}
    for start in range(0, len(unlabelled), _AT_ONCE):
        some = unlabelled[start : start + _AT_ONCE]
        unsure |= zip(some, student.predict(some).uncertainty.tolist(), strict=True)
    return unsure


def _by_searches(context: DomainContext) -> tuple[int, str]:
    return -context.searches, context.query
