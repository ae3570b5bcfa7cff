"""Queries of the tail whose labels can be asked for, and orders to ask for them in."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.students.examined import Examined
from domain.context import DomainContext
from domain.encoder import Encoder, Vectors
from domain.retrieval import RetrievalIndex
from prompts.increment import unseen_context
from querywise.value import disagreement_of, most_valuable

VALUE, RANDOM = "value", "random"
ORDERS = {
    VALUE: "searches x uncertainty x disagreement",
    "searches": "searches",
    "uncertainty": "uncertainty",
    "unsearched": "uncertainty x disagreement",
    "spread": "uncertainty x distance from what is labelled",
    RANDOM: "random",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool:
    """The queries of the tail whose labels can be asked for.

    Attributes:
        contexts: What the log says of each, by query.
        disagreement: How far the log and retrieval differ on each.
        vectors: What the sentence encoder makes of each, as it comes, and of each query that is labelled at the start.
        start: Those.
    """

    contexts: Mapping[str, DomainContext]
    disagreement: Mapping[str, float]
    vectors: Mapping[str, Vectors]
    start: Collection[str]

    @classmethod
    def of(cls, bench: Examined) -> Pool:
        """Take the labels of the tail that a shop's students may learn from."""
        log = {context.query: context for context in bench.lessons.contexts}
        index = RetrievalIndex(bench.shop.index)
        tail = [label for label in bench.split.train if label.tier == "tail"]
        contexts = {label.query: log.get(label.query) or unseen_context(label.query, label.searches) for label in tail}
        texts = [label.query for label in bench.split.train]
        folder = bench.shop.work / "encoder"
        encoder = Encoder(folder if folder.is_dir() else bench.shop.index, threads=1)
        return cls(
            contexts=contexts,
            disagreement={query: disagreement_of(context, index) for query, context in contexts.items()},
            vectors=dict(zip(texts, encoder.encode(texts), strict=True)),
            start={label.query for label in bench.split.train if label.tier != "tail"},
        )

    @cached_property
    def searches(self) -> dict[str, int]:
        return {query: context.searches for query, context in self.contexts.items()}

    def next(self, order: str, chosen: Sequence[str], unsure: Mapping[str, float], count: int) -> list[str]:
        """Return the next batch in an order, of what is not chosen yet."""
        left = {query: number for query, number in self.searches.items() if query not in {*chosen}}
        alike = dict.fromkeys(left, 1)
        if order == VALUE:
            return most_valuable(left, count, disagreement=self.disagreement.__getitem__, uncertainty=unsure)
        if order == "searches":
            return most_valuable(left, count, disagreement=lambda _: 1.0)
        if order == "uncertainty":
            return most_valuable(alike, count, disagreement=lambda _: 1.0, uncertainty=unsure)
        if order == "unsearched":
            return most_valuable(alike, count, disagreement=self.disagreement.__getitem__, uncertainty=unsure)
        if order == "spread":
            return self._spread([*left], [*self.start, *chosen], unsure, count)
        return random.Random(order).sample(sorted(self.searches), len(self.searches))[len(chosen) :][:count]

    def _spread(self, left: list[str], known: list[str], unsure: Mapping[str, float], count: int) -> list[str]:
        """Return one after the other the query with the most uncertainty x distance to whatever was taken before."""
        vectors = np.stack([self.vectors[query] for query in left])
        doubt = np.array([unsure[query] for query in left])
        apart = 1 - (vectors @ np.stack([self.vectors[query] for query in known]).T).max(1)
        found: list[str] = []
        for _ in range(min(count, len(left))):
            best = int(np.where(doubt < 0, -np.inf, doubt * apart).argmax())
            found.append(left[best])
            apart = np.minimum(apart, 1 - vectors @ vectors[best])
            doubt[best] = -1.0
        return found
