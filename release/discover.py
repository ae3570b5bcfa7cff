"""What is shown beside a page of results, and what to search next, from the content that is kept for a query."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from domain.discovery import Content, Suggestion
from domain.understanding import Discovery
from release.likeness import same_words, words_of

__all__ = [
    "EXPLORATORY_SHARE",
    "FEW_RESULTS",
    "LIMIT",
    "MOST_PRODUCTS",
    "DiscoverReason",
    "Discovered",
    "EmptyReason",
    "Kept",
    "Lead",
    "LeadReason",
    "Suggested",
    "discovered",
    "suggested",
]

Lead = Literal["substitutes", "complements"]
LeadReason = Literal["few_results", "many_results", "scarce", "stocked"]
DiscoverReason = Literal["precomputed", "borrowed", "nothing_known", "all_shown", "empty_query"]
EmptyReason = Literal["none_known", "all_shown", "nothing_known", "empty_query"]

FEW_RESULTS: Final = 8
"""Results up to which substitutes lead: about two rows of a page, of which a shopper sees the end."""

EXPLORATORY_SHARE: Final = 0.5
"""Exploratory suggestions among all that are answered, at most."""

MOST_PRODUCTS: Final = 4
"""Products of an idea in an answer."""

LIMIT: Final = 6
"""Ideas of each kind, or suggestions, in an answer that nobody asked another number of."""

Shows = Callable[[str], bool]
"""Whether a page is full already of a category, by its id."""


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """Discovery content for one page.

    Attributes:
        query: As it was asked.
        lead: The list to show first.
        lead_reason: Why: the page's results are few or many; or nobody said how many, and the shop is known to be short
            of what is asked, or is not.
        substitutes: What else would do, best first; no product of the page is among it, nor what the page is full of.
        complements: What goes with it, alike.
        reason: Whose content it is, or why there is none.
        empty: Why a list is empty, for each that is: nothing of the kind is known, or the page shows it all.
        borrowed_from: The normalised query whose content it is, where it is another one's.
        release: Id of the release.
    """

    query: str
    lead: Lead
    lead_reason: LeadReason
    substitutes: tuple[Discovery, ...] = ()
    complements: tuple[Discovery, ...] = ()
    reason: DiscoverReason
    empty: dict[Lead, EmptyReason] = field(default_factory=dict)
    borrowed_from: str | None = None
    release: str


@dataclass(frozen=True, kw_only=True)
class Suggested:
    """Normalised queries to go on with, best first; ``query`` is as it was asked."""

    query: str
    suggestions: tuple[Suggestion, ...] = ()
    release: str


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Content for a query, and the other query that lends it, if one does."""

    content: Content
    borrowed_from: str | None = None


def discovered(
    query: str,
    kept: Kept | None,
    *,
    shown: Collection[str],
    shows: Shows,
    result_count: int | None,
    limit: int,
    few_results: int,
    release: str,
) -> Discovered:
    """Return what of the content goes beside a page.

    Args:
        query: Normalised.
        kept: Its content, or None where there is none.
        shown: Ids of the products on the page.
        shows: Says of which categories the page is full.
        result_count: How many results the query has, or None where that is not known.
        limit: Ideas of each kind.
        few_results: Results up to which substitutes lead.
        release: Id of the release.
    """
    lead, why = _lead(kept, result_count, few_results)
    if kept is None:
        reason: Literal["empty_query", "nothing_known"] = "nothing_known" if query else "empty_query"
        empty: dict[Lead, EmptyReason] = {"substitutes": reason, "complements": reason}
        return Discovered(query=query, lead=lead, lead_reason=why, reason=reason, empty=empty, release=release)
    known: dict[Lead, tuple[Discovery, ...]] = {
        "substitutes": kept.content.substitutes,
        "complements": kept.content.complements,
    }
    if kept.borrowed_from is not None:
        known = {kind: tuple(_others(query, ideas)) for kind, ideas in known.items()}
    lists = {kind: _incremental(ideas, shown, shows, limit) for kind, ideas in known.items()}
    return Discovered(
        query=query,
        lead=lead,
        lead_reason=why,
        substitutes=lists["substitutes"],
        complements=lists["complements"],
        reason=_reason(known, lists, kept),
        empty=_empty(known, lists),
        borrowed_from=kept.borrowed_from if any(known.values()) else None,
        release=release,
    )


def suggested(query: str, kept: Kept | None, *, limit: int, exploratory_share: float, release: str) -> Suggested:
    """Return what to search next, in turns what shoppers do search next and what there is to explore.

    Args:
        query: Normalised; it is never suggested.
        kept: Its content, or None where there is none.
        limit: Suggestions.
        exploratory_share: Of what is answered, the share that may be exploratory, in [0, 1].
        release: Id of the release.
    """
    offered = [] if kept is None else [offer for offer in kept.content.suggestions if offer.query != query]
    return Suggested(query=query, suggestions=tuple(_mixed(offered, limit, exploratory_share)), release=release)


def _lead(kept: Kept | None, result_count: int | None, few_results: int) -> tuple[Lead, LeadReason]:
    if result_count is not None:
        return ("substitutes", "few_results") if result_count <= few_results else ("complements", "many_results")
    scarce = kept is not None and kept.content.scarce
    return ("substitutes", "scarce") if scarce else ("complements", "stocked")


def _others(query: str, ideas: Sequence[Discovery]) -> Iterator[Discovery]:
    """Yield the ideas that are not what is asked: those of a lender may be, as oat milk is one for milk."""
    asked = words_of(query)
    return (idea for idea in ideas if not same_words(words_of(idea.query), asked))


def _incremental(ideas: Sequence[Discovery], shown: Collection[str], shows: Shows, limit: int) -> tuple[Discovery, ...]:
    """Return the first ideas that a page does not show yet, with products that it does not show."""
    found: list[Discovery] = []
    for idea in ideas:
        if len(found) == limit:
            break
        left = [product_id for product_id in idea.product_ids if product_id not in shown]
        if left and not shows(idea.category_id):
            found.append(replace(idea, product_ids=tuple(left[:MOST_PRODUCTS])))
    return tuple(found)


def _reason(
    known: dict[Lead, tuple[Discovery, ...]], lists: dict[Lead, tuple[Discovery, ...]], kept: Kept
) -> DiscoverReason:
    if any(lists.values()):
        return "precomputed" if kept.borrowed_from is None else "borrowed"
    return "all_shown" if any(known.values()) else "nothing_known"


def _empty(
    known: dict[Lead, tuple[Discovery, ...]], lists: dict[Lead, tuple[Discovery, ...]]
) -> dict[Lead, EmptyReason]:
    none: EmptyReason = "none_known" if any(known.values()) else "nothing_known"
    return {kind: "all_shown" if known[kind] else none for kind, ideas in lists.items() if not ideas}


def _mixed(offered: Sequence[Suggestion], limit: int, share: float) -> Iterator[Suggestion]:
    """Yield suggestions in turns, the first one that shoppers search next, never more to explore than their share."""
    following = [offer for offer in offered if offer.kind == "next"][::-1]
    exploratory = [offer for offer in offered if offer.kind == "exploratory"][::-1]
    explored = 0
    for given in range(limit):
        may_explore = bool(exploratory) and explored + 1 <= share * (given + 1)
        if following and not (may_explore and explored < given - explored):
            yield following.pop()
        elif may_explore:
            explored += 1
            yield exploratory.pop()
        else:
            return
