"""An evaluation for a pull request: GitHub-flavoured Markdown that a reader takes in without opening anything else.

What shoppers, sellers and models wrote stands in code spans, the one place where nothing is markup: no link, no mention
and no reference comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from domain.understanding import Category
from evals.cells import table
from evals.compared_query import ComparedAnswer, ComparedQuery
from evals.evaluation.changes import HEADLINE, by_traffic, changed_slices, of_slice, withheld
from evals.evaluation.check_words import asked, found, is_uncompared, title
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.headline import headline, in_order, steps
from evals.evaluation.missing import MISSING, missing
from evals.evaluation.words import capital, counted, number, path_words, percent, plain, quoted_interval
from evals.gate import Check
from evals.verdict import about

__all__ = ["to_markdown"]

_CHECKS: Final = 20
_SLICES: Final = 15
_QUERIES: Final = 10
_PATHS: Final = 3


def to_markdown(evaluation: Evaluation) -> str:
    """Render the verdict, the checks that did not pass, the slices that changed and the worst queries."""
    lines = [
        *_verdict(evaluation),
        *_checks(evaluation),
        *_slices(evaluation),
        *_queries(evaluation),
        *_further(evaluation),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _verdict(evaluation: Evaluation) -> Iterator[str]:
    # The sentence names slices, which are the shop's words.
    said = headline(evaluation.decision)
    yield f"## {_inert(said.sentence)}"
    yield ""
    base = f"compared with {_code(evaluation.base)}" if evaluation.base else "compared with nothing: no other release"
    labels = (
        counted(evaluation.report.gold.cases, "labelled query", "labelled queries")
        if evaluation.report
        else "no labels"
    )
    when = f"{evaluation.evaluated:%Y-%m-%d %H:%M %Z}".strip()
    yield f"Release {_code(evaluation.candidate)} of {_code(evaluation.shop)}, {base}; {labels}; {when}."
    yield ""
    if evaluation.decision.verdict == "INCONCLUSIVE":
        yield from (f"- {_inert(capital(step))}" for step in steps(evaluation.decision)[:_CHECKS])
        yield ""


def _checks(evaluation: Evaluation) -> Iterator[str]:
    checks = in_order(evaluation.decision)
    shown = [check for check in checks if check.verdict != "PASS"]
    uncompared = sum(map(is_uncompared, checks))
    passed = len(checks) - len(shown) - uncompared
    if shown:
        yield "### Checks that did not pass"
        yield ""
        head = ("check", "verdict", "asked", "found, with 95% interval", "more labels")
        yield from table(head, (_check(check) for check in shown[:_CHECKS]))
        yield ""
    more = f"{counted(len(shown) - _CHECKS, 'more', 'more')} did not; " if len(shown) > _CHECKS else ""
    yield f"{more}{counted(passed, 'check')} passed{f', {uncompared:,} not compared' if uncompared else ''}."
    yield ""


def _check(check: Check) -> tuple[str, ...]:
    needed = "–" if check.needed is None or check.verdict == "PASS" else f"about {about(check.needed)}"
    verdict = f"**{check.verdict}**" if check.verdict == "FAIL" else "not settled"
    return _inert(title(check)), verdict, asked(check), found(check), needed


def _slices(evaluation: Evaluation) -> Iterator[str]:
    comparison = evaluation.comparison
    if comparison is None or comparison.quality is None:
        return
    quality = comparison.quality
    changed = changed_slices(comparison)
    yield "### Better and worse than the base"
    yield ""
    rows = [
        (row, row.measures[HEADLINE]) for row in (comparison.rows[0], *changed[:_SLICES]) if HEADLINE in row.measures
    ]
    yield from table(
        ("queries", "labelled", "better / worse", "F1 of base", "F1 of release", "difference, with 95% interval"),
        (
            (
                _inert(of_slice(row)),
                f"{row.judged:,}",
                f"{row.won:,} / {row.lost:,}",
                number(paired.a.value),
                number(paired.b.value),
                quoted_interval(paired.gain, signed=True),
            )
            for row, paired in rows
        ),
    )
    yield ""
    more = f"; {len(changed) - _SLICES} more in the JSON" if len(changed) > _SLICES else ""
    shares = quality.searches
    searched = f", {percent(shares.won.value)} and {percent(shares.lost.value)} of the searches" if shares else ""
    yield (
        f"Parts where a difference is shown{more}. {counted(quality.won, 'query', 'queries')} better and "
        f"{quality.lost:,} worse{searched}."
    )
    yield ""


def _queries(evaluation: Evaluation) -> Iterator[str]:
    comparison = evaluation.comparison
    lost = by_traffic(comparison, "lost") if comparison else []
    if not lost:
        return
    yield f"### Queries that got worse, most searched first ({min(len(lost), _QUERIES)} of {len(lost):,})"
    yield ""
    for query in lost[:_QUERIES]:
        yield from _query(query)
    yield ""


def _query(query: ComparedQuery) -> Iterator[str]:
    change = f"F1 {query.a.f1 or 0:.2f} → {query.b.f1 or 0:.2f}"
    yield f"- {_code(query.query)}, {counted(query.searches, 'search', 'searches')}, {change}"
    if query.expected and query.expected.categories is not None:
        yield f"  - expected {_paths(query.expected.categories)}"
    yield f"  - base {_answer(query.a)}"
    yield f"  - release {_answer(query.b)}"


def _further(evaluation: Evaluation) -> Iterator[str]:
    if evaluation.replay:
        parts = withheld(evaluation.replay)
        judged = evaluation.replay.judged.queries
        judge = evaluation.replay.made.get("judge")
        by_judge = f"; a judge graded {_code(judge)}" if judge else ""
        yield (
            f"In a search, {len(evaluation.replay.harmed):,} of {judged:,} judged queries are harmed; "
            f"{counted(len(parts), 'part')} of answers to withhold{by_judge}."
        )
        yield ""
    if evaluation.contradictions:
        found = sum(one.queries for one in evaluation.contradictions)
        kinds = counted(len(evaluation.contradictions), "kind")
        yield f"{counted(found, 'contradiction')} within answers, of {kinds}."
        yield ""
    yield from (f"- {MISSING[name]}" for name in missing(evaluation))


def _answer(answer: ComparedAnswer) -> str:
    if answer.answer is None:
        return f"failed: {_code(answer.failed.kind if answer.failed else 'unknown')}"
    return _paths(answer.answer.categories)


def _paths(categories: tuple[Category, ...]) -> str:
    shown = ", ".join(_code(path_words(category)) + _sure(category) for category in categories[:_PATHS])
    more = f" and {len(categories) - _PATHS} more" if len(categories) > _PATHS else ""
    return f"{shown}{more}" if shown else "no category"


def _sure(category: Category) -> str:
    return "" if category.confidence is None else f" {percent(category.confidence)}"


def _code(text: str) -> str:
    """Return a text as a code span; a bar, which would end a cell even there, becomes a broken one."""
    shown = (plain(text) or "(empty)").replace("|", "\N{BROKEN BAR}")
    ticks = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def _inert(text: str) -> str:
    """Return our words with a shop's names among them: in a code span where a name could be taken for markup."""
    return _code(text) if re.search(r"[`|<>&@#*_~$\[\]\\!]|:\S|www\.", text) else text
