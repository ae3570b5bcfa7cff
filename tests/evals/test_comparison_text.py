from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from domain.taxonomy import Node, Taxonomy
from domain.text import normalise
from domain.understanding import Category, Understanding
from evals import Asked, Case, Comparison, Failed, Outcome, Side, Usage, compare_sides, to_text
from evals.verdict import about, headline, remarks

Answer = Callable[..., Understanding]
FREE = Usage(requests=1)


@pytest.fixture
def pair(answer: Answer, tree: Taxonomy) -> Callable[..., Comparison]:
    """Compare on `good` queries that B wins, `bad` that it loses and `same` that both have right."""

    def make(*, good: int, bad: int, same: int, labelled: bool = True, fail: int = 0) -> Comparison:
        queries = [f"q{i}" for i in range(good + bad + same)]
        cases = [Case(query=q, normalized=q, categories=("cola",), specificity="broad") for q in queries]
        asked = [
            Asked(query=q, tier="head", searches=len(queries) - i, case=cases[i] if labelled else None)
            for i, q in enumerate(queries)
        ]
        a = [Outcome(result=answer(q, ["bread" if i < good else "cola"]), usage=FREE) for i, q in enumerate(queries)]
        b = [
            Outcome(result=answer(q, ["bread" if good <= i < good + bad else "cola"]), usage=FREE)
            for i, q in enumerate(queries)
        ]
        for i in range(fail):
            b[-1 - i] = Outcome(result=Failed(kind="unparseable", detail="no JSON"), usage=FREE)
        return compare_sides(asked, Side(name="one@1", outcomes=tuple(a)), Side(name="one@2", outcomes=tuple(b)), tree)

    return make


def test_headline_names_the_better_side(pair) -> None:
    better = headline(pair(good=20, bad=2, same=78))
    assert better.startswith("B is better: F1 0.800 for A, 0.980 for B, a difference of +0.180 [+0.")
    assert better.endswith("] over 100 queries.")
    assert headline(pair(good=2, bad=20, same=78)).startswith("A is better: F1 0.980 for A, 0.800 for B")


def test_headline_says_how_many_queries_would_do(pair) -> None:
    text = headline(pair(good=12, bad=10, same=78))
    assert text.startswith("No difference is shown: F1 0.880 for A, 0.900 for B, a difference of +0.020 [-0.")
    assert text.endswith(" queries to show four times in five.")
    assert headline(pair(good=0, bad=0, same=5)) == "No difference: both have F1 1.000 over 5 queries."


def test_headline_without_gold_is_about_agreement(pair) -> None:
    text = headline(pair(good=5, bad=0, same=15, labelled=False))
    assert text.startswith(
        "No query has labelled categories, so there is no verdict; the categories are the same on 75.0%"
    )


def test_remarks_warn_of_few_queries_and_failures(pair) -> None:
    few = " ".join(remarks(pair(good=3, bad=0, same=17, fail=1)))
    assert "B failed on 1 query (unparseable 1)" in few
    assert "Only 20 queries are judged" in few
    # Three won and the failed one lost: four scored differently.
    assert "The answers to 4 queries are scored differently; fewer than 6 show nothing" in few
    enough = " ".join(remarks(pair(good=20, bad=2, same=78)))
    assert "Only" not in enough and "fewer than" not in enough
    # 2 of 22 heads: 2 (1 + 22 + 231) / 2^22 = 0.00012.
    assert "B won 20 queries, lost 2 and tied 78" in enough and "Sign test: p < 0.001." in enough


def test_remark_when_the_searches_point_the_other_way(answer: Answer, tree: Taxonomy) -> None:
    queries = [f"q{i}" for i in range(40)]
    asked = [
        Asked(query=q, searches=1000 if i == 39 else 1, case=Case(query=q, normalized=q, categories=("cola",)))
        for i, q in enumerate(queries)
    ]
    a = [Outcome(result=answer(q, ["bread" if i < 10 else "cola"]), usage=FREE) for i, q in enumerate(queries)]
    b = [Outcome(result=answer(q, ["bread" if i == 39 else "cola"]), usage=FREE) for i, q in enumerate(queries)]
    comparison = compare_sides(asked, Side(name="a", outcomes=tuple(a)), Side(name="b", outcomes=tuple(b)), tree)
    assert "By searches the other side is ahead" in " ".join(remarks(comparison))
    assert headline(comparison).startswith("B is better")


@pytest.mark.parametrize(
    ("queries", "text"),
    [(7, "7"), (57, "57"), (941, "950"), (4315, "4,400"), (1_000_000, "1,000,000"), (1_000_001, "more than a million")],
)
def test_numbers_of_queries_are_rounded_up_to_two_figures(queries: int, text: str) -> None:
    assert about(queries) == text


def test_text_has_the_verdict_first_and_every_part(pair) -> None:
    comparison = pair(good=20, bad=12, same=78, fail=1)
    lines = to_text(comparison, limit=2).splitlines()
    assert lines[0].startswith("**No difference is shown")
    assert [line for line in lines if line.startswith("## ")] == [
        "## Quality",
        "## Agreement",
        "## Cost",
        "## Lost by B: 13, most searched first",
        "## Won by B: 20, most searched first",
    ]
    assert any(line.startswith("| leaf_f1 ") and "| 110 " in line for line in lines)
    assert any(line.split() == ["|", "price", "(USD)", "|", "unknown", "|", "unknown", "|"] for line in lines)
    # The most searched query that B lost is the first after the 20 that it won.
    assert "- q20 (head, searched 90 times)" in lines
    at = lines.index("- q0 (head, searched 110 times)")
    assert lines[at + 1 : at + 4] == [
        "  gold: Drinks > Soda > Cola [broad]",
        "  A:    F1 0.00: bread [–]",
        "  B:    F1 1.00: cola [–]",
    ]
    assert "... and 11 more." in lines and "... and 18 more." in lines


def test_text_without_gold_lists_what_changed(pair) -> None:
    text = to_text(pair(good=3, bad=0, same=7, labelled=False))
    assert "## Quality" not in text and "F1" not in text
    assert "## Changed categories: 3, most searched first" in text
    assert "| tier | head  | 10 " in text


def test_lines_are_narrow_and_hold_nothing_that_steers_a_terminal(answer: Answer) -> None:
    long = "Ünïcode \x1b[2J\u202e 漢字 | " + "very long name of a category " * 5
    tree = Taxonomy([Node(category_id="c", parent_id=None, name=long)])
    query = "pipe | \x1b]0;title\x07 \u202eback 漢字 " + "word " * 40
    named = replace(
        answer(query, ["c"]),
        normalized=normalise(query),
        categories=(Category(id="c", path=(long, long), confidence=1.0),),
    )
    asked = [Asked(query=query, tier="\x1b[31mhead", searches=3)]
    other = Outcome(result=Failed(kind="k", detail="\x1b[0m" * 300), usage=FREE)
    a = Side(name="a\nb\x1b", outcomes=(Outcome(result=named, usage=FREE),))
    text = to_text(compare_sides(asked, a, Side(name="b" * 300, outcomes=(other,)), tree, draws=10))
    assert [line for line in text.splitlines() if len(line) > 100] == []
    assert {char for char in text if not char.isprintable()} == {"\n"}
