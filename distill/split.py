"""What a student is taught, and what is kept from it: labels to calibrate and to measure on, and all of the gold."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
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

__all__ = ["Lessons", "Split", "examples_of", "split_labels"]

_TEST: Final = 0.1
_HELD: Final = 0.3
"""Share of clusters that is measured on, and share that is measured or calibrated on."""

_LEAST_HELD: Final = 100
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
        contexts: What the log says, of every query.
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
    """

    train: list[Label]
    held: list[Label]
    test: list[Label]
    dropped: int
    clusters: Clusters
    forbidden: frozenset[str]

    def is_apart(self, query: str) -> bool:
        """Whether a query is one of the gold, of calibration or of measuring, or nearly one."""
        return self.clusters.of(query) in self._apart

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
    )
    # What will come is tail; where few of its queries are labelled, the others have to do.
    tail = [label for label in usable if label.tier == "tail"]
    measured = {label.query for label in (tail if len(tail) * _HELD >= _LEAST_HELD else usable)}
    apart = {clusters.of(query) for query in measured}
    for label in usable:
        share = clusters.share(label.query) if clusters.of(label.query) in apart else 1.0
        (split.test if share < _TEST else split.held if share < _HELD else split.train).append(label)
    return split


def examples_of(lessons: Lessons, split: Split, *, pseudo: int, rng: random.Random) -> dict[str, Sequence[Example]]:
    """Return the examples by source, kept apart from the queries of the gold, of calibration and of measuring.

    No label and no behaviour is of one of those or of one that is nearly the same, and no pseudo-query is one letter by
    letter. A pseudo-query can have the same words as one, and the name of a category can be one: titles and tree are
    known before anybody asks.

    Args:
        lessons: What to learn from.
        split: Of its labels.
        pseudo: How many pseudo-queries to draw from the catalogue, at most twenty for each product.
        rng: Draws them.
    """
    labelled = {label.query for label in lessons.labels}
    unlabelled = (c for c in lessons.contexts if c.query not in labelled and not split.is_apart(c.query))
    count = min(pseudo, _PER_PRODUCT * len(lessons.sold))
    drawn = CatalogueTexts(lessons.sold, lessons.taxonomy).draw(rng, count)
    known = {label.query for label in chain(split.held, split.test)} | {normalise(query) for query in lessons.gold}
    names = texts_of_tree(lessons.taxonomy, lessons.taxonomy)
    return {
        "labels": label_examples(split.train),
        "behaviour": behaviour_examples(unlabelled),
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
