"""Consistency as Markdown, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from domain.understanding import Category
from evals.cells import cell, interval, table
from evals.consistency.contradictions import RULES, RuleCount
from evals.consistency.moved import Moved, MovedShare, Mover, Turnover
from evals.consistency.robustness import Robustness
from evals.consistency.variants import VARIANTS

__all__ = ["contradictions_text", "moved_text", "robustness_text"]

_MEASURES = ("same_top", "same_top_by_searches", "jaccard", "jaccard_by_searches")


def contradictions_text(counts: Sequence[RuleCount], *, limit: int = 3) -> str:
    """Render the rules that answers break, with a few queries of each."""
    if not counts:
        return "No answer contradicts itself.\n"
    rows = [
        [
            found.rule,
            f"{found.queries:,} ({found.query_share:.1%})",
            f"{found.searches:,} ({_share(found.search_share)})",
            RULES[found.rule],
            "; ".join(f"{one.query}: {one.detail}" for one in found.examples[:limit]),
        ]
        for found in counts
    ]
    return _lines(_table(["contradiction", "queries", "searches", "what it is", "for example"], rows))


def robustness_text(found: Robustness, *, limit: int = 10) -> str:
    """Render how far answers stay when a query is typed in another way, and the worst of them."""
    rows = [
        [
            row.kind,
            f"{row.variants:,}",
            *(interval(row.measures.get(name)) for name in _MEASURES),
            f"{row.precomputed:.1%}",
            VARIANTS[row.kind],
        ]
        for row in found.rows
    ]
    head = ["variant", "queries", "same top", "by searches", "Jaccard", "by searches", "precomputed", "what it is"]
    worst = [
        f"- {one.variant.query} ({one.searches:,} searches), {one.variant.kind} {one.variant.text!r}: "
        f"{_paths(one.before)} became {_paths(one.after)} ({one.source})"
        for one in found.worst[:limit]
    ]
    faults = sum(row.faults for row in found.rows)
    return _lines(
        [
            f"{found.queries:,} queries with a category; {found.abstained:,} without are left out.",
            *([f"**{faults:,} answers differ though the query is the same after normalisation.**"] if faults else []),
            "",
            *_table(head, rows),
            *(["", "Worst, by searches and lost overlap:", "", *map(_plain, worst)] if worst else []),
        ]
    )


def moved_text(found: Moved, *, limit: int = 10) -> str:
    """Render what changed between two releases: shares first, then the queries with the most searches."""
    shares: dict[str, MovedShare] = {"anything": found.any} | {part: share for part, share in found.parts.items()}
    return _lines(
        [
            f"{found.both:,} queries ({found.searches:,} searches) have an answer of both.",
            "",
            *_table(["differs", "queries", "searches"], [[name, *_counts(share)] for name, share in shares.items()]),
            "",
            _turnover("Gained", found.gained, limit),
            _turnover("Lost", found.lost, limit),
            *_movers("Categories moved, most searched first:", found.movers[:limit]),
            *_movers("Rewrites alone moved, most searched first:", found.rewritten[:limit]),
        ]
    )


def _counts(share: MovedShare) -> list[str]:
    return [
        f"{share.queries:,} ({_share(share.query_share)})",
        f"{share.searches:,} ({_share(share.search_share)})",
    ]


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


def _turnover(title: str, found: Turnover, limit: int) -> str:
    text = f"{title}: {found.queries:,} queries, {found.searches:,} searches"
    shown = ", ".join(found.most_searched[:limit])
    return _plain(f"{text}: {shown}{', ...' if found.queries > limit else ''}" if shown else text)


def _movers(title: str, movers: Sequence[Mover]) -> list[str]:
    return ["", title, "", *(line for mover in movers for line in _mover(mover))] if movers else []


def _mover(mover: Mover) -> list[str]:
    """Return a query with both answers, as far as they differ."""
    lines = [f"- {mover.query} ({mover.tier}, {mover.searches:,} searches): {', '.join(mover.changed)}"]
    for letter, answer in (("A", mover.before), ("B", mover.after)):
        parts = [_paths(answer.categories)] if {"categories", "top"} & {*mover.changed} else []
        if "rewrites" in mover.changed:
            parts.append(f"rewrites {', '.join(f'{r.query} ({r.type})' for r in answer.rewrites) or '(none)'}")
        lines.append(f"  {letter}: {'; '.join(parts)}")
    return [_plain(line) for line in lines]


def _paths(categories: Sequence[Category]) -> str:
    return "; ".join(" > ".join(category.path) or category.id for category in categories) or "(abstain)"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return table(head, ([_plain(cell(text)) for text in row] for row in rows))


def _plain(text: str) -> str:
    """Return text without what could steer a terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
