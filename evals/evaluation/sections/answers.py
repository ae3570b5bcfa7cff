"""Answers to one query, as a reader compares them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domain.understanding import Category, Understanding
from evals.compared_query import ComparedAnswer, Expected
from evals.evaluation.markup import Html, element, joined
from evals.evaluation.words import SHOWN_CATEGORIES, path_words, percent, plain

__all__ = ["answer_box", "evidence_box", "expected_box", "query_text"]

_EVIDENCE = 8
_REWRITES = 6


def query_text(query: str) -> Html:
    """Return a query as it was typed, set apart from the direction in which the page is written."""
    return element("bdi", plain(query) or "(empty)", class_="query", dir="auto")


def expected_box(expected: Expected) -> Html:
    """Return what a person expects."""
    lines = [_line(category, "") for category in (expected.categories or ())[:SHOWN_CATEGORIES]]
    lines += [_line(category, "also right") for category in expected.acceptable[:SHOWN_CATEGORIES]]
    if expected.categories == ():
        lines.insert(0, element("li", "no category: the right answer is to abstain"))
    return _box("Expected by people", "gold", lines)


def answer_box(title: str, tone: str, answer: ComparedAnswer, right: Collection[str] | None) -> Html:
    """Return one side's answer.

    Args:
        title: Whose it is.
        tone: "a" or "b".
        answer: The answer.
        right: The category ids that are right; None where nobody said.
    """
    f1 = None if answer.f1 is None else f"F1 {answer.f1:.2f}"
    if answer.answer is None:
        why = answer.failed.kind if answer.failed else "unknown"
        return _box(title, tone, [element("li", f"failed: {plain(why)}")], f1)
    return _box(title, tone, _answer_lines(answer.answer, right), f1)


def evidence_box(lines: Sequence[str]) -> Html | None:
    """Return what the log says of a query."""
    if not lines:
        return None
    items = [element("li", plain(line, 300), dir="auto") for line in lines[:_EVIDENCE]]
    return element("div", element("h4", "What the log says"), element("ul", *items), class_="evidence")


def _answer_lines(answer: Understanding, right: Collection[str] | None) -> list[Html]:
    lines = []
    for category in answer.categories[:SHOWN_CATEGORIES]:
        sure = "" if category.confidence is None else percent(category.confidence)
        mark = None if right is None else ("✓" if category.id in right else "✗")
        lines.append(_line(category, sure, mark))
    if not lines:
        lines.append(element("li", f"no category ({answer.reason.replace('_', ' ')})"))
    if answer.rewrites:
        shown = ", ".join(f"{plain(one.query, 60)} ({one.type})" for one in answer.rewrites[:_REWRITES])
        lines.append(element("li", f"rewrites: {shown}", class_="soft", dir="auto"))
    return lines


def _line(category: Category, further: str, mark: str | None = None) -> Html:
    said = None if mark is None else element("span", mark, class_="good" if mark == "✓" else "bad")
    after = element("span", further, class_="soft") if further else None
    return element("li", joined([path_words(category), after, said], " "), dir="auto")


def _box(title: str, tone: str, lines: Sequence[Html], further: str | None = None) -> Html:
    after = element("span", further, class_="soft") if further else None
    return element("div", element("h4", joined([title, after], " ")), element("ul", *lines), class_=f"answer {tone}")
