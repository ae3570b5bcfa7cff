"""Which query's discovery content serves another one too.

Content is of a need and not of its words, so a lender may say something else, as long as it is near. One that says less
("oil" for "motor oil") lends what goes with it, but not what would do instead: that is mostly too wide. What a shopper
cannot do without decides all the same: who asks for gluten free pasta is shown nothing that goes with pasta, nor is it
the other way round.
"""

from __future__ import annotations

from typing import Final

from domain.constraints import constraints_of, keeps
from release.borrow import NEVER_GIVEN_UP
from release.lenders import Lender, Lenders
from release.likeness import same_words, within, words_of
from release.tail import Tail

__all__ = ["LEAST_COSINE", "ContentBorrower", "is_wider"]

LEAST_COSINE: Final = 0.85
"""The least cosine of query and lender by the student's embedding: of those tried the first from which a judge finds
five of six ideas of either kind right, see docs/discovered.md."""

_ASKED: Final = 2
"""How many of the nearest lenders are looked at."""


class ContentBorrower:
    """Finds a lender for queries without content of their own. Use it from any thread.

    Args:
        tail: Of the release.
        lenders: The queries that have content.
        least: The least cosine of query and lender.
    """

    def __init__(self, tail: Tail, lenders: Lenders, *, least: float = LEAST_COSINE) -> None:
        self._tail = tail
        self._lenders = lenders
        self._least = least

    def lender(self, query: str) -> str | None:
        """Return the query whose content serves another, normalised query, or None."""
        found = self.nearest(query)
        return None if found is None else found.query

    def nearest(self, query: str) -> Lender | None:
        """Return the nearest query that may lend to another, normalised query, or None.

        Where the student is sure of no category, only a query that says the same lends.
        """
        place = self._tail.place(query)
        for lender in self._lenders.nearest(place.embedding, place.row, _ASKED):
            if lender.cosine < self._least:
                return None
            sure = place.sure or same_words(words_of(query), words_of(lender.query))
            if sure and _insists(query, lender.query) and _insists(lender.query, query):
                return lender
        return None


def is_wider(lender: str, query: str) -> bool:
    """Whether a lender says what a query says, and less."""
    said, asked = words_of(lender), words_of(query)
    return not same_words(said, asked) and within(said, asked)


def _insists(query: str, other: str) -> bool:
    """Whether another query keeps all that this one cannot do without."""
    return all(keeps(other, constraint) for constraint in constraints_of(query) if constraint.kind in NEVER_GIVEN_UP)
