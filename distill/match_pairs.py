"""Which pairs of query and product a judge is asked about, so that there is something to learn from: near misses.

A product drawn at random is of no use for nearly every query, and telling it apart teaches little. Most pairs are what
a search by words or by meaning finds; the others are near in one respect alone: the brand, the words, or the category.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from distill.clusters import Clusters
from domain.encoder import Vectors
from domain.errors import StageMissing
from domain.judgements import Pair
from domain.label import Tier
from domain.lexical import LexicalIndex
from domain.retrieval import RetrievalIndex
from domain.shop import Shop
from domain.text import normalise
from release.likeness import same_words, words_of

__all__ = ["PAIRS", "Asked", "Assortment", "choose_pairs", "choose_queries", "tiers_of"]

Source = Literal["first words", "words", "words elsewhere", "first meaning", "meaning", "brand", "category", "any"]
"""Found by words, among the first or further down, or further down in other categories than the query's own; by
meaning; of the best product's brand in other categories; of the query's category without any of its words; random."""

PAIRS: Final[Mapping[Source, int]] = {
    "first words": 2,
    "words": 1,
    "words elsewhere": 1,
    "first meaning": 2,
    "meaning": 1,
    "brand": 1,
    "category": 1,
    "any": 1,
}
"""Products of one query by how they are found: as many as a judge is asked about at once."""

_TIERS: Final[Mapping[Tier, float]] = {"head": 1 / 6, "torso": 5 / 12, "tail": 5 / 12}
"""Shares of the queries to ask about: far more of the head than its number, for discovery content is made for it."""

_FIRST: Final = 5
_FOUND: Final = 60
_TOO_ALIKE: Final = 0.9
"""Cosine from which on a query teaches what another does."""

_GIVES_AWAY: Final = 0.85
"""Cosine from which on a query asks nearly what one does that people judged."""

_NEAR: Final = 0.6
"""Cosine of a query and the nearest title from which on the shop has something like it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A normalised query that could be asked about, and the category that it is taken to mean, if that is known."""

    query: str
    tier: Tier
    category_id: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Assortment:
    """A shop's products as its index finds them, all in the order of the catalogue.

    Attributes:
        index: The index.
        words: Of titles and brands.
        titles: Vectors of the titles, (products, dimension).
        product_ids: Ids.
        texts: Titles.
        brands: Normal forms; empty without.
        categories: Category ids.
    """

    index: RetrievalIndex
    words: LexicalIndex
    titles: Vectors
    product_ids: Sequence[str]
    texts: Sequence[str]
    brands: npt.NDArray[np.str_]
    categories: npt.NDArray[np.str_]
    _stems: dict[int, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, shop: Shop) -> Assortment:
        """Open a shop's assortment.

        Raises:
            StageMissing: when the shop has no index, or one without products.
        """
        index = RetrievalIndex(shop.index, threads=1)
        if not (shop.index / "product_words").is_dir():
            raise StageMissing("the index holds no product", hint=f"run `querywise index {shop.folder}` first")
        columns = ["product_id", "title", "brand", "category_id"]
        products = pl.read_parquet(shop.warehouse / "products.parquet", columns=columns)
        return cls(
            index=index,
            words=LexicalIndex.load(shop.index / "product_words"),
            titles=np.load(shop.index / "titles.npy", mmap_mode="r"),
            product_ids=products["product_id"].to_list(),
            texts=products["title"].to_list(),
            brands=np.array([normalise(brand or "") for brand in products["brand"]]),
            categories=np.array(products["category_id"].to_list()),
        )

    def by_words(self, query: str) -> list[int]:
        """Return the rows that share a word with a query, best first, as far as anybody looks."""
        return _best(self.words.scores(self.index.stems(query)))

    def by_meaning(self, query: str) -> list[int]:
        """Return the rows whose titles are nearest to a query, nearest first, as far as anybody looks."""
        [vector] = self.index.encoder.encode([query])
        return _best(self.titles @ vector)

    def nearness(self, vector: Vectors) -> float:
        """Return the cosine of a query's vector and the nearest title."""
        return float((self.titles @ vector).max())

    def stems_of(self, row: int) -> frozenset[str]:
        """Return the stems of a product's title."""
        if row not in self._stems:
            self._stems[row] = frozenset(self.index.stems(self.texts[row]))
        return self._stems[row]

    @cached_property
    def rows_of(self) -> Mapping[str, list[int]]:
        """Rows by category."""
        rows: dict[str, list[int]] = {}
        for row, category_id in enumerate(self.categories.tolist()):
            rows.setdefault(category_id, []).append(row)
        return rows


