"""Which rewrites of a near query are rewrites of another one too, judged by the words of all three.

Two queries that are alike to the student may differ in a word that decides: a flavour, a size, a brand. What is
borrowed follows from how their words stand to each other:

- **same**: the same words but for number, order, a space or one wrong letter. What serves the lender serves the query.
- **synonym**: the query is what the lender's answer calls a synonym. The same holds, and the lender serves it too.
- **detail**: the query says what the lender says and more, as "lime sparkling water" does of "sparkling water". The
  lender itself is wider than the query; what else it has need not be.

Nothing narrower than the query is taken but a synonym of what says the same, and nothing that asks for what the query
does not. A lender that stands otherwise to the query, or where that is in doubt, lends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import Final, Literal

from pydantic import TypeAdapter

from domain.constraints import Constraint, ConstraintKind, Tag, constraints_of, keeps
from domain.errors import ReleaseError
from domain.understanding import Rewrite, RewriteType
from release.lenders import LENT, SURE, Lender, Lenders, Vector
from release.likeness import is_respelt, same_words, within, words_of

__all__ = [
    "LEAST_CONFIDENCE",
    "LEAST_COSINE",
    "LEAST_COSINE_OWN",
    "NEVER_GIVEN_UP",
    "Borrowed",
    "Borrower",
    "Loans",
    "Relation",
    "borrow",
]

LEAST_COSINE: Final[Mapping[RewriteType, float]] = {"synonym": 0.55, "broader": 0.4}
"""The least cosine of query and rewrite by the student's embedding; docs/borrowing.md says how it was set."""

LEAST_COSINE_OWN: Final = 0.6
"""The same of query and lender, where the lender itself is lent."""

LEAST_CONFIDENCE: Final = 0.65
"""What a synonym that is lent has at least: those with less are often narrower, or another thing."""

_LEAST_WORDS: Final = 2
"""Of a lender that is lent as broader: one word is mostly too wide, as "water" is for "distilled water"."""

_OWN_CONFIDENCE: Final = 0.75
"""Of a lender's own query where it is wider: about what the teacher is sure of half of what it calls broader."""

_SPELLING_CONFIDENCE: Final = 0.95
"""The same of a lender's own query where it is the right spelling."""

_ASKED: Final = 2
"""How many of the nearest lenders are asked in turn."""

_REMEMBERED: Final = 4096
"""Lenders whose rewrites are kept once they were read, some 5 MB."""

NEVER_GIVEN_UP: Final[frozenset[ConstraintKind]] = frozenset(
    ("allergen", "dietary", "exclusion", "model", "compatibility")
)
"""Without these a wider search shows what the shopper cannot use; a size can be picked from what it shows."""

Relation = Literal["same", "synonym", "detail"]


@dataclass(frozen=True, kw_only=True)
class Borrowed:
    """Rewrites, the surest first, the normalised query that lends them, and how the borrower stands to it."""

    query: str
    relation: Relation
    rewrites: tuple[Rewrite, ...]


@dataclass(frozen=True, kw_only=True)
class _Lent:
    """What is read of a lender's answer."""

    rewrites: tuple[Rewrite, ...]


_lent: Final[TypeAdapter[_Lent]] = TypeAdapter(_Lent)


