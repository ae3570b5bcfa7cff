"""The short list of categories that a model may choose from, however large the tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.context import ContextStore, DomainContext
from domain.retrieval import RetrievalIndex, fuse
from domain.taxonomy import Taxonomy
from prompts.evidence import quote_path

__all__ = ["CandidateFinder", "Offer"]

_LIMIT = 30


@dataclass(frozen=True, kw_only=True)
class Offer:
    """The candidates of one query: category ids by short id, in the order shown."""

    ids: Mapping[str, str]
    text: str


class CandidateFinder:
    """Finds about 30 categories for a query: what converts, what its shoppers' next queries lead to, what is alike.

    Args:
        taxonomy: The tree.
        index: Retrieval over category names and product titles.
        products: Number of products in each category or below it.
        contexts: The log's evidence, or None to go by retrieval alone.
    """

    def __init__(
        self,
        *,
        taxonomy: Taxonomy,
        index: RetrievalIndex,
        products: Mapping[str, int],
        contexts: ContextStore | None,
    ) -> None:
        self._taxonomy = taxonomy
        self._index = index
        self._products = products
        self._contexts = contexts
        self._nearest: dict[str, tuple[str, ...]] = {}
        self._order = {category_id: i for i, category_id in enumerate(taxonomy)}

    def find(self, query: str, context: DomainContext | None, *, limit: int = _LIMIT) -> list[str]:
        """Return up to `limit` candidate category ids for a normalised query, best first."""
        rankings: list[tuple[float, Sequence[str]]] = [
            (1.0, ranking) for ranking in self._index.search(query).rankings.values()
        ]
        if context is not None:
            # What converts is always offered: the weight puts the whole list above anything retrieved.
            rankings.append((100.0, [c.category_id for c in context.categories if c.is_own]))
            rankings += self._of_session(context)
        return list(fuse(rankings))[:limit]

    def offer(self, query: str, context: DomainContext | None, *, limit: int = _LIMIT) -> Offer:
        """Return the candidates with short ids and as text, in the order of the tree, which is the easiest to read."""
        found = sorted(self.find(query, context, limit=limit), key=self._order.__getitem__)
        ids = {f"k{i}": category_id for i, category_id in enumerate(found, 1)}
        return Offer(ids=ids, text="\n".join(self._line(short, i) for short, i in ids.items()))

    def _of_session(self, context: DomainContext) -> list[tuple[float, Sequence[str]]]:
        """Categories of the queries that shoppers turned to. They know brands and nicknames that no retrieval does."""
        related = [r.query for r in context.reformulations[:3]] + [n.query for n in context.next_queries[:5]]
        rankings: list[tuple[float, Sequence[str]]] = []
        for query in dict.fromkeys(related):
            found = self._contexts.get(query) if self._contexts else None
            if found is not None:
                rankings.append((1.5, [c.category_id for c in found.categories if c.is_own][:2]))
            rankings.append((1.0, self._nearest_two(query)))
        return rankings

    def _nearest_two(self, query: str) -> tuple[str, ...]:
        # The same few queries follow many others.
        if query not in self._nearest:
            self._nearest[query] = tuple(c.category_id for c in self._index.nearest(query, 2))
        return self._nearest[query]

    def _line(self, short: str, category_id: str) -> str:
        count = self._products.get(category_id, 0)
        stock = f"{count} product{'s' if count > 1 else ''}" if count else "no product in this shop"
        return f"{short} {quote_path(self._taxonomy, category_id)} ({stock})"
