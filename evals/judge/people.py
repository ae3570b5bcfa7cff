"""How far people agree among themselves: the ceiling under which a judge's agreement with them is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from domain.verdict import Item, JudgeTask
from evals.estimates import Array, Sample, Statistic
from evals.judge.agreement import alpha_of
from evals.judge.coefficients import Alpha, Coefficient, Kappa, Mean, coefficient, coincidences, drawn, why_undefined
from evals.judge.rating import Rating
from evals.judge.table import GradeTable, by_rater, confusion, lower_median, tabulate

__all__ = ["Kappas", "PeopleAgreement", "mean_kappas", "others", "people_agreement", "reference"]

_DISTANCES: tuple[Literal["nominal", "quadratic"], ...] = ("nominal", "quadratic")


@dataclass(frozen=True, kw_only=True)
class Kappas:
    """Cohen's kappa, plain and with quadratic weights."""

    plain: Coefficient
    quadratic: Coefficient


@dataclass(frozen=True, kw_only=True)
class PeopleAgreement:
    """How far the raters of one task agree, over the items that at least two of them rate.

    Attributes:
        raters: People who rate any of those items.
        items: Items with two ratings or more.
        queries: Queries of those items.
        pairwise: Mean kappa over pairs of raters.
        held_out: Mean kappa over raters, each against the median of the others.
        alpha: Krippendorff's alpha of all raters.
    """

    raters: int
    items: int
    queries: int
    pairwise: Kappas
    held_out: Kappas
    alpha: Coefficient


def reference(ratings: Sequence[Rating], task: JudgeTask) -> dict[Item, int]:
    """Return the median of the raters of each item; of an even number of ratings the lower one in the middle."""
    table = tabulate(task, by_rater(ratings, task))
    return {item: int(grade) for item, grade in zip(table.items, lower_median(table.grades), strict=True)}


def people_agreement(
    ratings: Sequence[Rating], *, task: JudgeTask, draws: int = 1000, seed: int = 0
) -> PeopleAgreement:
    """Compare the raters of one task among themselves; intervals are of the cluster bootstrap over queries.

    Args:
        ratings: Of any tasks; those of others are left out.
        task: What is compared.
        draws: Resamples of the queries.
        seed: Of the resamples.

    Raises:
        UserError: a grade is not on its scale, or krippendorff is not installed.
    """
    table = tabulate(task, by_rater(ratings, task))
    table = table.only((~np.isnan(table.grades)).sum(axis=1) > 1)
    columns = table.grades.T
    pairs = [confusion(one, other, table) for one, other in combinations(columns, 2)]
    held_out = [confusion(others(table, rater), column, table) for rater, column in enumerate(columns)]
    statistics: dict[tuple[str, str], Statistic] = {
        ("alpha", ""): Alpha(counts=coincidences(table), distance="ordinal" if table.levels > 2 else "nominal")
    }
    for distance in _DISTANCES:
        statistics["pairwise", distance] = mean_kappas(pairs, distance)
        statistics["held_out", distance] = mean_kappas(held_out, distance)
    samples = drawn(statistics, queries=table.queries, draws=draws, seed=seed)
    return PeopleAgreement(
        raters=int((~np.isnan(table.grades)).any(axis=0).sum()),
        items=len(table.items),
        queries=table.queries,
        pairwise=_kappas(samples, "pairwise"),
        held_out=_kappas(samples, "held_out"),
        alpha=alpha_of(table, samples["alpha", ""]),
    )


def others(table: GradeTable, rater: int) -> Array:
    """Return the median of all raters but one, for each item."""
    return lower_median(np.delete(table.grades, rater, axis=1))


def mean_kappas(counts: Sequence[Array], distance: Literal["nominal", "quadratic"]) -> Mean:
    """Return the mean of the kappas of several tables of counts; those that say nothing are left out."""
    return Mean(parts=[Kappa(counts=one, distance=distance) for one in counts if not why_undefined(one)])


def _kappas(samples: dict[tuple[str, str], Sample], name: str) -> Kappas:
    why = "no two people graded the same items in more than one way"
    plain, quadratic = (
        coefficient(s, why if np.isnan(s.value) else "") for s in (samples[name, d] for d in _DISTANCES)
    )
    return Kappas(plain=plain, quadratic=quadratic)
