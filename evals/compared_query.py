"""One query of a comparison: what was expected, and both answers to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from domain.taxonomy import Taxonomy
from domain.understanding import AnnotationType, Category, Specificity, Understanding
from evals.agreement import Part, changed
from evals.case import Case, ExpectedRewrite
from evals.categories import Counts
from evals.sides import Asked, Failed, Outcome, Usage

__all__ = ["ComparedAnswer", "ComparedQuery", "Expected", "ExpectedSpan", "Result", "compare_query"]

Result = Literal["won", "lost", "tied"]
"""How B did against A on one query, by F1 at the leaf level."""

_SAME = 1e-9  # F1 of equal fractions differs by less


@dataclass(frozen=True, kw_only=True)
class ExpectedSpan:
    """An expected annotation, ``text == normalized[start:end]``."""

    text: str
    start: int
    end: int
    type: AnnotationType


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The label of a query, to be read by a person; None is not labelled, no category is an abstention."""

    categories: tuple[Category, ...] | None
    acceptable: tuple[Category, ...]
    specificity: Specificity | None
    annotations: tuple[ExpectedSpan, ...] | None
    rewrites: tuple[ExpectedRewrite, ...] | None
    kind: str | None
    rater: str | None


@dataclass(frozen=True, kw_only=True)
class ComparedAnswer:
    """One side's answer or failure, and its F1 at the leaf level where the categories are labelled."""

    answer: Understanding | None
    failed: Failed | None
    f1: float | None
    usage: Usage

    @property
    def right(self) -> bool | None:
        """Whether the answer is wholly right: F1 is 1. None where it is not judged."""
        return None if self.f1 is None else self.f1 > 1 - _SAME


@dataclass(frozen=True, kw_only=True)
class ComparedQuery:
    """A query with both answers; ``result`` is None where the categories are not labelled."""

    query: str
    tier: str
    searches: int
    expected: Expected | None
    result: Result | None
    changed: tuple[Part, ...]
    a: ComparedAnswer
    b: ComparedAnswer


def compare_query(
    asked: Asked, a: Outcome, b: Outcome, *, counts_a: Counts | None, counts_b: Counts | None, taxonomy: Taxonomy
) -> ComparedQuery:
    """Put both outcomes of a query side by side, with their counts at the leaf level."""
    first, second = _answer(a, counts_a), _answer(b, counts_b)
    return ComparedQuery(
        query=asked.query,
        tier=asked.tier,
        searches=asked.searches,
        expected=_expected(asked.case, taxonomy) if asked.case else None,
        result=_result(first.f1, second.f1),
        changed=changed(a.served(asked.query), b.served(asked.query)),
        a=first,
        b=second,
    )


def _answer(outcome: Outcome, counts: Counts | None) -> ComparedAnswer:
    result = outcome.result
    return ComparedAnswer(
        answer=None if isinstance(result, Failed) else result,
        failed=result if isinstance(result, Failed) else None,
        f1=counts.f1 if counts else None,
        usage=outcome.usage,
    )


def _result(a: float | None, b: float | None) -> Result | None:
    if a is None or b is None:
        return None
    return "tied" if abs(b - a) < _SAME else "won" if b > a else "lost"


def _expected(case: Case, taxonomy: Taxonomy) -> Expected:
    spans = case.annotations
    return Expected(
        categories=None if case.categories is None else tuple(_named(i, taxonomy) for i in case.categories),
        acceptable=tuple(_named(i, taxonomy) for i in case.acceptable),
        specificity=case.specificity,
        annotations=None
        if spans is None
        else tuple(
            ExpectedSpan(
                text=case.normalized[s.place.start : s.place.end], start=s.place.start, end=s.place.end, type=s.type
            )
            for s in spans
        ),
        rewrites=case.rewrites,
        kind=case.kind,
        rater=case.rater,
    )


def _named(category_id: str, taxonomy: Taxonomy) -> Category:
    path = taxonomy.path(category_id) if category_id in taxonomy else ()
    return Category(id=category_id, path=path, confidence=None)
