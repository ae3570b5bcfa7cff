"""What is known of the query for which ideas are proposed: where it lies, what it finds, whether the shop has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from domain.context import DomainContext
from domain.discovery.ground import Grounded, Grounder, Ungrounded
from domain.encoder import Vectors
from domain.understanding import Understanding

__all__ = ["Asked", "asked_of"]

_DEMANDED: Final = 0.2
"""Share of the demand from which on a category is one of the query's own."""

_OFTEN: Final = 0.5
"""Share of searches without a result from which on a query is scarce."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A query that ideas are proposed for.

    Attributes:
        query: In normal form.
        categories: Its own, the first being the one that is meant most.
        demanded: Categories in which its shoppers chose anything.
        scarce: The shop has little or nothing of it, by its log or by its catalogue.
        found: Rows of the products that it finds itself: they hold its words, and lie where most of them do.
        own: Rows of all products that it is answered with: a query that names a category is, with all of it.
        vector: Its embedding, or None where that is not known.
    """

    query: str
    categories: tuple[str, ...]
    demanded: frozenset[str]
    scarce: bool
    found: frozenset[int]
    own: frozenset[int]
    vector: Vectors | None = field(default=None, repr=False, compare=False)


def asked_of(
    answer: Understanding, context: DomainContext | None, grounded: Grounded | Ungrounded, grounder: Grounder
) -> Asked:
    """Return what is known of a query.

    Args:
        answer: What its shoppers mean.
        context: What the log says of it, or None where it says nothing.
        grounded: What the query itself finds.
        grounder: Of the shop.
    """
    shelf = grounder.shelf
    demand = [c for c in context.categories if c.is_own] if context else []
    found = grounded.found if isinstance(grounded, Grounded) else frozenset()
    named = [c.id for c in answer.categories]
    # Where the shop lacks what is asked, its shoppers' choice is what they took instead.
    has_it = not grounder.stocked.isdisjoint(named) or any(shelf.in_stock[row] for row in found)
    scarce = not has_it or (context is not None and context.zero_share is not None and context.zero_share >= _OFTEN)
    chosen = [c.category_id for c in demand if c.share >= _DEMANDED]
    own = list(dict.fromkeys(named if scarce and named else [*named, *chosen]))
    if not own and isinstance(grounded, Grounded):
        own = [grounded.category_id]
    rows = set(found)
    if not scarce:
        rows.update(
            row for p in (context.products if context else ()) if (row := shelf.row.get(p.product_id)) is not None
        )
        if answer.specificity in ("broad", "category", None):
            rows.update(row for category_id in grounder.below(own) for row in shelf.rows_of.get(category_id, ()))
    return Asked(
        query=answer.normalized,
        categories=tuple(own),
        demanded=frozenset(c.category_id for c in demand),
        scarce=scarce,
        found=found,
        own=frozenset(rows),
    )