class Borrower:
    """Borrows rewrites for queries without a precomputed answer. Use it from any thread.

    Args:
        lenders: Of the release.
        head: Returns the value of a normalised query in the release's head store.
    """

    def __init__(self, lenders: Lenders, head: Callable[[str], bytes | None]) -> None:
        self._lenders = lenders
        # Not a method: what is remembered would keep this object, and with it a release that was closed.
        self._rewrites = lru_cache(maxsize=_REMEMBERED)(partial(_rewrites, head))

    def find(self, query: str, embedding: Vector, row: int) -> Loans | None:
        """Return what may be borrowed from the nearest lenders as far as their words tell, or None for nothing.

        Most queries end here, before anything is read of an answer.

        Args:
            query: Normalised.
            embedding: By the student, a unit vector.
            row: Of the query's category, in the tree.
        """
        words = words_of(query)
        near = self._lenders.nearest(embedding, row, _ASKED)
        if any(lender.query == query for lender in near):
            # It lends nothing to itself, where it is asked as one that has no answer.
            near = tuple(one for one in self._lenders.nearest(embedding, row, _ASKED + 1) if one.query != query)
        related = [(lender, relation) for lender in near if (relation := _relation(words, lender)) is not None]
        return Loans(self._lenders, self._rewrites, query, embedding, related) if related else None

    def borrow(self, query: str, annotations: Sequence[Tag], embedding: Vector, row: int) -> Borrowed | None:
        """Return what the first of the nearest lenders lends that lends anything, or None.

        Args:
            query: Normalised.
            annotations: What is known of its words.
            embedding: By the student, a unit vector.
            row: Of the query's category, in the tree.

        Raises:
            ReleaseError: as `Loans.take`.
        """
        loans = self.find(query, embedding, row)
        return loans.take(annotations) if loans else None


class Loans:
    """What may be borrowed for a query from one lender, or else from the next; only a `Borrower` makes them."""

    def __init__(
        self,
        lenders: Lenders,
        rewrites: Callable[[str], tuple[Rewrite, ...]],
        query: str,
        embedding: Vector,
        related: Sequence[tuple[Lender, Relation]],
    ) -> None:
        self._lenders, self._rewrites = lenders, rewrites
        self._query, self._embedding = query, embedding
        self._related = related

    def take(self, annotations: Sequence[Tag]) -> Borrowed | None:
        """Return what the first lends that lends anything, or None.

        Args:
            annotations: What is known of the query's words.

        Raises:
            ReleaseError: when a lender has no answer, or another one.
        """
        need = _Need(self._query, annotations)
        for lender, relation in self._related:
            likeness = self._lenders.likeness(lender, self._embedding)
            borrowed = need.borrow(lender, relation, self._rewrites(lender.query), likeness)
            if borrowed is not None:
                return borrowed
        return None


def _rewrites(head: Callable[[str], bytes | None], lender: str) -> tuple[Rewrite, ...]:
    value = head(lender)
    if value is None:
        raise ReleaseError(f"the lender {lender!r} has no answer", hint="build a new release")
    # A stored value is a JSON object without its first member and the brace before that.
    return _lent.validate_json(b"{" + value).rewrites


def borrow(
    query: str, annotations: Sequence[Tag], lender: Lender, rewrites: Sequence[Rewrite], likeness: Sequence[float]
) -> Borrowed | None:
    """Return what a query may borrow from one lender, or None where that is nothing.

    The confidence of a rewrite is the lender's, times the cosine of the two queries.

    Args:
        query: The normalised query.
        annotations: What is known of its words.
        lender: A query near it in the same part of the tree.
        rewrites: Those of the lender's answer.
        likeness: The cosine of each of them and the query.

    Raises:
        ReleaseError: when the answer is not the one that the lender was written with.
    """
    relation = _relation(words_of(query), lender)
    return None if relation is None else _Need(query, annotations).borrow(lender, relation, rewrites, likeness)


def _relation(asked: Sequence[str], lender: Lender) -> Relation | None:
    """Return how the words of a query stand to a lender's, as far as these alone tell; None where it lends nothing."""
    said = words_of(lender.query)
    if same_words(asked, said):
        return "same"
    if within(said, asked):
        return "detail" if _lends_itself(lender) and len(said) >= _LEAST_WORDS else None
    return "synonym" if any(same_words(asked, words_of(alias)) for alias in lender.aliases) else None


def _lends_itself(lender: Lender) -> bool:
    return lender.finds and lender.cosine >= LEAST_COSINE_OWN