def tiers_of(queries: int) -> dict[Tier, int]:
    """Return how many of some queries to ask about are of each tier."""
    found = {tier: int(share * queries + 1e-9) for tier, share in _TIERS.items()}
    return found | {"tail": queries - found["head"] - found["torso"]}


def choose_queries(
    asked: Sequence[Asked],
    assortment: Assortment,
    clusters: Clusters,
    forbidden: Collection[str],
    *,
    tiers: Mapping[Tier, int],
    rng: random.Random,
) -> list[Asked]:
    """Draw queries by tier, none too like another or one that people judged, in letters or in meaning.

    Of the tail only queries whose every word the shop knows are drawn, and to which some title is near: of what is
    misspelt or about something else nearly every pair is bad. What a tier lacks is drawn from the next.

    Args:
        asked: All queries.
        assortment: The products.
        clusters: Of all queries and of the forbidden ones.
        forbidden: Normalised queries that people judged, which the classifier is to be measured on.
        tiers: How many to draw of each tier.
        rng: Draws them.
    """
    closed = clusters.touching(list(forbidden))
    judged = [words_of(query) for query in forbidden]
    chosen: list[Asked] = []
    judged_vectors = list(assortment.index.encoder.encode(sorted(forbidden))) if forbidden else []
    vectors: list[Vectors] = []
    wanted = 0
    for tier, count in tiers.items():
        wanted += count
        of_tier = sorted((one for one in asked if one.tier == tier), key=lambda one: one.query)
        rng.shuffle(of_tier)
        for one in of_tier:
            if len(chosen) >= wanted:
                break
            words = words_of(one.query)
            if clusters.of(one.query) in closed or any(same_words(words, others) for others in judged):
                continue
            [vector] = assortment.index.encoder.encode([one.query])
            if _nearest(judged_vectors, vector) >= _GIVES_AWAY or _nearest(vectors, vector) >= _TOO_ALIKE:
                continue
            if tier == "tail" and not (assortment.index.matches(one.query) and assortment.nearness(vector) >= _NEAR):
                continue
            closed.add(clusters.of(one.query))
            chosen.append(one)
            vectors.append(vector)
    return chosen


def choose_pairs(
    queries: Sequence[Asked], assortment: Assortment, *, pairs: Mapping[Source, int] = PAIRS, rng: random.Random
) -> Iterator[Pair]:
    """Yield the pairs of each query, in an order that says nothing of how they were found.

    Args:
        queries: The queries.
        assortment: The products.
        pairs: How many to draw of each source; where one has too few, the nearest by meaning fill its place.
        rng: Draws them.
    """
    for one in queries:
        rows = _rows(one, assortment, pairs, rng)
        rng.shuffle(rows)
        for row in rows:
            yield Pair(query=one.query, product_id=assortment.product_ids[row])


def _rows(one: Asked, assortment: Assortment, pairs: Mapping[Source, int], rng: random.Random) -> list[int]:
    words, meaning = assortment.by_words(one.query), assortment.by_meaning(one.query)
    best = (words or meaning)[0]
    own = one.category_id or ""
    if own not in assortment.rows_of:
        own = str(assortment.categories[meaning[0]])
    stems = frozenset(assortment.index.stems(one.query))
    brand = assortment.brands[best]
    elsewhere = assortment.categories != assortment.categories[best]
    found: dict[Source, Sequence[int]] = {
        "first words": words[:_FIRST],
        "first meaning": meaning[: 2 * _FIRST],
        "words elsewhere": [row for row in words[_FIRST:] if assortment.categories[row] != own],
        "words": words[_FIRST:],
        "meaning": meaning[2 * _FIRST :],
        "brand": np.flatnonzero((assortment.brands == brand) & elsewhere).tolist() if brand else [],
        "category": [row for row in assortment.rows_of[own] if not stems & assortment.stems_of(row)],
        "any": range(len(assortment.product_ids)),
    }
    chosen: dict[int, None] = {}
    for source, rows in found.items():
        room = [row for row in rows if row not in chosen]
        chosen |= dict.fromkeys(rng.sample(room, min(pairs[source], len(room))))
    wanted = min(sum(pairs.values()), len(assortment.product_ids))
    for row in meaning:
        if len(chosen) >= wanted:
            break
        chosen.setdefault(row)
    return list(chosen)


def _nearest(vectors: Sequence[Vectors], vector: Vectors) -> float:
    """Return the highest cosine of a vector and some others, all of length 1; -1 where there are none."""
    return float((np.stack(vectors) @ vector).max()) if vectors else -1.0


def _best(scores: Vectors) -> list[int]:
    """Return the rows of the highest positive scores, best first, ties by row."""
    rounded = np.round(scores, 4)
    order = np.lexsort((np.arange(len(rounded)), -rounded))[:_FOUND]
    return [int(row) for row in order if rounded[row] > 0]
