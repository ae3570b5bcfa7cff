"""What a release would answer to its own log: its precomputed answers by searches, and its student on the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.label import Label
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Category
from release.expected import (
    CONFIDENCES,
    NONE,
    UNKNOWN,
    Distribution,
    Expected,
    Known,
    Measure,
    Vocabulary,
    confidence_bin,
    distribution,
    words_of,
)
from release.student import Student
from release.tail import Tail

__all__ = ["VERSION", "known_of"]

VERSION: Final = 1
"""Raised whenever the same inputs give something else."""

_SAMPLED: Final = 2000
"""Searches of the tail that the student is asked about."""

_DEEPEST: Final = 3


class _Mix:
    """Sums up first categories and their confidence, by searches."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self.categories: Counter[str] = Counter()
        self.confidences: Counter[str] = Counter()

    def add(self, categories: Sequence[Category], searches: int) -> None:
        first = categories[0] if categories else None
        self.categories[first.path[min(self._depth, len(first.path) - 1)] if first else NONE] += searches
        self.confidences[confidence_bin(first.confidence if first else None)] += searches


def known_of(
    log: Mapping[str, int],
    labels: Iterable[Label],
    taxonomy: Taxonomy,
    *,
    titles: Iterable[str] = (),
    student: Student | None = None,
) -> Known:
    """Return what a release knows of its own log.

    A query counts by its searches; one that the log has not counts nothing. How many words will be unknown is estimated
    as the share of words that the log had once (Good, "The population frequencies of species and the estimation of
    population parameters", Biometrika 1953).

    Args:
        log: Searches by normalised query.
        labels: What is answered from the head.
        taxonomy: The tree.
        titles: Of the products, whose words are known too.
        student: Answers the other queries; without one nothing is said of these.
    """
    depth = _depth(taxonomy)
    head, rest, known = _Mix(depth), dict(log), 0
    for label in labels:
        searches = rest.pop(label.query, 0)
        if searches:
            known += searches
            head.add(label.understanding.categories, searches)
    total = sum(log.values())
    words = _count_words(log, titles)
    found: dict[Measure, Distribution] = {
        "source": distribution({"head": known, "tail": total - known}, ("head", "tail")),
        "head_categories": distribution(head.categories, (NONE,)),
        "head_confidence": distribution(head.confidences, CONFIDENCES),
        "words": distribution({UNKNOWN: words.once, "known": words.total - words.once}, (UNKNOWN, "known")),
    }
    if student is not None and rest:
        tail, asked = _Mix(depth), _sample(rest)
        queries = sorted(asked)
        for query, answer in zip(queries, Tail(student, taxonomy).answer(queries), strict=True):
            tail.add(answer.categories, asked[query])
        found["tail_categories"] = distribution(tail.categories, (NONE,))
        found["tail_confidence"] = distribution(tail.confidences, CONFIDENCES)
    # Nothing can be held against what nothing was seen of.
    return Known(
        expected=Expected(depth=depth, measures={name: one for name, one in found.items() if one.count}),
        vocabulary=words.vocabulary,
    )


def _depth(taxonomy: Taxonomy) -> int:
    """Return the least depth at which there are categories to tell apart."""
    for depth in range(_DEEPEST):
        if len({taxonomy.path(category)[depth] for category in taxonomy if len(taxonomy.path(category)) > depth}) > 1:
            return depth
    return 0


def _sample(searches: Mapping[str, int]) -> Counter[str]:
    """Return queries and how often each is drawn: by its searches, in equal steps over the queries in order."""
    queries = sorted(searches)
    ends = np.cumsum([searches[query] for query in queries])
    total = int(ends[-1])
    drawn = min(total, _SAMPLED)
    steps = (np.arange(drawn) * total) // max(1, drawn)
    return Counter(queries[place] for place in np.searchsorted(ends, steps, side="right").tolist())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Words:
    """Words of a log: how many there are, how many of these are there once, and all that are known."""

    total: int
    once: int
    vocabulary: Vocabulary


def _count_words(log: Mapping[str, int], titles: Iterable[str]) -> _Words:
    counted: Counter[str] = Counter()
    for query, searches in log.items():
        for word in words_of(query):
            counted[word] += searches
    of_titles = {word for title in titles for word in words_of(normalise(title))}
    once = sum(1 for word, count in counted.items() if count == 1 and word not in of_titles)
    return _Words(total=counted.total(), once=once, vocabulary=Vocabulary.of(counted.keys() | of_titles))
