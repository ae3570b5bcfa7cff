from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from domain.context import ContextStore
from domain.taxonomy import Taxonomy
from evals import EngagementBaseline


def evidence(category_id: str, share: float, events: int, *, is_own: bool = True) -> dict[str, Any]:
    return {
        "category_id": category_id,
        "level": 1,
        "is_own": is_own,
        "share": share,
        "score": share * 10,
        "events": events,
        "clicks": events,
        "carts": 0,
        "purchases": 0,
        "clients": events,
    }


@pytest.fixture
def contexts(tmp_path: Path) -> ContextStore:
    rows = [
        (
            "soda",
            "head",
            [evidence("soda", 0.95, 90, is_own=False), evidence("ginger", 0.3, 30), evidence("cola", 0.6, 60)],
        ),
        ("bread", "tail", [evidence("bread", 0.9, 2)]),
        ("pop", "tail", [evidence(i, 0.32, 40) for i in ("water", "cola", "ginger")]),
        ("gone", "tail", [evidence("sold out", 0.9, 50)]),
        ("nothing", "tail", []),
    ]
    path = tmp_path / "context.parquet"
    empty: list[list[dict[str, Any]]] = [[] for _ in rows]
    pl.DataFrame(
        {
            "query": [query for query, _, _ in rows],
            "searches": [9] * len(rows),
            "clients": [9] * len(rows),
            "tier": [tier for _, tier, _ in rows],
            "share": [0.2] * len(rows),
            "zero_share": [0.0] * len(rows),
            "acted_share": [0.5] * len(rows),
            "categories": [categories for _, _, categories in rows],
            "products": empty,
            "annotations": empty,
            "next_queries": empty,
            "reformulations": empty,
        }
    ).write_parquet(path)
    return ContextStore(path)


def ids(baseline: EngagementBaseline, query: str) -> list[str]:
    [answer] = baseline.understand([query])
    return [category.id for category in answer.categories]


def test_answers_own_categories_by_share(contexts: ContextStore, tree: Taxonomy) -> None:
    [answer] = EngagementBaseline(contexts, tree).understand([" SODA"])
    assert (answer.query, answer.normalized, answer.source, answer.reason) == (" SODA", "soda", "head", "precomputed")
    assert [(c.id, c.path, c.confidence) for c in answer.categories] == [
        ("cola", ("Drinks", "Soda", "Cola"), 0.6),
        ("ginger", ("Drinks", "Soda", "Ginger Ale"), 0.3),
    ]


def test_abstains_without_evidence(contexts: ContextStore, tree: Taxonomy) -> None:
    answers = EngagementBaseline(contexts, tree).understand(["bread", "never searched", "nothing", "gone", "?!"])
    assert [answer.categories for answer in answers] == [()] * 5
    assert [answer.source for answer in answers] == ["fallback"] * 5
    assert [answer.reason for answer in answers] == ["abstained_low_confidence"] * 4 + ["empty_query"]


def test_thresholds(contexts: ContextStore, tree: Taxonomy) -> None:
    assert ids(EngagementBaseline(contexts, tree, min_share=0.5), "soda") == ["cola"]
    assert ids(EngagementBaseline(contexts, tree, min_events=31), "soda") == ["cola"]
    assert ids(EngagementBaseline(contexts, tree, min_events=2), "bread") == ["bread"]
    assert ids(EngagementBaseline(contexts, tree, limit=2), "pop") == ["cola", "ginger"]