class _Need:
    """What a query asks for."""

    def __init__(self, query: str, annotations: Sequence[Tag]) -> None:
        self._query, self._annotations = query, annotations
        self.words = words_of(query)

    def borrow(
        self, lender: Lender, relation: Relation, rewrites: Sequence[Rewrite], likeness: Sequence[float]
    ) -> Borrowed | None:
        if len(rewrites) != len(likeness):
            raise ReleaseError(f"the answer of {lender.query!r} is not its lender's", hint="build a new release")
        loan = _Loan(self, lender, relation, rewrites)
        if relation == "detail" and not self.names_head(loan.said):
            return None
        offered = (
            replace(rewrite, confidence=round(rewrite.confidence * min(1.0, lender.cosine), 4))
            for rewrite in loan.offers(likeness)
        )
        taken = sorted(filter(self._takes, offered), key=lambda rewrite: -rewrite.confidence)
        return Borrowed(query=lender.query, relation=relation, rewrites=tuple(taken)) if taken else None

    def names_head(self, words: Sequence[str]) -> bool:
        """Whether words name the thing itself, which is the last word of the query that is no detail of it.

        "Grape leaves" are no grapes. Where the thing is named first, as in Spanish, less is lent.
        """
        head = next((word for word in reversed(self.words) if word not in self._details), None)
        return head is not None and within([head], words)

    def _takes(self, rewrite: Rewrite) -> bool:
        """Whether a rewrite is sure enough, keeps what the query insists on, and insists on nothing else."""
        if rewrite.type == "synonym" and rewrite.confidence < LEAST_CONFIDENCE:
            return False
        given_up = [constraint for constraint in self._constraints if not keeps(rewrite.query, constraint)]
        if any(rewrite.type != "broader" or constraint.kind in NEVER_GIVEN_UP for constraint in given_up):
            return False
        meant = {meaning for constraint in self._constraints for meaning in constraint.meanings}
        return all(c.meanings & meant or keeps(self._query, c) for c in constraints_of(rewrite.query))

    @cached_property
    def _details(self) -> frozenset[str]:
        """Words of the query that say of which kind, size or make, and not what."""
        texts = [constraint.text for constraint in self._constraints]
        texts += [tag.text for tag in self._annotations if tag.type != "product_type"]
        return frozenset(word for text in texts for word in words_of(text))

    @cached_property
    def _constraints(self) -> tuple[Constraint, ...]:
        return constraints_of(self._query, self._annotations)


class _Loan:
    """What a lender has for a query, by the words of both."""

    def __init__(self, need: _Need, lender: Lender, relation: Relation, rewrites: Sequence[Rewrite]) -> None:
        self._need, self._lender, self._relation, self._rewrites = need, lender, relation, rewrites
        self.said = words_of(lender.query)

    def offers(self, likeness: Sequence[float]) -> Iterator[Rewrite]:
        """Yield what may serve the query, with the confidence that the lender has in it."""
        if _lends_itself(self._lender):
            yield from self._own()
        if self._relation == "detail":
            return
        for rewrite, cosine in zip(self._rewrites, likeness, strict=True):
            if rewrite.type in LENT and cosine >= LEAST_COSINE[rewrite.type] and self._fits(rewrite):
                yield rewrite

    def _own(self) -> Iterator[Rewrite]:
        """Yield the lender's own query as a rewrite: a synonym, the right spelling, or something broader."""
        asked, query = self._need.words, self._lender.query
        misspelt = any(rewrite.type == "spelling" for rewrite in self._rewrites)
        if self._relation == "synonym":
            sure = (one for one in self._rewrites if one.type == "synonym" and one.confidence >= SURE)
            aliases = (one for one in sure if same_words(asked, words_of(one.query)))
            yield from (replace(alias, query=query) for alias in islice(aliases, 1))
        elif self._relation == "same" and not misspelt and is_respelt(asked, self.said):
            yield Rewrite(query=query, type="spelling", confidence=_SPELLING_CONFIDENCE)
        elif self._relation == "detail":
            yield Rewrite(query=query, type="broader", confidence=_OWN_CONFIDENCE)

    def _fits(self, rewrite: Rewrite) -> bool:
        """Whether a rewrite says something else than the query, and nothing narrower unless it is a synonym."""
        words, asked = words_of(rewrite.query), self._need.words
        if not words or same_words(words, asked):
            return False
        return rewrite.type == "synonym" or not (within(asked, words) or within(self.said, words))
