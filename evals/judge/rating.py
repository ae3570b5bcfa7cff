"""What people say of items that a judge is asked about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from domain.judgements import Judgement
from domain.verdict import Item
from evals.case import Case

__all__ = ["Rating", "category_ratings", "human_categories", "ratings_of"]


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One person's grade of one item, on the scale of a `Verdict`; ``rater`` is empty where nobody is named."""

    item: Item
    grade: int
    rater: str


def ratings_of(judgements: Iterable[Judgement]) -> tuple[Rating, ...]:
    """Return judgements of products as ratings of relevance."""
    return tuple(
        Rating(item=Item(task="relevance", query=j.query, subject=j.product_id), grade=j.rating, rater=j.rater)
        for j in judgements
    )


def human_categories(case: Case, item: Item) -> Literal[0, 1] | None:
    """Return 1 where a case expects or accepts the category of an item, 0 where it does neither.

    None where the case says nothing of it: its categories are not labelled, or the item is of another task or query. A
    case that asks for an abstention says 0 of every category that it does not accept.
    """
    if case.categories is None or item.task != "category" or item.query != case.normalized:
        return None
    return 1 if item.subject in case.categories or item.subject in case.acceptable else 0


def category_ratings(cases: Iterable[Case], items: Iterable[Item]) -> tuple[Rating, ...]:
    """Return what the raters of cases say of items, each item once a rater; items that no case labels are left out."""
    by_query: dict[str, list[Case]] = {}
    for case in cases:
        by_query.setdefault(case.normalized, []).append(case)
    return tuple(
        Rating(item=item, grade=grade, rater=case.rater or "")
        for item in dict.fromkeys(items)
        for case in by_query.get(item.query, ())
        if (grade := human_categories(case, item)) is not None
    )
