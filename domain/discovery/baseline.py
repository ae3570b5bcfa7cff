"""Ideas without a language model: what the log and the tree alone would show, for comparison.

Complements are the queries that shoppers search next and the categories whose lift with the query's own is well over
1; substitutes are the sibling categories that the shop has in stock. They go the way of every idea: grounding,
roles, ranking.
"""

from __future__ import annotations

from typing import Final

from domain.context import DomainContext
from domain.discovery.asked import Asked
from domain.discovery.content import Idea, Ideas
from domain.discovery.roles import RoleJudge
from domain.discovery.suggestions import RELATED
from domain.taxonomy import Taxonomy
from domain.text import normalise

__all__ = ["MOST_IDEAS", "baseline_ideas"]

MOST_IDEAS: Final = 12
"""Ideas of a kind, at most."""

_LEAST_PAIRS: Final = 5
_LEAST_LIFT: Final = 1.5
"""Lower bound of the lift. Of hundreds of partners some are over 1 by accident."""


def baseline_ideas(asked: Asked, context: DomainContext | None, judge: RoleJudge) -> Ideas:
    """Return ideas for a query from the log and the tree, best first; none where neither says anything.

    Args:
        asked: The query.
        context: What the log says of it, or None where it says nothing.
        judge: Of the shop.
    """
    return Ideas(
        substitutes=tuple(_siblings(asked, judge)[:MOST_IDEAS]),
        complements=tuple([*_searched_next(context), *_wanted_together(asked, judge)][:MOST_IDEAS]),
    )


def _siblings(asked: Asked, judge: RoleJudge) -> list[Idea]:
    """Siblings of the query's first category, those first that shoppers turn to when they find nothing."""
    grounder, taxonomy = judge.grounder, judge.grounder.taxonomy
    found: dict[str, tuple[float, float]] = {}
    for own in asked.categories[:1]:
        parent = taxonomy[own].parent_id
        siblings = taxonomy.children[parent] if parent is not None else ()
        for category_id in siblings:
            if category_id not in asked.categories and category_id not in found and category_id in grounder.stocked:
                turned_to = judge.affinity.lift([own], [category_id], ("instead",)).low
                found[category_id] = (-round(turned_to, 6), -grounder.index.similarity([own], [category_id]))
    return [_named(category_id, taxonomy, "sibling category") for category_id in sorted(found, key=lambda i: found[i])]


def _searched_next(context: DomainContext | None) -> list[Idea]:
    related = [n for n in context.next_queries if n.npmi >= RELATED] if context else []
    return [Idea(label=n.query.capitalize(), query=n.query, why=f"searched next, npmi {n.npmi:.2f}") for n in related]


def _wanted_together(asked: Asked, judge: RoleJudge) -> list[Idea]:
    taxonomy = judge.grounder.taxonomy
    lifts = {
        category_id: judge.affinity.lift(asked.categories, [category_id])
        for category_id in judge.affinity.partners(asked.categories)
        if category_id in taxonomy
    }
    sure = (i for i, lift in lifts.items() if lift.observed >= _LEAST_PAIRS and lift.low >= _LEAST_LIFT)
    raised = sorted(sure, key=lambda i: (-lifts[i].low, i))
    return [_named(i, taxonomy, f"wanted together, lift {lifts[i].estimate:.1f}") for i in raised]


def _named(category_id: str, taxonomy: Taxonomy, why: str) -> Idea:
    name = taxonomy[category_id].name
    return Idea(label=name, query=normalise(name), why=why)
