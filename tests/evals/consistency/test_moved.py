from __future__ import annotations

from collections.abc import Sequence

import pytest

from domain.taxonomy import Taxonomy
from domain.understanding import Category, Rewrite, Source, Understanding
from evals import Asked
from evals.consistency import Moved, contradictions_text, count_contradictions, moved, moved_text


def answer(query: str, ids: Sequence[str] = (), rewrites: Sequence[str] = (), source: Source = "head") -> Understanding:
    return Understanding(
        query=query,
        normalized=query,
        source=source,
        reason="precomputed",
        release="r",
        categories=tuple(Category(id=i, path=("Shop", i), confidence=0.5) for i in ids),
        rewrites=tuple(Rewrite(query=text, type="synonym", confidence=0.5) for text in rewrites),
    )


ASKED = [
    Asked(query=query, tier="head", searches=searches)
    for query, searches in (
        ("same", 40),
        ("top", 10),
        ("set", 30),
        ("rewrite", 20),
        ("new", 7),
        ("old", 5),
        ("none", 3),
    )
]


@pytest.fixture(scope="module")
def found() -> Moved:
    before = [
        answer("same", ["a"]),
        answer("top", ["a", "b"]),
        answer("set", ["a"]),
        answer("rewrite", ["a"], ["x"]),
        answer("new", ["a"], source="fallback"),
        answer("old", ["a"]),
        answer("none", source="fallback"),
    ]
    after = [
        answer("same", ["a"]),
        answer("top", ["b", "a"]),
        answer("set", ["a", "b"], ["y"]),
        answer("rewrite", ["a"]),
        answer("new", ["a"]),
        answer("old", ["a"], source="fallback"),
        answer("none", source="fallback"),
    ]
    return moved(ASKED, before, after)


def test_shares_by_hand(found: Moved) -> None:
    # Both answer same, top, set and rewrite: 40 + 10 + 30 + 20 searches.
    assert (found.both, found.searches) == (4, 100)
    shares = {part: (share.queries, share.query_share, share.search_share) for part, share in found.parts.items()}
    assert shares == {
        "categories": (1, 0.25, 0.3),
        "top": (1, 0.25, 0.1),
        "specificity": (0, 0.0, 0.0),
        "annotations": (0, 0.0, 0.0),
        "rewrites": (2, 0.5, 0.5),
    }
    assert (found.any.queries, found.any.searches, found.any.search_share) == (3, 60, 0.6)


def test_movers_come_by_searches_and_apart_from_mere_rewrites(found: Moved) -> None:
    assert [(mover.query, mover.changed) for mover in found.movers] == [
        ("set", ("categories", "rewrites")),
        ("top", ("top",)),
    ]
    assert [mover.query for mover in found.rewritten] == ["rewrite"]
    assert found.movers[0].before.categories[0].id == "a"


def test_queries_gained_and_lost(found: Moved) -> None:
    assert (found.gained.queries, found.gained.searches, found.gained.most_searched) == (1, 7, ("new",))
    assert (found.lost.queries, found.lost.searches, found.lost.most_searched) == (1, 5, ("old",))


def test_lists_are_cut_and_counts_are_not() -> None:
    asked = [Asked(query=f"q{i}", searches=i) for i in range(9)]
    before = [answer(one.query, ["a"]) for one in asked]
    after = [answer(one.query, ["b"]) for one in asked]
    found = moved(asked, before, after, limit=2)
    assert [mover.query for mover in found.movers] == ["q8", "q7"]
    assert found.parts["categories"].queries == 9
    gone = moved(asked, before, [answer(one.query, source="fallback") for one in asked], limit=2)
    assert (gone.both, gone.any.query_share, gone.lost.queries) == (0, None, 9)
    assert gone.lost.most_searched == ("q8", "q7")


def test_nothing_asked_is_nothing_moved() -> None:
    found = moved([], [], [])
    assert (found.both, found.any.query_share, found.any.search_share) == (0, None, None)
    assert "0 queries (0 searches) have an answer of both" in moved_text(found)


def test_the_text_shows_what_changed_alone(found: Moved) -> None:
    lines = moved_text(found).splitlines()
    assert "| categories | 1 (25.0%) | 30 (30.0%) |" in lines
    assert "Gained: 1 queries, 7 searches: new" in lines
    at = lines.index("- set (head, 30 searches): categories, rewrites")
    assert lines[at + 1 : at + 3] == [
        "  A: Shop > a; rewrites (none)",
        "  B: Shop > a; Shop > b; rewrites y (synonym)",
    ]
    at = lines.index("- rewrite (head, 20 searches): rewrites")
    assert lines[at + 1 : at + 3] == ["  A: rewrites x (synonym)", "  B: rewrites (none)"]


def test_contradictions_as_text(tree: Taxonomy) -> None:
    asked = [Asked(query="a|b\x1b[2J", searches=3), Asked(query="fine", searches=1)]
    answers = [answer("pop", ["cola", "soda"]), answer("fine")]
    text = contradictions_text(count_contradictions(asked, answers, tree))
    assert "| category_with_ancestor | 1 (50.0%) | 3 (75.0%) |" in text
    assert "\x1b" not in text and "a\\|b" in text
    assert contradictions_text(()) == "No answer contradicts itself.\n"
