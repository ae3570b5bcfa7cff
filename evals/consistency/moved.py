"""What one release answers otherwise than another, in queries and in the searches behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import get_args

from domain.understanding import Understanding
from evals.agreement import Part, changed
from evals.sides import Asked

__all__ = ["MovedShare", "Moved", "Mover", "Turnover", "moved"]


@dataclass(frozen=True, kw_only=True)
class MovedShare:
    """Queries whose answers differ in something, with the searches behind them, as counts and as shares.

    Shares are of what both answer; None where that is nothing. They are counted, not sampled, so they have no interval.
    """

    queries: int
    searches: int
    query_share: float | None
    search_share: float | None


@dataclass(frozen=True, kw_only=True)
class Mover:
    """A query whose answers differ, in which parts, with both answers."""

    query: str
    tier: str
    searches: int
    changed: tuple[Part, ...]
    before: Understanding
    after: Understanding


@dataclass(frozen=True, kw_only=True)
class Turnover:
    """Queries that only one of the two answers from its own knowledge, and the most searched of them."""

    queries: int
    searches: int
    most_searched: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Two systems on the same queries.

    ``both`` is how many queries both answer from their own knowledge, not by fallback; only these are compared. ``any``
    counts those of which any part differs, ``parts`` each part alone. ``movers`` are those whose categories or first
    category differ, ``rewritten`` those whose rewrites alone do, most searched first.
    """

    both: int
    searches: int
    any: MovedShare
    parts: dict[Part, MovedShare]
    movers: tuple[Mover, ...]
    rewritten: tuple[Mover, ...]
    gained: Turnover
    lost: Turnover


def moved(
    asked: Sequence[Asked], before: Sequence[Understanding], after: Sequence[Understanding], *, limit: int = 50
) -> Moved:
    """Compare the answers of two systems to the same queries.

    Args:
        asked: The queries, with their tiers and searches.
        before: The answers of the first, in order.
        after: The answers of the second, in order.
        limit: Queries of each list to keep.
    """
    rows = sorted(zip(asked, before, after, strict=True), key=lambda row: (-row[0].searches, row[0].query))
    both = [row for row in rows if _known(row[1]) and _known(row[2])]
    differs = [(one, first, second, changed(first, second)) for one, first, second in both]
    searches = sum(one.searches for one, *_ in both)

    def share(among: Sequence[Asked]) -> MovedShare:
        met = sum(one.searches for one in among)
        return MovedShare(
            queries=len(among),
            searches=met,
            query_share=len(among) / len(both) if both else None,
            search_share=met / searches if searches else None,
        )

    def movers(*of: Part, but: frozenset[Part] = frozenset()) -> tuple[Mover, ...]:
        found = (
            Mover(query=one.query, tier=one.tier, searches=one.searches, changed=parts, before=first, after=second)
            for one, first, second, parts in differs
            if not {*of}.isdisjoint(parts) and but.isdisjoint(parts)
        )
        return tuple(islice(found, limit))

    return Moved(
        both=len(both),
        searches=searches,
        any=share([one for one, *_, parts in differs if parts]),
        parts={part: share([one for one, *_, parts in differs if part in parts]) for part in get_args(Part)},
        movers=movers("categories", "top"),
        rewritten=movers("rewrites", but=frozenset(("categories", "top"))),
        gained=_turnover([one for one, first, second in rows if _known(second) and not _known(first)], limit),
        lost=_turnover([one for one, first, second in rows if _known(first) and not _known(second)], limit),
    )


def _known(answer: Understanding) -> bool:
    return answer.source != "fallback"


def _turnover(among: Sequence[Asked], limit: int) -> Turnover:
    return Turnover(
        queries=len(among),
        searches=sum(one.searches for one in among),
        most_searched=tuple(one.query for one in among[:limit]),
    )
