"""What relevance is to count in the ranking of ideas: the first ones of long lists, at several trade-offs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from domain.discovery import Role
from domain.discovery.assemble import Assembler
from domain.discovery.diverse import TRADE_OFF, category_coverage
from domain.verdict import Item
from evals.cells import difference, interval, table
from evals.estimates import Estimate, Ratio, Sample, bootstrap
from querywise.idea_sides import ROLES, IdeaSide

__all__ = ["FIRST", "TRADE_OFFS", "Traded", "measure_trade_offs", "trade_off_table"]

FIRST: Final = 2
"""Ideas of a list that are looked at where its ranking is measured: of most lists there are three or four in all."""
TRADE_OFFS: Final = (0.0, 0.3, 0.5, TRADE_OFF, 0.85, 1.0)
_DRAWS: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Traded:
    """The first ideas of one kind at a trade-off, over the queries that have more of them.

    Attributes:
        role: The kind.
        trade_off: What relevance counts.
        queries: That have more than are looked at.
        precision: Share of the judged ideas that are right.
        diversity: Mean distance of two of them.
        coverage: Share of the categories of the whole list.
        precision_lost: Precision less that of relevance alone, over the same queries; None of that itself.
        diversity_won: Likewise.
    """

    role: Role
    trade_off: float
    queries: int
    precision: Estimate
    diversity: Estimate
    coverage: Estimate
    precision_lost: Estimate | None
    diversity_won: Estimate | None


@dataclass(frozen=True, kw_only=True)
class _First:
    """The first ideas for one query: how many are right of how many judged, how unlike, how many categories."""

    right: int
    judged: int
    diversity: float
    coverage: float


def measure_trade_offs(sides: Sequence[IdeaSide], assembler: Assembler, verdicts: Mapping[Item, bool]) -> list[Traded]:
    """Rank the ideas of one side anew at each trade-off; intervals are 95% bootstrap intervals over queries."""
    found = {trade_off: _ranked(sides, replace(assembler, trade_off=trade_off), verdicts) for trade_off in TRADE_OFFS}
    measured = []
    for role in ROLES:
        queries = [query for query in found[1.0][role] if all(query in some[role] for some in found.values())]
        if len(queries) < 2:
            continue
        ratios = {
            (trade_off, measure): ratio
            for trade_off, some in found.items()
            for measure, ratio in _ratios([some[role][query] for query in queries]).items()
        }
        samples = bootstrap(ratios, queries=len(queries), draws=_DRAWS, seed=0)
        measured += [traded for at in TRADE_OFFS if (traded := _traded(role, at, len(queries), samples))]
    return measured


def trade_off_table(measured: Sequence[Traded]) -> list[str]:
    """Return a row for each kind and trade-off."""
    rows = (
        (
            one.role,
            f"{one.trade_off:g}",
            str(one.queries),
            *(interval(value) for value in (one.precision, one.diversity, one.coverage)),
            *(difference(value) for value in (one.precision_lost, one.diversity_won)),
        )
        for one in measured
    )
    head = ("kind", "trade-off", f"queries with more than {FIRST}", f"precision of {FIRST}", "diversity", "coverage")
    return table((*head, "precision less that at 1", "diversity less that at 1"), rows)


def _ranked(
    sides: Sequence[IdeaSide], ranker: Assembler, verdicts: Mapping[Item, bool]
) -> dict[Role, dict[str, _First]]:
    contexts = ranker.judge.grounder.contexts
    first: dict[Role, dict[str, _First]] = {role: {} for role in ROLES}
    for side in sides:
        context = contexts.get(side.label.query) if contexts else None
        asked = ranker.asked(side.label.understanding, context)
        ranked = IdeaSide.of(side.name, side.label, asked, context, ranker)
        for role in ROLES:
            ideas = ranked.shown(role)
            if len(ideas) <= FIRST:
                continue
            shown = ranked.first(role, FIRST, ranker)
            judged = [verdicts[item] for item in shown.items if item in verdicts]
            first[role][side.label.query] = _First(
                right=sum(judged),
                judged=len(judged),
                diversity=shown.diversity or 0.0,
                coverage=category_coverage(
                    [idea.category_id for idea in ideas[:FIRST]], {idea.category_id for idea in ideas}
                ),
            )
    return first


def _ratios(first: Sequence[_First]) -> dict[str, Ratio]:
    right, judged = ([float(getattr(one, name)) for one in first] for name in ("right", "judged"))
    return {
        "precision": Ratio(top=np.array(right), bottom=np.array(judged)),
        "diversity": Ratio.mean(np.array([one.diversity for one in first])),
        "coverage": Ratio.mean(np.array([one.coverage for one in first])),
    }


def _traded(role: Role, at: float, queries: int, samples: Mapping[tuple[float, str], Sample]) -> Traded | None:
    precision, diversity, coverage = (samples[at, name].estimate() for name in ("precision", "diversity", "coverage"))
    if precision is None or diversity is None or coverage is None:
        return None
    lost, won = (samples[at, name].over(samples[1.0, name]).estimate() for name in ("precision", "diversity"))
    return Traded(
        role=role,
        trade_off=at,
        queries=queries,
        precision=precision,
        diversity=diversity,
        coverage=coverage,
        precision_lost=None if at == 1.0 else lost,
        diversity_won=None if at == 1.0 else won,
    )
