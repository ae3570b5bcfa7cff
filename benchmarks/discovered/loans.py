"""Queries of the tail with the content that the nearest lender has for them, whatever the cosine."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from domain.context import ContextStore
from domain.discovery import Content, Role
from domain.shop import Shop
from domain.understanding import Discovery
from release import open_release
from release.borrow_content import ContentBorrower, is_wider
from release.contents import LENDERS
from release.lenders import Lenders
from release.likeness import same_words, words_of
from release.manifest import DISCOVERY, STUDENT
from release.student import Student
from release.tail import Tail

__all__ = ["LEAST", "Drawn", "Loan", "draw_loans"]

LEAST: Final = 0.5
"""The least cosine of a lender that is looked at; a release asks for more."""


@dataclass(frozen=True, kw_only=True)
class Loan:
    """A query of the tail with what the nearest lender has, and the cosine of the two."""

    query: str
    cosine: float
    content: Content

    def ideas(self, role: Role) -> tuple[Discovery, ...]:
        """Return what the query is lent of a kind, as a release does that lends from any cosine."""
        if role == "substitute":
            return () if self.is_wider else self._others(self.content.substitutes)
        return self._others(self.content.complements)

    @property
    def is_wider(self) -> bool:
        """Whether the lender says less than the query."""
        return is_wider(self.content.query, self.query)

    @property
    def kept_back(self) -> tuple[Discovery, ...]:
        """The substitutes that the query is not lent because the lender says less."""
        return self._others(self.content.substitutes) if self.is_wider else ()

    def _others(self, ideas: tuple[Discovery, ...]) -> tuple[Discovery, ...]:
        """Return the ideas that are not what is asked."""
        asked = words_of(self.query)
        return tuple(idea for idea in ideas if not same_words(words_of(idea.query), asked))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Loans of queries drawn at random.

    Attributes:
        loans: Of those that would borrow anything.
        asked: How many queries of the tail have no content of their own.
        cosines: Of all that would borrow anything.
    """

    loans: tuple[Loan, ...]
    asked: int
    cosines: tuple[float, ...]

    def share(self, least: float) -> float:
        """Return the share of the queries that have a lender from a cosine on."""
        return sum(cosine >= least for cosine in self.cosines) / self.asked


def draw_loans(shop: Shop, release_id: str, sample: int) -> Drawn:
    """Draw queries of the tail without content of their own among those that would borrow anything."""
    with open_release(shop.releases / release_id) as release:
        student = Student(release.folder / STUDENT, release.taxonomy)
        lenders = Lenders(release.folder / DISCOVERY / LENDERS, student)
        borrower = ContentBorrower(Tail(student, release.taxonomy), lenders, least=LEAST)
        contents = release.contents
        assert contents is not None
        asked = [c.query for c in ContextStore(shop.context_file).of_tiers("tail") if contents.get(c.query) is None]
        # Which are drawn depends on the order of all, not on who finds a lender: students are compared on the same.
        random.Random(0).shuffle(asked)
        loans = []
        for query in asked:
            near = borrower.nearest(query)
            if near is not None and (content := contents.get(near.query)) is not None:
                loans.append(Loan(query=query, cosine=near.cosine, content=content))
    return Drawn(loans=tuple(loans[:sample]), asked=len(asked), cosines=tuple(loan.cosine for loan in loans))
