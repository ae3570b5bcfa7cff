"""How good discovery content is: how much of what is proposed can be shown, how much of that is right, and how unlike.

Intra-list diversity is of Ziegler, McNee, Konstan & Lausen, "Improving recommendation lists through topic
diversification", WWW 2005; whoever calls measures it, for it takes the shop's embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.discovery import Role
from domain.verdict import Item
from evals.cells import difference, interval, number, table
from evals.estimates import Array, Estimate, Ratio, Statistic, bootstrap

__all__ = ["IdeaFigures", "IdeasShown", "ideas_table", "measure_ideas"]

_DRAWS: Final = 2000


@dataclass(frozen=True, kw_only=True)
class IdeasShown:
    """What one side shows of one kind for one query.

    Attributes:
        query: In normal form.
        tier: Of the query.
        role: The kind.
        proposed: Ideas before grounding and checks.
        items: Those that are shown, as a judge is asked about them.
        products: How many products they show.
        fresh: How many of these are not on the query's first page of results.
        diversity: Mean distance of two of the ideas; None for fewer than two.
    """

    query: str
    tier: str
    role: Role
    proposed: int
    items: tuple[Item, ...]
    products: int
    fresh: int
    diversity: float | None


@dataclass(frozen=True, kw_only=True)
class IdeaFigures:
    """Figures of one side over the queries of a tier, None where nothing is there to measure.

    Attributes:
        role: The kind of ideas.
        tier: Of the queries; "all" for any.
        side: Its name.
        queries: How many.
        any: Share of the queries for which it shows anything.
        shown: Share of what was proposed that is shown.
        precision: Share of what was judged that is right.
        right: Right ideas a query.
        gain: Right ideas a query less those of the base, over the same queries; None of the base itself.
        fresh: Share of the products shown that are not on the first page.
        diversity: Mean over queries.
    """

    role: Role
    tier: str
    side: str
    queries: int
    any: Estimate | None
    shown: Estimate | None
    precision: Estimate | None
    right: Estimate | None
    gain: Estimate | None
    fresh: Estimate | None
    diversity: Estimate | None


def measure_ideas(
    sides: Mapping[str, Sequence[IdeasShown]], verdicts: Mapping[Item, bool], *, base: str
) -> list[IdeaFigures]:
    """Return the figures of each kind, tier and side; intervals are 95% bootstrap intervals over queries.

    Args:
        sides: By name, each with the same queries and kinds in the same order.
        verdicts: Whether a judge found an item right; one that is not there is left out, and is not wrong.
        base: The side to which differences are taken.
    """
    first = sides[base]
    found = []
    for role in dict.fromkeys(shown.role for shown in first):
        for tier in ("all", *dict.fromkeys(shown.tier for shown in first)):
            chosen = [i for i, shown in enumerate(first) if shown.role == role and tier in ("all", shown.tier)]
            if not chosen:
                continue
            by_side = {name: _statistics([some[i] for i in chosen], verdicts) for name, some in sides.items()}
            named = {(name, measure): one for name, all_ in by_side.items() for measure, one in all_.items()}
            samples = bootstrap(named, queries=len(chosen), draws=_DRAWS, seed=0)
            for name, measures in by_side.items():
                gain = samples[name, "right"].over(samples[base, "right"]).estimate() if name != base else None
                figures = {measure: samples[name, measure].estimate() for measure in measures}
                found.append(IdeaFigures(role=role, tier=tier, side=name, queries=len(chosen), gain=gain, **figures))
    return found


def ideas_table(figures: Iterable[IdeaFigures], *, base: str) -> list[str]:
    """Return figures as a Markdown table; brackets are 95% intervals, bold differences leave out 0."""
    head = ("kind", "tier", "ideas of", "queries", "shows any", "shown of proposed", "precision", "right a query")
    rows = (
        (
            one.role,
            one.tier,
            one.side,
            str(one.queries),
            *(interval(value) for value in (one.any, one.shown, one.precision, one.right)),
            difference(one.gain),
            *(number(value) for value in (one.fresh, one.diversity)),
        )
        for one in figures
    )
    return table((*head, f"less {base}", "not on the page", "diversity"), rows)


def _statistics(shown: Sequence[IdeasShown], verdicts: Mapping[Item, bool]) -> dict[str, Statistic]:
    judged = [[verdicts[item] for item in one.items if item in verdicts] for one in shown]
    right, asked = _array([sum(some) for some in judged]), _array([len(some) for some in judged])
    count = _array([len(one.items) for one in shown])
    return {
        "any": Ratio.mean((count > 0).astype(np.float64)),
        "shown": Ratio(top=count, bottom=_array([one.proposed for one in shown])),
        "precision": Ratio(top=right, bottom=asked),
        # Of a query whose ideas nobody judged it is not known how many are right.
        "right": Ratio.mean(np.where((count > 0) & (asked == 0), np.nan, right)),
        "fresh": Ratio(top=_array([one.fresh for one in shown]), bottom=_array([one.products for one in shown])),
        "diversity": Ratio.mean(_array([np.nan if one.diversity is None else one.diversity for one in shown])),
    }


def _array(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)
