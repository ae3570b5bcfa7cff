"""From an idea's query to products of the shop: what really is what the query says, and where it lies in the tree.

A product fits when title and brand hold every word of the query and its meaning is not far. The last word may stand in
the name of its category instead, as what is sold there (spaghetti is pasta), and all may where the category bears the
query for a name. Where nothing fits so, the words are looked for on title and category path together; and at last one
word of three or more may be missing from what is near in meaning, but not the last nor a hard constraint ("gluten
free").

Words fit what they are only part of: "butter" is in butter lettuce. So the fitting products, the category names and
the log's demand for the query vote on where it lies, and only products of the lowest category with most votes stay.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

import numpy as np

from domain.constraints import constraints_of, keeps
from domain.context import ContextStore
from domain.discovery.drops import DropReason
from domain.discovery.shelf import Shelf
from domain.encoder import Vectors
from domain.retrieval import RankedProduct, RetrievalIndex, fuse
from domain.taxonomy import Taxonomy
from domain.text import normalise

__all__ = ["MOST_PRODUCTS", "Grounded", "Grounder", "Ungrounded"]

MOST_PRODUCTS: Final = 12
"""Products that show an idea, at most."""

_POOL: Final = 100
_NAMED: Final = 0.3
"""Cosine of a title that holds every word; rare words are like nothing to an encoder ("halibut")."""
_HELD: Final = 0.35
"""Cosine of a title whose words are partly those of its category, so that not everything in it fits."""
_NEAR: Final = 0.6
"""Cosine of a title that lacks one word of the query."""
_RANK_CONSTANT: Final = 10
_PARTS: Final = re.compile(r"[,;/&()]| and ")
_MOST: Final = 0.5
_MOST_SHOWN: Final = 0.6
"""Share of the shown products that agree on a category below: the better of two is not most of them."""
_MOST_OF_ROOT: Final = 2 / 3
"""Share of the votes that a department needs; half of a shop may hold a word by chance."""
_WORTH: Final = 0.5
"""Weight of what is popular beside what is found."""


@dataclass(frozen=True, kw_only=True)
class Grounded:
    """What shows a query: where it lies, and rows of products in stock, best first, at most `MOST_PRODUCTS`.

    ``found`` are the rows of all products that fit and lie there, in stock or not; ``cosine`` is the mean over the
    shown ones; ``vector`` is the query's embedding, where it is known.
    """

    query: str
    category_id: str
    rows: tuple[int, ...]
    found: frozenset[int]
    cosine: float
    vector: Vectors | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Ungrounded:
    """Why nothing shows a query."""

    query: str
    reason: DropReason


class Grounder:
    """Grounds queries in one shop. What it found is kept: many ideas share a query.

    Args:
        index: Retrieval of the shop.
        taxonomy: The tree.
        shelf: The catalogue, in the order in which the index was built.
        contexts: What the log says, or None where there is no log.
    """

    def __init__(
        self, index: RetrievalIndex, taxonomy: Taxonomy, shelf: Shelf, contexts: ContextStore | None = None
    ) -> None:
        self.index, self.taxonomy, self.shelf, self.contexts = index, taxonomy, shelf, contexts
        self._found: dict[str, Grounded | Ungrounded] = {}
        self._named: dict[str, list[str]] = {}
        self._names: dict[str, frozenset[str]] = {}
        self._heads: dict[str, frozenset[str]] = {}
        for category_id in taxonomy:
            stems = frozenset(index.words(normalise(taxonomy[category_id].name)))
            self._names[category_id] = stems
            parts = (index.words(normalise(part)) for part in _PARTS.split(taxonomy[category_id].name))
            self._heads[category_id] = frozenset(part[-1] for part in parts if part)
            for stem in stems:
                self._named.setdefault(stem, []).append(category_id)

    def ground(self, query: str, vector: Callable[[str], Vectors]) -> Grounded | Ungrounded:
        """Return what shows a normalised query, or why nothing does.

        Args:
            query: A normalised text.
            vector: Gives its embedding; it is asked only where the query is new.
        """
        if query not in self._found:
            self._found[query] = self._ground(query, vector)
        return self._found[query]

    def _ground(self, query: str, vector: Callable[[str], Vectors]) -> Grounded | Ungrounded:
        words = self.index.words(query)
        if not words:
            return Ungrounded(query=query, reason="no_product")
        names = self._holding(words)
        bearers = [category_id for category_id in names if self._names[category_id] == frozenset(words)]
        ranked = self.index.products(query, _POOL, taxonomy=self.taxonomy, vector=vector(query), within=bearers)
        fitting = self._fitting(query, ranked, frozenset(bearers))
        if not fitting:
            return Ungrounded(query=query, reason="unlike" if any(p.held for p in ranked) else "no_product")
        by_name = {i: (len(words) / len(self._names[i])) ** 2 for i in names if i in self.stocked}
        demand = self._by_demand(query)
        region = self._agreed([self._by_rank(fitting), by_name, demand])
        there = [p for p in fitting if region is not None and self._lies_in(self._category(p), region)]
        if region is None or not there:
            return Ungrounded(query=query, reason="scattered")
        stocked = [p for p in there if self.shelf.in_stock[p.row]]
        if not stocked:
            return Ungrounded(query=query, reason="out_of_stock")
        shown = self.shelf.distinct(self._best(stocked, demand), MOST_PRODUCTS)
        kept = [p for p in stocked if p.row in shown]
        # Those that are shown may agree on a narrower category than all that fit.
        lower = self._agreed([self._by_rank(kept)], least=_MOST_SHOWN)
        cosines = [p.cosine for p in kept]
        return Grounded(
            query=query,
            category_id=region if lower is None or not self._lies_in(lower, region) else lower,
            rows=tuple(shown),
            found=frozenset(p.row for p in there),
            cosine=float(np.mean(cosines)),
            vector=vector(query),
        )

    def _fitting(self, query: str, ranked: Sequence[RankedProduct], bearers: frozenset[str]) -> list[RankedProduct]:
        words = self.index.words(query)
        held = [p for p in ranked if p.held == 1.0 and p.cosine >= _HELD]
        fitting = [
            p
            for p in ranked
            if (p.named == 1.0 and p.cosine >= _NAMED)
            or (p.held == 1.0 and not bearers.isdisjoint(self.taxonomy.lineage(self._category(p))))
            or (p in held and p.named >= _all_but_one(words) and self._is_headed(p, words))
        ]
        if fitting or held or len(words) < 3:
            return fitting or held
        near = [p for p in ranked if p.held >= _all_but_one(words) and p.cosine >= _NEAR]
        constraints = constraints_of(query)
        return [p for p in near if words[-1] in self._words(p) and all(keeps(self._title(p), c) for c in constraints)]

    def _is_headed(self, product: RankedProduct, words: Sequence[str]) -> bool:
        """Whether the last word is missing from a title, and ends the name of a category above the product.

        A name of several things ("Lemons & Limes") does not tell by itself which of them a product is.
        """
        heads = [self._heads[above] for above in self.taxonomy.lineage(self._category(product))]
        telling = heads if len(words) > 1 else [some for some in heads if len(some) == 1]
        return words[-1] not in self._words(product) and any(words[-1] in some for some in telling)

    def without(self, grounded: Grounded, barred: Container[int]) -> Grounded | None:
        """Return what shows a query without some rows, lying where the rest does; None where nothing is left."""
        rows = tuple(row for row in grounded.rows if row not in barred)
        if len(rows) == len(grounded.rows):
            return grounded
        votes: dict[str, float] = defaultdict(float)
        for place, row in enumerate(rows):
            votes[self.shelf.categories[row]] += 1 / (_RANK_CONSTANT + place)
        lower = self._agreed([votes], least=_MOST_SHOWN)
        region = grounded.category_id if lower is None or not self._lies_in(lower, grounded.category_id) else lower
        return replace(grounded, rows=rows, category_id=region) if rows else None

    def below(self, category_ids: Iterable[str]) -> set[str]:
        """Return categories with all below them."""
        found: set[str] = set()
        pending = list(category_ids)
        while pending:
            category_id = pending.pop()
            if category_id not in found:
                found.add(category_id)
                pending.extend(self.taxonomy.children.get(category_id, ()))
        return found

    @cached_property
    def stocked(self) -> frozenset[str]:
        """Categories in or below which a product is in stock."""
        return frozenset(above for category_id in self.shelf.stocked for above in self.taxonomy.lineage(category_id))

    def _holding(self, words: Sequence[str]) -> list[str]:
        """Return the categories whose name holds every word, in the order of their ids."""
        named = [set(self._named.get(word, ())) for word in words]
        return sorted(set.intersection(*named)) if named else []

    def _by_rank(self, products: Iterable[RankedProduct]) -> Mapping[str, float]:
        votes: dict[str, float] = defaultdict(float)
        for product in products:
            votes[self._category(product)] += product.score
        return votes

    def _by_demand(self, query: str) -> Mapping[str, float]:
        context = self.contexts.get(query) if self.contexts else None
        return {c.category_id: c.share for c in context.categories if c.is_own} if context else {}

    def _agreed(self, votes: Sequence[Mapping[str, float]], *, least: float = _MOST) -> str | None:
        """Return the lowest category that holds most of what was voted for, each ballot counting the same."""
        ballots = [(ballot, total) for ballot in votes if (total := sum(ballot.values())) > 0]
        shares: dict[str, float] = defaultdict(float)
        for ballot, total in ballots:
            for category_id, vote in ballot.items():
                for above in self.taxonomy.lineage(category_id):
                    shares[above] += vote / total / len(ballots)
        agreed = [category_id for category_id, share in shares.items() if share > max(least, self._needed(category_id))]
        return max(agreed, key=lambda category_id: len(self.taxonomy.lineage(category_id)), default=None)

    def _needed(self, category_id: str) -> float:
        is_department = self.taxonomy[category_id].parent_id is None and category_id in self.taxonomy.children
        return _MOST_OF_ROOT if is_department else _MOST

    def _best(self, products: Sequence[RankedProduct], demand: Mapping[str, float]) -> list[int]:
        found = [p.row for p in products]
        worthy = sorted(found, key=lambda row: -self.shelf.worth[row])
        rankings = [(1.0, found), (_WORTH, worthy)]
        if demand:
            rankings.append((1.0, sorted(found, key=lambda row: -demand.get(self.shelf.categories[row], 0.0))))
        return list(fuse(rankings))

    def _lies_in(self, category_id: str, region: str) -> bool:
        return category_id == region or self.taxonomy.is_ancestor(region, category_id)

    def _category(self, product: RankedProduct) -> str:
        return self.shelf.categories[product.row]

    def _title(self, product: RankedProduct) -> str:
        return self.shelf.text(product.row)

    def _words(self, product: RankedProduct) -> list[str]:
        return self.index.stems(self._title(product))


def _all_but_one(words: Sequence[str]) -> float:
    return (len(words) - 1) / len(words) - 1e-9
