"""A comparison as aligned Markdown, for a terminal: the verdict first, at most 100 columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from textwrap import wrap

from domain.understanding import Category
from evals.agreement import AGREEMENT
from evals.cells import cell, difference, interval, number
from evals.compared_query import ComparedAnswer, ComparedQuery
from evals.comparison import Comparison, SideSummary
from evals.cost import Total
from evals.verdict import headline, remarks

__all__ = ["to_text"]

_WIDTH = 100


def to_text(comparison: Comparison, *, limit: int = 10) -> str:
    """Render a comparison.

    Args:
        comparison: What to render.
        limit: Queries shown of those lost and of those won, or of those changed where nothing is labelled.
    """
    lines = [
        *_wrapped(f"**{headline(comparison)}**"),
        "",
        *_wrapped(f"A: {comparison.a.name}"),
        *_wrapped(f"B: {comparison.b.name}"),
        *(line for name, value in comparison.made.items() for line in _wrapped(f"{name}: {value}")),
        "",
        *(line for remark in remarks(comparison) for line in _item(remark)),
        "",
        *_quality(comparison),
        *_agreement(comparison),
        *_costs(comparison),
    ]
    if comparison.quality is None:
        lines += _queries("Changed categories", [q for q in comparison.compared if "categories" in q.changed], limit)
    else:
        for title, result in (("Lost by B", "lost"), ("Won by B", "won")):
            lines += _queries(title, [q for q in comparison.compared if q.result == result], limit)
    return "\n".join(lines).rstrip("\n") + "\n"


def _quality(comparison: Comparison) -> list[str]:
    measures = comparison.rows[0].measures
    if not measures:
        return []
    values = [
        [name, f"{paired.gain.queries:,}", number(paired.a), number(paired.b), difference(paired.gain)]
        for name, paired in measures.items()
    ]
    slices = [
        [
            row.by,
            row.slice[:24],
            f"{row.judged:,}",
            f"{row.won:,}/{row.tied:,}/{row.lost:,}",
            number(row.measures["leaf_f1"].a),
            number(row.measures["leaf_f1"].b),
            difference(row.measures["leaf_f1"].gain),
        ]
        for row in comparison.rows[1:]
        if "leaf_f1" in row.measures
    ]
    return [
        "## Quality",
        "",
        *_table(["measure", "queries", "A", "B", "B - A [95% interval]"], values),
        "",
        *_wrapped(
            f"Intervals: paired bootstrap over queries, {comparison.draws:,} resamples, seed {comparison.seed}; "
            "bold where they leave out 0."
        ),
        "",
        *(_table(["by", "slice", "judged", "won/tied/lost", "F1 A", "F1 B", "B - A"], slices) if slices else []),
        "",
    ]


def _agreement(comparison: Comparison) -> list[str]:
    values = [[name, interval(found), AGREEMENT[name]] for name, found in comparison.rows[0].agreement.items()]
    lines = ["## Agreement", "", *_table(["measure", "A and B", "what it is"], values), ""]
    if comparison.quality is None:
        same = [
            [
                row.by,
                row.slice[:24],
                f"{row.queries:,}",
                f"{row.searches:,}",
                interval(row.agreement["same_categories"]),
            ]
            for row in comparison.rows[1:]
        ]
        lines += [*_table(["by", "slice", "queries", "searches", "same_categories"], same), ""] if same else []
    return lines


def _costs(comparison: Comparison) -> list[str]:
    if not (comparison.a.cost.requests or comparison.b.cost.requests):
        return []  # two releases, which ask no model
    sides = (comparison.a, comparison.b)
    rows = [
        ["requests", *(f"{side.cost.requests:,}" for side in sides)],
        ["tokens in", *(_total(side.cost.tokens_in, "{:,.0f}") for side in sides)],
        ["cached share", *(_share(side.cost.cached_share) for side in sides)],
        ["tokens out", *(_total(side.cost.tokens_out, "{:,.0f}") for side in sides)],
        ["price (USD)", *(_total(side.cost.usd, "{:,.4f}") for side in sides)],
        ["USD per wholly right query", *(_per_right(side) for side in sides)],
    ]
    return ["## Cost", "", *_table(["", "A", "B"], rows), ""]


def _total(total: Total, form: str) -> str:
    if total.value is None:
        return "unknown"
    text = form.format(total.value) + (" est." if total.estimated else "")
    if total.known < total.queries:
        return f"at least {text} (known for {total.known:,} of {total.queries:,})"
    return text


def _share(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"


def _per_right(side: SideSummary) -> str:
    return "–" if side.cost.usd_per_right is None else _total(side.cost.usd_per_right, "{:,.6f}")


def _queries(title: str, found: Sequence[ComparedQuery], limit: int) -> list[str]:
    if not found:
        return []
    first = sorted(found, key=lambda query: (-query.searches, query.query))[:limit]
    lines = [f"## {title}: {len(found):,}, most searched first", ""]
    for query in first:
        lines += _query(query)
    if len(found) > len(first):
        lines += [f"... and {len(found) - len(first):,} more.", ""]
    return lines


def _query(query: ComparedQuery) -> list[str]:
    lines = [*_item(f"{query.query} ({query.tier}, searched {query.searches:,} times)")]
    expected = query.expected
    if expected and expected.categories is not None:
        also = f"; not wrong: {_paths(expected.acceptable)}" if expected.acceptable else ""
        lines += _under("gold", f"{_paths(expected.categories)} [{expected.specificity or '–'}]{also}")
        if "annotations" in query.changed and expected.annotations is not None:
            lines += _under(
                "", f"annotations: {', '.join(f'{s.text} = {s.type}' for s in expected.annotations) or '–'}"
            )
        if "rewrites" in query.changed and expected.rewrites is not None:
            lines += _under("", f"rewrites: {', '.join(r.query for r in expected.rewrites) or '–'}")
    for letter, side in (("A", query.a), ("B", query.b)):
        lines += _under(letter, _answer(side))
        if side.answer and "annotations" in query.changed:
            spans = ", ".join(f"{span.text} = {span.type}" for span in side.answer.annotations)
            lines += _under("", f"annotations: {spans or '–'}")
        if side.answer and "rewrites" in query.changed:
            texts = ", ".join(f"{rewrite.query} ({rewrite.type})" for rewrite in side.answer.rewrites)
            lines += _under("", f"rewrites: {texts or '–'}")
    return [*lines, ""]


def _answer(side: ComparedAnswer) -> str:
    f1 = "" if side.f1 is None else f"F1 {side.f1:.2f}: "
    if side.answer is None:
        failed = side.failed
        return f"{f1}failed, {failed.kind}: {failed.detail[:200]}" if failed else f1
    return f"{f1}{_paths(side.answer.categories)} [{side.answer.specificity or '–'}]"


def _paths(categories: Sequence[Category]) -> str:
    return "; ".join(" > ".join(category.path) or category.id for category in categories) or "(abstain)"


def _item(text: str) -> list[str]:
    return wrap(_printable(text), _WIDTH, initial_indent="- ", subsequent_indent="  ")


def _under(letter: str, text: str) -> list[str]:
    return wrap(
        _printable(text), _WIDTH, initial_indent=f"  {letter + ':' if letter else '':<6}", subsequent_indent=" " * 8
    )


def _wrapped(text: str) -> list[str]:
    return wrap(_printable(text), _WIDTH)


def _printable(text: str) -> str:
    """Return text without what could steer a terminal or turn the line around."""
    return "".join(char if char.isprintable() or char.isspace() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[_printable(cell(text)) for text in row] for row in (head, *rows)]
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    lines = [
        "| " + " | ".join(text + " " * (width - _columns(text)) for text, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    return [lines[0], rule, *lines[1:]]


def _columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
