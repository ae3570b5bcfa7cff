"""Whether answers fit together: contradictions, queries in other words, and what moved from the base."""

from __future__ import annotations

from collections.abc import Sequence

from evals.consistency import RULES, VARIANTS, Moved, Mover, Robustness, RuleCount, Turnover
from evals.estimates import Estimate
from evals.evaluation.evaluation import Evaluation
from evals.evaluation.markup import Column, Html, element, joined, section, table, term
from evals.evaluation.missing import absent
from evals.evaluation.plots import Axis, axis_of, interval_bar
from evals.evaluation.sections.answers import query_text
from evals.evaluation.words import capital, categories_line, counted, number, percent, plain

__all__ = ["consistency_section"]

_EXAMPLES = 2
_WORST = 10
_MOVERS = 20
_SHARES = Axis(low=0.0, high=1.0)


def consistency_section(evaluation: Evaluation) -> Html:
    """Return what can be said without any label."""
    return section(
        "consistency",
        "Consistency",
        "What can be seen in the answers alone, without anybody's labels. None of it decides.",
        *_contradictions(evaluation.contradictions),
        *(_robustness(evaluation.robustness) if evaluation.robustness else _untyped()),
        *(_moved(evaluation.moved) if evaluation.moved else []),
    )


def _untyped() -> list[Html]:
    return [element("h3", "Queries typed in another way"), absent("robustness")]


def _contradictions(counts: Sequence[RuleCount]) -> list[Html]:
    title = element("h3", "Answers that contradict themselves")
    if not counts:
        return [title, element("p", "None.")]
    columns = (
        Column(title="Contradiction"),
        Column(title="Queries", numeric=True),
        Column(title="Searches", numeric=True),
        Column(title="For example"),
    )
    rows = (
        (
            capital(RULES[one.rule]),
            joined([f"{one.queries:,}", element("small", percent(one.query_share))]),
            joined([f"{one.searches:,}", element("small", percent(one.search_share))]),
            joined(
                element("div", query_text(example.query), ": ", plain(example.detail))
                for example in one.examples[:_EXAMPLES]
            ),
        )
        for one in counts
    )
    return [title, table(columns, rows)]


def _robustness(found: Robustness) -> list[Html]:
    columns = (
        Column(title="Variant"),
        Column(title="Asked", numeric=True),
        Column(title="Same first category", numeric=True),
        Column(title="95% interval", head=joined([term("interval", "95% interval"), axis_of(_SHARES)])),
        Column(
            title="Overlap",
            head=element("span", "Overlap", title="mean overlap of the sets of categories"),
            numeric=True,
        ),
        Column(title="Answered in advance", numeric=True),
    )
    rows = []
    for row in found.rows:
        top, overlap = row.measures.get("same_top"), row.measures.get("jaccard")
        faults = element("small", counted(row.faults, "fault"), class_="bad") if row.faults else None
        rows.append(
            (
                joined([capital(row.kind.replace("_", " ")), element("small", VARIANTS[row.kind]), faults]),
                f"{row.variants:,}",
                _share(top),
                interval_bar(top, _SHARES) if top else None,
                _share(overlap),
                percent(row.precomputed),
            )
        )
    unstable = [
        element(
            "li",
            query_text(one.variant.query),
            " typed as ",
            query_text(one.variant.text),
            f" ({counted(one.searches, 'search', 'searches')}): ",
            element("bdi", f"{categories_line(one.before)} → {categories_line(one.after)}"),
        )
        for one in found.worst[:_WORST]
    ]
    return [
        element("h3", "Queries typed in another way"),
        element(
            "p",
            f"{counted(found.queries, 'query', 'queries')} with typos, another order of words, capitals and the like: "
            "the need is the same, so the answer should be.",
        ),
        table(columns, rows),
        *([_folded(f"The {len(unstable)} answers that change most", unstable)] if unstable else []),
    ]


def _share(found: Estimate | None) -> str | None:
    return number(found.value) if found else None


def _moved(found: Moved) -> list[Html]:
    columns = (
        Column(title="Differs in"),
        Column(title="Queries", numeric=True),
        Column(title="Searches", numeric=True),
    )
    rows = [
        (
            capital(name),
            joined([f"{share.queries:,}", element("small", percent(share.query_share))]),
            joined([f"{share.searches:,}", element("small", percent(share.search_share))]),
        )
        for name, share in (("anything", found.any), *found.parts.items())
    ]
    movers = [_mover(one) for one in found.movers[:_MOVERS]]
    left = len(found.movers) - len(movers)
    if left > 0:
        movers.append(element("li", f"{left} more are in the JSON"))
    return [
        element("h3", "What moved from the base"),
        element("p", f"{counted(found.both, 'query', 'queries')} have an answer of both, labelled or not."),
        table(columns, rows, class_="narrow"),
        element("p", _turnover("Answered now and not before", found.gained)),
        element("p", _turnover("Answered before and not now", found.lost)),
        *([_folded("The most searched queries whose categories moved", movers)] if movers else []),
    ]


def _mover(one: Mover) -> Html:
    before, after = categories_line(one.before.categories), categories_line(one.after.categories)
    return element(
        "li",
        query_text(one.query),
        f" ({counted(one.searches, 'search', 'searches')}): ",
        element("bdi", f"{before} → {after}"),
    )


def _turnover(title: str, found: Turnover) -> str:
    some = ", ".join(plain(query, 50) for query in found.most_searched[:5])
    more = " …" if found.queries > 5 else ""
    told = f"{title}: {counted(found.queries, 'query', 'queries')}, {counted(found.searches, 'search', 'searches')}"
    return f"{told}: {some}{more}" if some else f"{told}."


def _folded(title: str, items: Sequence[Html]) -> Html:
    return element("details", element("summary", title), element("ul", *items, class_="plain"))
