"""Whether a judge says the same when it is asked the same again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from domain.errors import UserError
from domain.verdict import Item, Unscored, Verdict
from evals.estimates import Array, Estimate
from evals.judge.agreement import alpha_of
from evals.judge.coefficients import Alpha, Coefficient, coincidences, drawn
from evals.judge.table import item_mean, tabulate
from evals.judge.tally import Tally, judged

__all__ = ["Consistency", "Unsteady", "self_consistency"]


@dataclass(frozen=True, kw_only=True)
class Unsteady:
    """An item to which a judge gave more than one grade, with how often it gave each, from grade 0 up."""

    item: Item
    grades: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """How steady one judge is, over the items that it scored in two repeats or more.

    Attributes:
        judge: Model and rubric.
        repeats: How often it was asked.
        items: Items scored in two repeats or more.
        same: Share of those with one grade in all their repeats.
        flips: Mean over items of the share of pairs of repeats with different grades.
        apart: Mean over items of the mean distance in grades between two of their repeats.
        alpha: Krippendorff's alpha between the repeats.
        unsteady: The items with several grades, widest apart first.
        tallies: What was scored and what was not, by repeat.
    """

    judge: str
    repeats: int
    items: int
    same: Estimate | None
    flips: Estimate | None
    apart: Estimate | None
    alpha: Coefficient
    unsteady: tuple[Unsteady, ...]
    tallies: dict[str, Tally]


def self_consistency(verdicts: Iterable[Verdict | Unscored], *, draws: int = 1000, seed: int = 0) -> Consistency:
    """Compare the repeats of one judge on one task; intervals are of the cluster bootstrap over queries.

    Raises:
        UserError: the verdicts are of one repeat only, or of several judges or tasks; or krippendorff is not installed.
    """
    by_repeat: dict[str, list[Verdict | Unscored]] = {}
    for verdict in verdicts:
        by_repeat.setdefault(verdict.repeat, []).append(verdict)
    found = {repeat: judged(given) for repeat, given in sorted(by_repeat.items())}
    if len(found) < 2:
        raise UserError("the verdicts are of one repeat", hint="ask the judge about the same items again")
    first = next(iter(found.values()))
    if {one.judge for one in found.values()} != {first.judge}:
        raise UserError("the repeats are of several judges", hint="take those of one judge at a time")
    table = tabulate(first.task, {repeat: one.grades for repeat, one in found.items()})
    table = table.only((~np.isnan(table.grades)).sum(axis=1) > 1)
    given: Array = (table.grades[:, :, np.newaxis] == np.arange(table.levels)).sum(axis=1).astype(np.float64)
    pairs = given.sum(axis=1) * (given.sum(axis=1) - 1) / 2
    grades = np.arange(table.levels)
    flips = 1 - (given * (given - 1) / 2).sum(axis=1) / pairs
    apart = np.einsum("ni,nj,ij->n", given, given, np.abs(grades[:, np.newaxis] - grades)) / 2 / pairs

    samples = drawn(
        {
            "same": item_mean((flips == 0).astype(np.float64), table),
            "flips": item_mean(flips, table),
            "apart": item_mean(apart, table),
            "alpha": Alpha(counts=coincidences(table), distance="ordinal" if table.levels > 2 else "nominal"),
        },
        queries=table.queries,
        draws=draws,
        seed=seed,
    )
    order = sorted(map(int, np.flatnonzero(flips > 0)), key=lambda row: (-apart[row], row))
    return Consistency(
        judge=first.judge,
        repeats=len(found),
        items=len(table.items),
        same=samples["same"].estimate(),
        flips=samples["flips"].estimate(),
        apart=samples["apart"].estimate(),
        alpha=alpha_of(table, samples["alpha"]),
        unsteady=tuple(Unsteady(item=table.items[row], grades=tuple(int(n) for n in given[row])) for row in order),
        tallies={repeat: one.tally for repeat, one in found.items()},
    )
