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
from functools import cached_property
from typing import Final, Literal

from pydantic import TypeAdapter

from domain.constraints import Constraint, ConstraintKind, Tag, constraints_of, keeps
from domain.errors import ReleaseError
from domain.understanding import Rewrite, RewriteType
from release.lenders import LENT, Lender, Lenders, Vector
from release.likeness import is_respelt, lacking, same_words, words_of

__all__ = [
    "LEAST_CONFIDENCE",
    "LEAST_COSINE",
    "LEAST_COSINE_OWN",
    "NEVER_GIVEN_UP",
    "Borrowed",
    "Borrower",
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

_SURE: Final = 0.9
"""The confidence of a synonym from which more follows; one less sure is often narrower, as salmon is for fish."""

_OWN_CONFIDENCE: Final = 0.75
"""Of a lender's own query where it is wider: about what the teacher is sure of half of what it calls broader."""

_SPELLING_CONFIDENCE: Final = 0.95
"""The same of a lender's own query where it is the right spelling."""

_ASKED: Final = 2
"""How many of the nearest lenders are asked in turn."""

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
        self._head = head

    def borrow(self, query: str, annotations: Sequence[Tag], embedding: Vector, row: int) -> Borrowed | None:
        """Return what the first of the nearest lenders lends that lends anything, or None.

        Args:
            query: The normalised query.
            annotations: What is known of its words.
            embedding: By the student, a unit vector.
            row: Of the query's category, in the tree.

        Raises:
            ReleaseError: when a lender has no answer, or another one.
        """
        need = _Need(query, annotations)
        near = self._lenders.nearest(embedding, row, _ASKED + 1)
        # It lends nothing to itself, where it is asked as one that has no answer.
        for lender in [lender for lender in near if lender.query != query][:_ASKED]:
            value = self._head(lender.query)
            if value is None:
                raise ReleaseError(f"the lender {lender.query!r} has no answer", hint="build a new release")
            # A stored value is a JSON object without its first member and the brace before that.
            borrowed = need.borrow(lender, _lent.validate_json(b"{" + value).rewrites)
            if borrowed is not None:
                return borrowed
        return None


def borrow(query: str, annotations: Sequence[Tag], lender: Lender, rewrites: Sequence[Rewrite]) -> Borrowed | None:
    """Return what a query may borrow from one lender, or None where that is nothing.

    The confidence of a rewrite is the lender's, times the cosine of the two queries.

    Args:
        query: The normalised query.
        annotations: What is known of its words.
        lender: A query near it in the same part of the tree.
        rewrites: Those of the lender's answer.

    Raises:
        ReleaseError: when the answer is not the one that the lender was written with.
    """
    return _Need(query, annotations).borrow(lender, rewrites)


class _Need:
    """What a query asks for."""

    def __init__(self, query: str, annotations: Sequence[Tag]) -> None:
        self._query, self._annotations = query, annotations
        self.words = words_of(query)

    def borrow(self, lender: Lender, rewrites: Sequence[Rewrite]) -> Borrowed | None:
        if len(rewrites) != len(lender.rewrites):
            raise ReleaseError(f"the answer of {lender.query!r} is not its lender's", hint="build a new release")
        loan = _Loan(self, lender, rewrites)
        if loan.relation is None:
            return None
        offered = (
            replace(rewrite, confidence=round(rewrite.confidence * min(1.0, lender.cosine), 4))
            for rewrite in loan.offers()
        )
        taken = sorted(filter(self._takes, offered), key=lambda rewrite: -rewrite.confidence)
        return Borrowed(query=lender.query, relation=loan.relation, rewrites=tuple(taken)) if taken else None

    def names_head(self, words: Sequence[str]) -> bool:
        """Whether words name the thing itself, which is the last word of the query that is no detail of it.

        "Grape leaves" are no grapes. Where the thing is named first, as in Spanish, less is lent.
        """
        head = next((word for word in reversed(self.words) if word not in self._details), None)
        return head is not None and not lacking([head], words)

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

    def __init__(self, need: _Need, lender: Lender, rewrites: Sequence[Rewrite]) -> None:
        self._need, self._lender, self._rewrites = need, lender, rewrites
        self._said = words_of(lender.query)
        self._alias: Rewrite | None = None
        self.relation: Relation | None = self._relation()

    def offers(self) -> Iterator[Rewrite]:
        """Yield what may serve the query, with the confidence that the lender has in it."""
        if self._lender.finds and self._lender.cosine >= LEAST_COSINE_OWN:
            yield from self._own()
        if self.relation == "detail":
            return
        for rewrite, cosine in zip(self._rewrites, self._lender.rewrites, strict=True):
            if rewrite.type in LENT and cosine >= LEAST_COSINE[rewrite.type] and self._fits(rewrite):
                yield rewrite

    def _relation(self) -> Relation | None:
        asked, said = self._need.words, self._said
        if same_words(asked, said):
            return "same"
        if not lacking(said, asked):
            return "detail" if self._need.names_head(said) else None
        sure = (r for r in self._rewrites if r.type == "synonym" and r.confidence >= _SURE)
        self._alias = next((r for r in sure if same_words(asked, words_of(r.query))), None)
        return None if self._alias is None else "synonym"

    def _own(self) -> Iterator[Rewrite]:
        """Yield the lender's own query as a rewrite: a synonym, the right spelling, or something broader."""
        misspelt = any(rewrite.type == "spelling" for rewrite in self._rewrites)
        if self._alias is not None:
            yield replace(self._alias, query=self._lender.query)
        elif self.relation == "same" and not misspelt and is_respelt(self._need.words, self._said):
            yield Rewrite(query=self._lender.query, type="spelling", confidence=_SPELLING_CONFIDENCE)
        elif self.relation == "detail" and len(self._said) >= _LEAST_WORDS:
            yield Rewrite(query=self._lender.query, type="broader", confidence=_OWN_CONFIDENCE)

    def _fits(self, rewrite: Rewrite) -> bool:
        """Whether a rewrite says something else than the query, and nothing narrower unless it is a synonym."""
        words, asked = words_of(rewrite.query), self._need.words
        if not words or same_words(words, asked):
            return False
        return rewrite.type == "synonym" or bool(lacking(asked, words) and lacking(self._said, words))
