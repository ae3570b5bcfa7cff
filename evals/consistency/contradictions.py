"""Parts of one answer that cannot all be right: named rules, each with how many queries and searches it meets.

The checks on a model's answer drop some of these before they are served. Here they are looked for in what is served,
whoever made it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Understanding
from evals.sides import Asked

__all__ = ["RULES", "Contradiction", "Example", "Rule", "RuleCount", "contradictions", "count_contradictions"]

Rule = Literal[
    "spelling_changes_brand",
    "two_spellings",
    "rewrite_is_query",
    "rewrite_repeated",
    "category_repeated",
    "category_with_ancestor",
    "order_against_confidence",
    "broad_but_sure",
    "specific_but_scattered",
    "navigational_with_product_type",
    "span_not_in_query",
    "spans_overlap",
    "discovery_is_query",
    "substitute_and_complement",
    "next_query_is_query",
]

RULES: dict[Rule, str] = {
    "spelling_changes_brand": "a spelling rewrite has neither the words tagged as a brand nor the brand's own name",
    "two_spellings": "two spelling rewrites mend the query differently",
    "rewrite_is_query": "a rewrite is the query",
    "rewrite_repeated": "two rewrites are the same",
    "category_repeated": "a category is there twice",
    "category_with_ancestor": "a category stands beside one that lies below it",
    "order_against_confidence": "a category is more confident than one before it",
    "broad_but_sure": "called broad, and one leaf category alone has a confidence above 0.9",
    "specific_but_scattered": "called specific, and the categories lie in three departments or more",
    "navigational_with_product_type": "called navigational, and words are tagged as a type of product",
    "span_not_in_query": "an annotation's text does not stand where it says",
    "spans_overlap": "two annotations share a character",
    "discovery_is_query": "a substitute or complement is shown by searching the query itself",
    "substitute_and_complement": "a product is offered as a substitute and as a complement",
    "next_query_is_query": "the query is its own next query",
}
"""Every rule, with what it finds, in the order of a report."""

_SURE = 0.9
_SCATTERED = 3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """A rule that an answer breaks, and what in the answer breaks it."""

    rule: Rule
    detail: str


@dataclass(frozen=True, kw_only=True)
class Example:
    """A query whose answer breaks a rule."""

    query: str
    searches: int
    detail: str


@dataclass(frozen=True, kw_only=True)
class RuleCount:
    """How often a rule is broken: queries and searches as counts and as shares of all; examples most searched first.

    ``search_share`` is None where nothing was searched.
    """

    rule: Rule
    queries: int
    searches: int
    query_share: float
    search_share: float | None
    examples: tuple[Example, ...]


def contradictions(answer: Understanding, taxonomy: Taxonomy) -> tuple[Contradiction, ...]:
    """Return the rules that an answer breaks, each once and with its first cause, in the order of `RULES`."""
    first: dict[Rule, Contradiction] = {}
    for found in (*_rewrites(answer), *_categories(answer, taxonomy), *_spans(answer), *_discovery(answer)):
        first.setdefault(found.rule, found)
    return tuple(first[rule] for rule in get_args(Rule) if rule in first)


def count_contradictions(
    asked: Sequence[Asked], answers: Sequence[Understanding], taxonomy: Taxonomy, *, examples: int = 5
) -> tuple[RuleCount, ...]:
    """Count the queries that break each rule, leaving out rules that none breaks.

    Args:
        asked: The queries with their searches.
        answers: The answers to them, in order.
        taxonomy: The tree that the answers name categories of.
        examples: Queries to keep of each rule.
    """
    broken: dict[Rule, list[Example]] = {}
    for one, answer in zip(asked, answers, strict=True):
        for found in contradictions(answer, taxonomy):
            example = Example(query=one.query, searches=one.searches, detail=found.detail)
            broken.setdefault(found.rule, []).append(example)
    searches = sum(one.searches for one in asked)
    return tuple(
        RuleCount(
            rule=rule,
            queries=len(of),
            searches=(met := sum(example.searches for example in of)),
            query_share=len(of) / len(asked),
            search_share=met / searches if searches else None,
            examples=tuple(sorted(of, key=lambda example: (-example.searches, example.query))[:examples]),
        )
        for rule in RULES
        if (of := broken.get(rule))
    )


def _rewrites(answer: Understanding) -> Iterator[Contradiction]:
    brands = [span for span in answer.annotations if span.type == "brand"]
    spellings = list(dict.fromkeys(normalise(r.query) for r in answer.rewrites if r.type == "spelling"))
    for text in spellings:
        for span in brands:
            if not (_has_words(text, span.text) or _has_words(text, span.value)):
                yield Contradiction(rule="spelling_changes_brand", detail=f"{span.text} is a brand, spelling {text}")
    if len(spellings) > 1:
        yield Contradiction(rule="two_spellings", detail=" and ".join(spellings[:2]))
    texts = [normalise(rewrite.query) for rewrite in answer.rewrites]
    for place, text in enumerate(texts):
        if text == answer.normalized:
            yield Contradiction(rule="rewrite_is_query", detail=answer.rewrites[place].type)
        if text in texts[:place]:
            yield Contradiction(rule="rewrite_repeated", detail=text)


def _categories(answer: Understanding, taxonomy: Taxonomy) -> Iterator[Contradiction]:
    given = answer.categories
    for one, other in combinations(given, 2):
        if one.id == other.id:
            yield Contradiction(rule="category_repeated", detail=_named(one.id, taxonomy))
        for above, below in ((one.id, other.id), (other.id, one.id)):
            if below in taxonomy and taxonomy.is_ancestor(above, below):
                detail = f"{_named(above, taxonomy)} beside {_named(below, taxonomy)}"
                yield Contradiction(rule="category_with_ancestor", detail=detail)
        if one.confidence is not None and other.confidence is not None and other.confidence > one.confidence:
            detail = f"{_named(other.id, taxonomy)} {other.confidence:.2f} after {one.confidence:.2f}"
            yield Contradiction(rule="order_against_confidence", detail=detail)
    if answer.specificity == "broad" and len(given) == 1 and (given[0].confidence or 0.0) > _SURE:
        if given[0].id in taxonomy and given[0].id not in taxonomy.children:
            detail = f"{_named(given[0].id, taxonomy)} {given[0].confidence:.2f}"
            yield Contradiction(rule="broad_but_sure", detail=detail)
    departments = dict.fromkeys(taxonomy.lineage(c.id)[0] for c in given if c.id in taxonomy)
    if answer.specificity == "specific" and len(departments) >= _SCATTERED:
        detail = ", ".join(taxonomy[i].name for i in departments)
        yield Contradiction(rule="specific_but_scattered", detail=detail)


def _spans(answer: Understanding) -> Iterator[Contradiction]:
    for span in answer.annotations:
        if span.type == "product_type" and answer.specificity == "navigational":
            yield Contradiction(rule="navigational_with_product_type", detail=span.text)
        if not span.text or answer.normalized[span.start : span.end] != span.text:
            yield Contradiction(rule="span_not_in_query", detail=f"{span.text} at {span.start}")
    for one, other in combinations(answer.annotations, 2):
        if one.start < other.end and other.start < one.end:
            detail = f"{one.text} ({one.type}) and {other.text} ({other.type})"
            yield Contradiction(rule="spans_overlap", detail=detail)


def _discovery(answer: Understanding) -> Iterator[Contradiction]:
    for part, offered in (("substitute", answer.substitutes), ("complement", answer.complements)):
        for idea in offered:
            if normalise(idea.query) == answer.normalized:
                yield Contradiction(rule="discovery_is_query", detail=f"{part} {idea.label}")
    substitutes = {product: idea.label for idea in answer.substitutes for product in idea.product_ids}
    for idea in answer.complements:
        for product in idea.product_ids:
            if product in substitutes:
                detail = f"product {product}: {substitutes[product]}, {idea.label}"
                yield Contradiction(rule="substitute_and_complement", detail=detail)
    if any(normalise(query) == answer.normalized for query in answer.next_queries):
        yield Contradiction(rule="next_query_is_query", detail=answer.normalized)


def _has_words(text: str, name: str) -> bool:
    """Whether a text has the letters of a name as whole words of its own, however either is split."""
    wanted = "".join(_WORD.findall(normalise(name)))
    words = _WORD.findall(text)
    starts = {sum(map(len, words[:i])) for i in range(len(words) + 1)}
    glued = "".join(words)
    at = glued.find(wanted) if wanted else -1
    while at >= 0:
        if {at, at + len(wanted)} <= starts:
            return True
        at = glued.find(wanted, at + 1)
    return False


def _named(category_id: str, taxonomy: Taxonomy) -> str:
    return " > ".join(taxonomy.path(category_id)) if category_id in taxonomy else category_id
