"""Whether a judge's grades move with what should not move them: order, length, brand names, praise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from domain.errors import UserError
from domain.verdict import Item, Unscored, Verdict
from evals.estimates import Array, Estimate
from evals.judge.coefficients import drawn
from evals.judge.table import GradeTable, item_mean, tabulate
from evals.judge.tally import Judged, judged
from evals.paired import LEAST_DISCORDANT

__all__ = ["Audit", "Effect", "Finding", "audit"]

Finding = Literal["effect", "no_effect_shown"]
"""Whether an interval leaves out 0, with grades changed on enough queries to show anything."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What one perturbation does to the grades of the same items.

    Attributes:
        perturbation: Its name.
        items: Items scored before and after, and in the plain repeat where there is one.
        queries: Queries of those items.
        lost: Items scored before and unscored after.
        shift: Mean of the grade after less the grade before; None without items.
        changed: Share of items whose grade is another.
        noise: The same share between the baseline and a plain repeat of it; None without a repeat.
        excess: ``changed`` less ``noise``, on the same resamples.
        finding: Whether the shift is shown.
        beyond_noise: Whether the excess is shown, in either direction; None without a repeat.
    """

    perturbation: str
    items: int
    queries: int
    lost: int
    shift: Estimate | None
    changed: Estimate | None
    noise: Estimate | None
    excess: Estimate | None
    finding: Finding
    beyond_noise: Finding | None


@dataclass(frozen=True, kw_only=True)
class Audit:
    """The effects of all perturbations on one judge."""

    judge: str
    effects: tuple[Effect, ...]
    draws: int
    seed: int


def audit(
    baseline: Iterable[Verdict | Unscored],
    perturbed: Mapping[str, Iterable[Verdict | Unscored]],
    *,
    repeat: Iterable[Verdict | Unscored] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Audit:
    """Compare a judge's grades of the same items before and after each perturbation, item by item.

    Intervals are of the cluster bootstrap over queries. One effect in twenty is found where there is none.

    Args:
        baseline: Verdicts on the items as they are.
        perturbed: Verdicts on the same items by the name of what was done to them.
        repeat: Verdicts on the items as they are, asked for again, for how much changes by itself.
        draws: Resamples of the queries.
        seed: Of the resamples.

    Raises:
        UserError: there is no perturbation; or verdicts are none, of several judges, tasks or repeats, or of a task
            that is not the baseline's.
    """
    before, again = judged(baseline), judged(repeat) if repeat is not None else None
    effects = tuple(
        _effect(name, before, judged(after), again, draws=draws, seed=seed) for name, after in perturbed.items()
    )
    if not effects:
        raise UserError("there is no perturbation to audit", hint="judge the same items again in a changed form")
    return Audit(judge=before.judge, effects=effects, draws=draws, seed=seed)


def _effect(name: str, before: Judged, after: Judged, again: Judged | None, *, draws: int, seed: int) -> Effect:
    columns: dict[str, dict[Item, int]] = {"before": before.grades, "after": after.grades}
    if again is not None:
        columns["again"] = again.grades
    table = tabulate(before.task, columns)
    table = table.only(np.asarray(~np.isnan(table.grades).any(axis=1)))
    shift = table.grades[:, 1] - table.grades[:, 0]
    statistics = {"shift": item_mean(shift, table), "changed": item_mean((shift != 0).astype(np.float64), table)}
    moved = table.grades[:, -1] - table.grades[:, 0]  # between the repeats, where there is one
    if again is not None:
        statistics["noise"] = item_mean((moved != 0).astype(np.float64), table)
    samples = drawn(statistics, queries=table.queries, draws=draws, seed=seed)
    found = {key: sample.estimate() for key, sample in samples.items()}
    excess = samples["changed"].over(samples["noise"]).estimate() if again is not None else None
    return Effect(
        perturbation=name,
        items=len(table.items),
        queries=table.queries,
        lost=len(before.grades.keys() & after.unscored),
        shift=found["shift"],
        changed=found["changed"],
        noise=found.get("noise"),
        excess=excess,
        finding=_finding(found["shift"], table, shift),
        beyond_noise=_finding(excess, table, (shift != 0) * 1.0 - (moved != 0)) if again is not None else None,
    )


def _finding(estimate: Estimate | None, table: GradeTable, differences: Array) -> Finding:
    """Say "effect" as a comparison names a side: the interval leaves out 0, and enough queries differ at all."""
    if estimate is None or estimate.low <= 0 <= estimate.high:
        return "no_effect_shown"
    differing = np.unique(table.query_of[differences != 0]).size
    return "effect" if differing >= LEAST_DISCORDANT else "no_effect_shown"
