"""The queries that got worse, most searched first, then those that got better, with both answers and the evidence."""

from __future__ import annotations

from domain.text import normalise
from evals.compared_query import ComparedQuery, Result
from evals.comparison import Comparison
from evals.evaluation.changes import by_traffic
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Html, element, note, section
from evals.evaluation.missing import absent
from evals.evaluation.sections.answers import answer_box, evidence_box, expected_box, query_text
from evals.evaluation.words import answer_line, counted

__all__ = ["queries_section"]

_WORSE = 40
_BETTER = 20
_OPEN = 2
_TITLE = "Queries that got worse, and better"
_LEAD = "Labelled queries that the release answers less well, or better, than the base, most searched first."


def queries_section(evaluation: Evaluation) -> Html:
    """Return both lists, or why there are none."""
    comparison = evaluation.comparison
    if comparison is None or comparison.quality is None:
        return section("changed", _TITLE, _LEAD, absent("base" if comparison is None else "report"))
    find = element(
        "label",
        "Find a query ",
        element("input", type="search", id="find", autocomplete="off", spellcheck="false"),
        class_="find",
        hidden=True,
    )
    return section(
        "changed",
        _TITLE,
        _LEAD,
        find,
        *_list(evaluation, comparison, "lost", _WORSE),
        *_list(evaluation, comparison, "won", _BETTER),
    )


def _list(evaluation: Evaluation, comparison: Comparison, result: Result, most: int) -> list[Html]:
    found = by_traffic(comparison, result)
    word = "worse" if result == "lost" else "better"
    title = element(
        "h3",
        f"{counted(len(found), 'query', 'queries')} got {word}",
        class_=("bad" if result == "lost" else "good") if found else None,
    )
    if not found:
        return [title]
    opened = _OPEN if result == "lost" else 0
    items = [_query(evaluation, query, opened=at < opened) for at, query in enumerate(found[:most])]
    left = len(found) - len(items)
    return [title, *items, *([note(f"{counted(left, 'more is', 'more are')} in the JSON.")] if left else [])]


def _query(evaluation: Evaluation, query: ComparedQuery, *, opened: bool) -> Html:
    tone = "bad" if query.result == "lost" else "good"
    expected = query.expected
    line = f"{answer_line(query.a)} → {answer_line(query.b)}"
    right = None
    if expected and expected.categories is not None:
        right = {category.id for category in (*expected.categories, *expected.acceptable)}
    return element(
        "details",
        element(
            "summary",
            query_text(query.query),
            element("span", f"F1 {query.a.f1 or 0:.2f} → {query.b.f1 or 0:.2f}", class_=f"score {tone}"),
            element("span", f"{counted(query.searches, 'search', 'searches')}, {query.tier}", class_="traffic"),
            element("bdi", line, class_="line"),
        ),
        element("div", *_boxes(expected_box(expected) if expected else None, query, right), class_="answers"),
        evidence_box(evaluation.evidence.get(normalise(query.query), ())),
        class_="one",
        open=opened,
    )


def _boxes(expected: Html | None, query: ComparedQuery, right: set[str] | None) -> list[Html | None]:
    return [expected, answer_box("Base", "a", query.a, right), answer_box("Release", "b", query.b, right)]
