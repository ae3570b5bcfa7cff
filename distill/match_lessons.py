"""From verdicts of a judge to what a filter of bad matches learns, apart from all that people judged."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from distill.clusters import Clusters
from domain.lexical import Stems
from domain.text import normalise
from domain.verdict import Unscored, Verdict
from release.likeness import words_of
from release.match_words import Lexicon

__all__ = ["MatchLesson", "MatchLessons", "Sale", "lexicon_of", "match_lessons"]

_GOOD: Final = 2
_COMMON: Final = 0.001
"""Share of the titles from which on a word has a weight of its own."""

_LEAST_PRODUCTS: Final = 2
"""Products that a brand has at least, so that a slip in a column is none."""


@dataclass(frozen=True, kw_only=True)
class Sale:
    """What is learnt of a product: its title as it is written, its category, and its brand if it has one."""

    title: str
    category_id: str
    brand: str | None


@dataclass(frozen=True, kw_only=True)
class MatchLesson:
    """A product that is a good match for a normalised query, or a bad one, and the fold that its query is in."""

    query: str
    title: str
    category_id: str
    good: bool
    fold: int


@dataclass(frozen=True, kw_only=True)
class MatchLessons:
    """What there is to learn, and why what else was judged is left out.

    Attributes:
        lessons: Good and bad matches, ordered by query and product.
        between: Items of grade 1, which would teach neither.
        disputed: Items on which judges differ between good and bad.
        unscored: Items without a verdict, or of a product that is no longer sold.
        judged_by_people: Items of queries that people judged, and of those that are nearly the same.
    """

    lessons: tuple[MatchLesson, ...]
    between: int
    disputed: int
    unscored: int
    judged_by_people: int


def match_lessons(
    verdicts: Iterable[Verdict | Unscored],
    sales: Mapping[str, Sale],
    people: Iterable[str],
    *,
    locale: str,
    folds: int,
) -> MatchLessons:
    """Return what verdicts of relevance teach: a grade of 2 or 3 is good, 0 is bad, and 1 is left out.

    Args:
        verdicts: Of relevance, of one judge or several; those of repeats count as others do.
        sales: The catalogue by product id.
        people: Queries that people judged, which the filter is measured on: none that falls in a cluster with one of
            them is learnt from.
        locale: Picks the stemmer that near-duplicates are found with.
        folds: How many parts to make of the queries; no cluster of near-duplicates is in two of them.
    """
    grades: dict[tuple[str, str], set[int]] = {}
    for verdict in verdicts:
        found = grades.setdefault((verdict.item.query, verdict.item.subject), set())
        if isinstance(verdict, Verdict):
            found.add(verdict.grade)
    closed = [normalise(query) for query in people]
    clusters = Clusters([*closed, *(query for query, _ in grades)], Stems(locale))
    forbidden = clusters.touching(closed)
    fold = _folds(sorted({clusters.of(query) for query, _ in grades} - forbidden), clusters, folds)
    lessons: list[MatchLesson] = []
    left_out: Counter[str] = Counter()
    for (query, product_id), given in sorted(grades.items()):
        flaw = (
            "judged_by_people"
            if clusters.of(query) in forbidden
            else _flaw(given)
            if product_id in sales
            else "unscored"
        )
        if flaw:
            left_out[flaw] += 1
            continue
        sale = sales[product_id]
        lessons.append(
            MatchLesson(
                query=query,
                title=sale.title,
                category_id=sale.category_id,
                good=min(given) >= _GOOD,
                fold=fold[clusters.of(query)],
            )
        )
    return MatchLessons(
        lessons=tuple(lessons),
        between=left_out["between"],
        disputed=left_out["disputed"],
        unscored=left_out["unscored"],
        judged_by_people=left_out["judged_by_people"],
    )


def lexicon_of(sales: Iterable[Sale]) -> Lexicon:
    """Return the weights of a catalogue's words, as smoothed inverse document frequencies, and its brands."""
    count = 0
    words: Counter[str] = Counter()
    brands: Counter[str] = Counter()
    for sale in sales:
        count += 1
        words.update(set(words_of(normalise(sale.title))))
        brands.update([normalise(sale.brand or "")])
    least = max(2, math.ceil(_COMMON * count))
    return Lexicon(
        weights={word: _weight(found, count) for word, found in sorted(words.items()) if found >= least},
        rarest=_weight(1, count),
        brands=frozenset(brand for brand, found in brands.items() if brand and found >= _LEAST_PRODUCTS),
    )


def _weight(found: int, count: int) -> float:
    return round(math.log((1 + count) / (1 + found)) + 1, 4)


def _flaw(grades: set[int]) -> str:
    if not grades:
        return "unscored"
    if min(grades) == 0 and max(grades) >= _GOOD:
        return "disputed"
    return "" if grades == {0} or min(grades) >= _GOOD else "between"


def _folds(names: Sequence[str], clusters: Clusters, folds: int) -> dict[str, int]:
    """Deal clusters out by their share, so that the folds are as even as may be, the same way every time."""
    ordered = sorted(names, key=lambda name: (clusters.share(name), name))
    return {name: i % folds for i, name in enumerate(ordered)}
