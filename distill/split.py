"""What a student is taught, and what is kept from it: labels to calibrate and to measure on, and all of the gold."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Final

from distill.clusters import Clusters
from distill.corpus import CatalogueTexts, Sold, texts_of_tree
from distill.examples import Example, behaviour_examples, label_examples, nonsense
from domain.context import DomainContext
from domain.label import Label
from domain.lexical import Stems
from domain.taxonomy import Taxonomy
from domain.text import normalise

__all__ = ["Lessons", "Split", "asked_examples", "examples_of", "shop_examples", "split_labels"]

_TEST: Final = 0.1
_HELD: Final = 0.3
"""Share of clusters that is measured on, and share that is measured or calibrated on."""

_ENOUGH: Final = 1000
"""Labels of the tail from which on they alone stand for what will come: of fewer, no test shows what is promised."""

_SPREAD: Final = 9973
"""A prime, so that folds have nothing to do with what is held or measured on."""

_NONSENSE: Final = 4000
_PER_PRODUCT: Final = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Lessons:
    """All that a student may learn from, and what it must not: any query that is nearly one of the gold's.

    Attributes:
        taxonomy: The tree.
        locale: Picks the stemmer that near-duplicates are found with.
        sold: The catalogue.
        brands: As the catalogue writes them, one for each product that has one.
        contexts: What the log says, of every query, most searched first.
        labels: What the teacher says.
        gold: Queries that people labelled, for measuring.
    """

    taxonomy: Taxonomy
    locale: str
    sold: Sequence[Sold]
    brands: Sequence[str]
    contexts: Sequence[DomainContext]
    labels: Sequence[Label]
    gold: Sequence[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Labels to train on, to calibrate on and to measure on; no cluster of near-duplicates is in two of them.

    Attributes:
        train: To learn from.
        held: To calibrate on.
        test: To measure on.
        dropped: How many labels were left out because of the gold.
        clusters: Of all queries.
        forbidden: Clusters that hold a query of the gold.
        drawn: Clusters whose labels are such as will come, which those to calibrate and to measure on are drawn from.
    """

    train: list[Label]
    held: list[Label]
    test: list[Label]
    dropped: int
    clusters: Clusters
    forbidden: frozenset[str]
    drawn: frozenset[str]

    @property
    def labels(self) -> list[Label]:
        """All but those to measure on."""
        return [*self.train, *self.held]

    def folds(self, count: int) -> Iterator[Split]:
        """Yield splits that each hold out another part of the labels which such as will come, none of them twice.

        Args:
            count: Of parts; none where there is not a label for each.
        """
        parts = [[label for label in self.labels if self._fold(label, count) == fold] for fold in range(count)]
        for fold, held in enumerate(parts):
            if held:
                train = [label for label in self.labels if self._fold(label, count) != fold]
                yield replace(self, train=train, held=held)

    def whole(self) -> Split:
        """Return the split that calibrates on nothing of its own, and learns from all but what is measured on."""
        return replace(self, train=self.labels, held=[])

    def _fold(self, label: Label, count: int) -> int | None:
        cluster = self.clusters.of(label.query)
        return int(self.clusters.share(label.query) * _SPREAD) % count if cluster in self.drawn else None

    def is_apart(self, query: str) -> bool:
        """Whether a query is one of the gold, of calibration or of measuring, or nearly one."""
        return self.clusters.of(query) in self._apart

    def may_be_held(self, query: str) -> bool:
        """Whether a query is one of the gold, or of what may be held out in its turn, or nearly one."""
        return self.clusters.of(query) in self.forbidden | self.drawn

    @cached_property
    def _apart(self) -> frozenset[str]:
        return self.forbidden | {self.clusters.of(label.query) for label in chain(self.held, self.test)}


def split_labels(lessons: Lessons) -> Split:
    """Part the labels by cluster, the same way every time; whatever is nearly a query of the gold is left out."""
    stems = Stems(lessons.locale)
    gold = [normalise(query) for query in lessons.gold]
    queries = chain((label.query for label in lessons.labels), gold, (c.query for c in lessons.contexts))
    clusters = Clusters(queries, stems)
    forbidden = clusters.touching(gold)
    usable = [label for label in lessons.labels if clusters.of(label.query) not in forbidden]
    split = Split(
        train=[],
        held=[],
        test=[],
        dropped=len(lessons.labels) - len(usable),
        clusters=clusters,
        forbidden=frozenset(forbidden),
        drawn=frozenset(clusters.touching([label.query for label in _such_as_will_come(usable)])),
    )
    for label in usable:
        share = clusters.share(label.query) if clusters.of(label.query) in split.drawn else 1.0
        (split.test if share < _TEST else split.held if share < _HELD else split.train).append(label)
    return split


def _such_as_will_come(labels: Sequence[Label]) -> Sequence[Label]:
    """Return the labels of the tail, or all where few of it are labelled and the others have to do."""
    tail = [label for label in labels if label.tier == "tail"]
    return tail if len(tail) >= _ENOUGH else labels


def examples_of(lessons: Lessons, split: Split, *, pseudo: int, rng: random.Random) -> dict[str, Sequence[Example]]:
    """Return the examples by source: those of what was asked, and those of the shop."""
    return {**asked_examples(lessons, split), **shop_examples(lessons, pseudo=pseudo, rng=rng)}


def asked_examples(lessons: Lessons, split: Split) -> dict[str, Sequence[Example]]:
    """Return what teacher and log say of queries; none is of the gold, of calibration or of measuring, or nearly so."""
    return {
        "labels": label_examples(split.train),
        "behaviour": behaviour_examples(c for c in lessons.contexts if not split.is_apart(c.query)),
    }


def shop_examples(lessons: Lessons, *, pseudo: int, rng: random.Random) -> dict[str, Sequence[Example]]:
    """Return what catalogue and tree say, and what means nothing.

    No pseudo-query is a labelled query letter by letter. One can have the same words, and the name of a category can be
    a query: titles and tree are known before anybody asks.

    Args:
        lessons: What to learn from.
        pseudo: How many pseudo-queries to draw from the catalogue, at most twenty for each product.
        rng: Draws them.
    """
    count = min(pseudo, _PER_PRODUCT * len(lessons.sold))
    drawn = CatalogueTexts(lessons.sold, lessons.taxonomy).draw(rng, count)
    known = {label.query for label in lessons.labels} | {normalise(query) for query in lessons.gold}
    names = texts_of_tree(lessons.taxonomy, lessons.taxonomy)
    return {
        "catalogue": [
            Example(query=p.query, shares={p.category_id: 1.0}, source="catalogue")
            for p in drawn
            if p.query not in known
        ],
        "names": [
            Example(query=name, shares={i: 1.0}, source="names")
            for i, (name, _) in zip(lessons.taxonomy, names, strict=True)
        ],
        "nonsense": nonsense(rng, _NONSENSE),
    }
