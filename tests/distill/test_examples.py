"""What the student is taught, from labels, from the log, and from strings that mean nothing."""

from __future__ import annotations

import random
import unicodedata
from typing import Any

import pytest

pytest.importorskip("torch")

from distill.examples import NONE, Example, behaviour_examples, label_examples, nonsense  # noqa: E402
from domain.context import CategoryEvidence, DomainContext  # noqa: E402
from domain.label import Label, label_adapter  # noqa: E402
from domain.text import normalise  # noqa: E402


def label(*categories: tuple[str, float | None], query: str = "milk", specificity: str | None = "category") -> Label:
    understanding: dict[str, Any] = {
        "query": query,
        "normalized": query,
        "categories": [{"id": i, "path": [i], "confidence": c} for i, c in categories],
        "specificity": specificity,
        "annotations": [],
        "rewrites": [],
        "confidence": 0.9,
        "source": "head",
        "abstained": not categories,
        "reason": "precomputed",
        "release": "",
    }
    provenance = {"model": "m", "prompt": "p", "key": "k", "context": "c", "dropped": {}}
    row = {"query": query, "tier": "head", "searches": 1, "understanding": understanding, "provenance": provenance}
    return label_adapter.validate_python(row)


def context(*categories: tuple[str, bool, float, int]) -> DomainContext:
    found = tuple(
        CategoryEvidence(
            category_id=i,
            level=1,
            is_own=own,
            share=share,
            score=0,
            events=events,
            clicks=0,
            carts=0,
            purchases=0,
            clients=1,
        )
        for i, own, share, events in categories
    )
    return DomainContext(
        query="milk", searches=9, clients=9, tier="torso", share=0.1, zero_share=None, acted_share=0.5, categories=found
    )


def test_shares_are_the_teachers_confidence() -> None:
    [found] = label_examples([label(("a", 0.9), ("b", 0.6))])
    assert found.query == "milk"
    assert found.shares == pytest.approx({"a": 0.6, "b": 0.4})
    assert (found.source, found.specificity) == ("labels", "category")


def test_unknown_confidence_counts_half_and_low_confidence_not_at_all() -> None:
    # 0.5 and 0.35 are kept, 0.34 is not: 0.5 / 0.85 and 0.35 / 0.85.
    [found] = label_examples([label(("a", None), ("b", 0.35), ("c", 0.34), ("d", 0.0))])
    assert found.shares == pytest.approx({"a": 10 / 17, "b": 7 / 17})


def test_an_abstention_is_a_lesson_and_doubt_alone_is_none() -> None:
    assert label_examples([label(("a", 0.2), ("b", 0.34))]) == []
    assert label_examples([label(specificity=None)]) == [Example(query="milk", shares={NONE: 1.0}, source="labels")]
    assert label_examples([]) == []


def test_behaviour_needs_three_events_in_a_category_that_sells() -> None:
    rows = [("above", False, 1.0, 90), ("a", True, 0.6, 3), ("b", True, 0.3, 2), ("c", True, 0.2, 40)]
    [found] = behaviour_examples([context(*rows), context(rows[0]), context(rows[2]), context()])
    assert found.shares == pytest.approx({"a": 0.75, "c": 0.25})
    assert (found.query, found.source, found.specificity) == ("milk", "behaviour", None)


def test_behaviour_keeps_five_categories_and_no_share_of_nothing() -> None:
    [found] = behaviour_examples([context(*((f"c{i}", True, 0.125, 5) for i in range(8)))])
    assert found.shares == {f"c{i}": 0.2 for i in range(5)}
    assert behaviour_examples([context(("a", True, 0.0, 5))]) == []


def test_nonsense_is_normalised_means_none_and_comes_again_with_its_seed() -> None:
    found = nonsense(random.Random(0), 5000)
    assert len(found) == 5000
    assert found == nonsense(random.Random(0), 5000)
    assert found != nonsense(random.Random(1), 5000)
    assert {(tuple(e.shares.items()), e.source, e.specificity) for e in found} == {(((NONE, 1.0),), "nonsense", None)}
    # Modifiers of emoji and some signs go when a query is read; the seed gives queries of nothing else.
    assert [e.query for e in found if not e.query or e.query != normalise(e.query)] == []
    assert nonsense(random.Random(0), 0) == []


def test_nonsense_has_keys_letters_digits_scripts_and_signs() -> None:
    queries = [e.query for e in nonsense(random.Random(0), 3000)]
    assert any("asdf" in query for query in queries)
    assert any("fdsa" in query for query in queries)
    assert any(len(query) > 3 and {*query} == {query[0]} and query.isalpha() for query in queries)
    assert sum(query.replace("-", "").replace(" ", "").isdecimal() for query in queries) > 600
    scripts = {unicodedata.name(char, "").split()[0] for query in queries for char in query if char.isalpha()}
    assert scripts >= {"LATIN", "CYRILLIC", "ARABIC", "DEVANAGARI", "CJK", "HIRAGANA", "HANGUL"}
    assert sum(all(unicodedata.category(char) == "So" for char in query) for query in queries) > 400
