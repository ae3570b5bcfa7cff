from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from domain.taxonomy import Node, Taxonomy
from domain.understanding import Annotation, AnnotationType, Category, Discovery, Rewrite, RewriteType, Understanding
from evals import Asked
from evals.consistency import RULES, Rule, contradictions, count_contradictions

PLAIN = Understanding(query="verners soda", normalized="verners soda", source="head", reason="precomputed", release="r")


def given(**parts: Any) -> Understanding:
    return replace(PLAIN, **parts)


def categories(*pairs: tuple[str, float | None]) -> tuple[Category, ...]:
    return tuple(Category(id=i, path=(), confidence=sure) for i, sure in pairs)


def span(text: str, start: int, kind: AnnotationType, value: str = "") -> Annotation:
    return Annotation(text=text, start=start, end=start + len(text), type=kind, value=value or text)


def rewrites(*pairs: tuple[str, RewriteType]) -> tuple[Rewrite, ...]:
    return tuple(Rewrite(query=text, type=kind, confidence=0.9) for text, kind in pairs)


def idea(label: str, query: str, *products: str) -> Discovery:
    return Discovery(label=label, query=query, category_id="cola", product_ids=products)


BRAND = (span("verners", 0, "brand"),)

BROKEN: list[tuple[Understanding, Rule, str]] = [
    (
        given(annotations=BRAND, rewrites=rewrites(("vernors soda", "spelling"))),
        "spelling_changes_brand",
        "verners is a brand, spelling vernors soda",
    ),
    (
        given(rewrites=rewrites(("vernors soda", "spelling"), ("werners soda", "spelling"))),
        "two_spellings",
        "vernors soda and werners soda",
    ),
    (given(rewrites=rewrites(("Verners  Soda!", "synonym"))), "rewrite_is_query", "synonym"),
    (given(rewrites=rewrites(("pop", "synonym"), ("Pop", "broader"))), "rewrite_repeated", "pop"),
    (given(categories=categories(("cola", 0.9), ("cola", 0.5))), "category_repeated", "Drinks > Soda > Cola"),
    (
        given(categories=categories(("cola", 0.9), ("drinks", 0.5))),
        "category_with_ancestor",
        "Drinks beside Drinks > Soda > Cola",
    ),
    (
        given(categories=categories(("cola", 0.5), ("bread", 0.75))),
        "order_against_confidence",
        "Food > Bread 0.75 after 0.50",
    ),
    (
        given(categories=categories(("cola", 0.95)), specificity="broad"),
        "broad_but_sure",
        "Drinks > Soda > Cola 0.95",
    ),
    (
        given(categories=categories(("cola", 0.5), ("bread", 0.5), ("pens", 0.5)), specificity="specific"),
        "specific_but_scattered",
        "Drinks, Food, Pens",
    ),
    (
        given(annotations=(span("soda", 8, "product_type"),), specificity="navigational"),
        "navigational_with_product_type",
        "soda",
    ),
    (given(annotations=(span("soda", 7, "product_type"),)), "span_not_in_query", "soda at 7"),
    (given(annotations=(span("", 0, "brand"),)), "span_not_in_query", " at 0"),
    (
        given(annotations=(span("verners soda", 0, "product_type"), *BRAND)),
        "spans_overlap",
        "verners soda (product_type) and verners (brand)",
    ),
    (given(complements=(idea("Ice", "Verners Soda"),)), "discovery_is_query", "complement Ice"),
    (
        given(substitutes=(idea("Other", "cola", "p1"),), complements=(idea("With it", "ice", "p2", "p1"),)),
        "substitute_and_complement",
        "product p1: Other, With it",
    ),
    (given(next_queries=("cola", "verners soda")), "next_query_is_query", "verners soda"),
]

WHOLE: list[Understanding] = [
    PLAIN,
    given(annotations=BRAND, rewrites=rewrites(("verners sodas", "spelling"))),
    # The brand's own name is what the spelling gives.
    given(annotations=(span("verners", 0, "brand", "Vernors"),), rewrites=rewrites(("vernors soda", "spelling"))),
    # Split otherwise, and another type of rewrite may leave the brand out.
    given(annotations=BRAND, rewrites=rewrites(("ver ners soda", "spelling"), ("ginger ale", "synonym"))),
    given(rewrites=rewrites(("vernors soda", "spelling"), ("pop", "synonym"))),
    given(categories=categories(("cola", 0.9), ("water", None), ("bread", 0.9))),
    # Sure of an inner node, of two categories, or not sure.
    given(categories=categories(("soda", 0.95)), specificity="broad"),
    given(categories=categories(("cola", 0.95), ("bread", 0.95)), specificity="broad"),
    given(categories=categories(("cola", 0.9)), specificity="broad"),
    given(categories=categories(("cola", None)), specificity="broad"),
    given(categories=categories(("cola", 0.5), ("bread", 0.5)), specificity="specific"),
    given(categories=categories(("gone", 0.5), ("cola", 0.5))),
    given(annotations=(span("verners", 0, "brand"), span("soda", 8, "product_type")), specificity="specific"),
    given(substitutes=(idea("Other", "cola", "p1"),), complements=(idea("Ice", "ice", "p2"),)),
]


@pytest.fixture(scope="module")
def shop(tree: Taxonomy) -> Taxonomy:
    return Taxonomy([*(tree[i] for i in tree), Node(category_id="pens", parent_id=None, name="Pens")])


@pytest.mark.parametrize(("answer", "rule", "detail"), BROKEN, ids=[rule for _, rule, _ in BROKEN])
def test_a_broken_rule_is_named_with_its_cause(shop: Taxonomy, answer: Understanding, rule: Rule, detail: str) -> None:
    assert [(found.rule, found.detail) for found in contradictions(answer, shop)] == [(rule, detail)]


def test_every_rule_is_broken_above_and_described() -> None:
    assert {rule for _, rule, _ in BROKEN} == set(RULES) == set(get_args(Rule))


@pytest.mark.parametrize("answer", WHOLE)
def test_what_fits_together_breaks_none(shop: Taxonomy, answer: Understanding) -> None:
    assert contradictions(answer, shop) == ()


def test_a_rule_counts_once_an_answer_in_the_order_of_the_rules(shop: Taxonomy) -> None:
    answer = given(
        next_queries=("verners soda",),
        rewrites=rewrites(("verners soda", "synonym"), ("verners soda", "broader")),
    )
    found = [one.rule for one in contradictions(answer, shop)]
    assert found == ["rewrite_is_query", "rewrite_repeated", "next_query_is_query"]


def test_queries_and_searches_are_counted(shop: Taxonomy) -> None:
    bad = rewrites(("q", "synonym"))
    asked = [Asked(query=q, searches=n) for q, n in (("a", 10), ("b", 60), ("c", 30), ("d", 0))]
    answers = [replace(PLAIN, query=one.query, normalized=one.query) for one in asked]
    answers = [replace(answer, rewrites=bad, normalized="q") if answer.query in "bd" else answer for answer in answers]
    [found] = count_contradictions(asked, answers, shop, examples=1)
    assert (found.rule, found.queries, found.searches) == ("rewrite_is_query", 2, 60)
    assert (found.query_share, found.search_share) == (0.5, 0.6)
    assert [example.query for example in found.examples] == ["b"]


def test_without_searches_there_is_no_share_of_them(shop: Taxonomy) -> None:
    answer = given(next_queries=("verners soda",))
    [found] = count_contradictions([Asked(query="verners soda")], [answer], shop)
    assert (found.query_share, found.search_share) == (1.0, None)
    assert count_contradictions([], [], shop) == ()
