"""The departments of a shop that speak for a query: where its demand goes, and where its shoppers turn to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from domain.context import DomainContext
from domain.retrieval import RetrievalIndex
from domain.taxonomy import Taxonomy

__all__ = ["Departments", "related_queries"]

# With less of the demand, a department is where a few shoppers strayed to.
_LEAST_DEMAND = 0.05
# Below this normalised mutual information, two searches follow each other hardly more often than by chance.
_RELATED = 0.3
# So many searches that led to a click, a cart or a purchase are not an accident.
_DEEP = 30


def related_queries(context: DomainContext | None) -> tuple[str, ...]:
    """Return the texts that shoppers search next more often than chance would have it, most related first."""
    return tuple(n.query for n in context.next_queries if n.npmi >= _RELATED) if context else ()


@dataclass(frozen=True)
class Departments:
    """What the log says of one query, a department being a root of the tree."""

    context: DomainContext | None
    taxonomy: Taxonomy
    index: RetrievalIndex

    def of(self, category_ids: Iterable[str]) -> frozenset[str]:
        """Return the departments in which categories lie."""
        return frozenset(self.taxonomy.lineage(category_id)[0] for category_id in category_ids)

    @cached_property
    def demanded(self) -> frozenset[str]:
        """Departments with at least 5% of the query's demand."""
        demand = self.context.categories if self.context else ()
        return self.of(c.category_id for c in demand if c.share >= _LEAST_DEMAND)

    @cached_property
    def searched(self) -> frozenset[str]:
        """Texts that shoppers type in place of the query, or related ones that they search next."""
        if self.context is None:
            return frozenset()
        return frozenset((*(r.query for r in self.context.reformulations), *related_queries(self.context)))

    @cached_property
    def turned_to(self) -> frozenset[str]:
        """Departments of the products that those texts find."""
        return self.of(i for text in self.searched for i in self.index.finds(text, self.taxonomy))

    @cached_property
    def is_deep(self) -> bool:
        """Whether so many searches led to something that the demand can be believed."""
        searches = self.context.searches * self.context.acted_share if self.context else 0.0
        return bool(self.demanded) and searches >= _DEEP

    def lead_elsewhere(self, found: Iterable[str], kept: Iterable[str]) -> bool:
        """Whether the categories where a text finds products share no department with the query's.

        Those are the departments of the categories `kept` of the answer, of the demand, and of what shoppers turn to.
        Where the first two are none, there is nothing to be elsewhere from.
        """
        here, there = self.of(kept) | self.demanded, self.of(found)
        return bool(here and there) and not there & here and not there & self.turned_to

    def speak_against(self, category_id: str) -> bool:
        """Whether the log is deep, and nothing in it leads to a category's department."""
        department = self.of([category_id])
        return self.is_deep and not department & self.demanded and not department & self.turned_to
