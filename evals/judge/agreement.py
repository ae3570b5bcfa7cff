"""How far two sets of grades of the same items agree, or any number of raters at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from domain.verdict import Item, JudgeTask
from evals.estimates import Array, Ratio, Sample
from evals.judge.coefficients import Alpha, Coefficient, Kappa, coefficient, coincidences, drawn, why_undefined
from evals.judge.libraries import library
from evals.judge.table import GradeTable, confusion, tabulate

__all__ = ["Agreement", "agree", "alpha", "alpha_of"]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two sets of grades agree, over the items that both grade.

    Attributes:
        items: Items with both grades.
        queries: Queries of those items.
        counts: Items by the grade of the first (rows) and of the second (columns).
        exact: Share of items with the same grade.
        kappa: Cohen's kappa.
        quadratic_kappa: Kappa with disagreements weighted by their squares; of two grades it is the plain one.
        alpha: Krippendorff's alpha, ordinal for relevance and nominal for grades of 0 and 1.
    """

    items: int
    queries: int
    counts: tuple[tuple[int, ...], ...]
    exact: Coefficient
    kappa: Coefficient
    quadratic_kappa: Coefficient
    alpha: Coefficient


def agree(
    one: Mapping[Item, int], other: Mapping[Item, int], *, task: JudgeTask, draws: int = 1000, seed: int = 0
) -> Agreement:
    """Compare two sets of grades of one task; intervals are of the cluster bootstrap over queries.

    Where the two agree on every item no resample differs from another, though the next item might: then a kappa is at
    least what it is at least with one query more, on which they do not agree.

    Args:
        one: The first's grades; an item that the other does not grade is left out.
        other: The second's.
        task: What the items are of.
        draws: Resamples of the queries.
        seed: Of the resamples.

    Raises:
        UserError: an item is of another task, a grade is not on its scale, or krippendorff is not installed.
    """
    table = tabulate(task, {"one": one, "other": other})
    table = table.only(np.asarray(~np.isnan(table.grades).any(axis=1)))
    counts = confusion(table.grades[:, 0], table.grades[:, 1], table)
    samples = drawn(
        {
            "exact": Ratio(top=np.einsum("qii->q", counts), bottom=counts.sum(axis=(1, 2))),
            "kappa": Kappa(counts=counts, distance="nominal"),
            "quadratic": Kappa(counts=counts, distance="quadratic"),
            "alpha": Alpha(counts=coincidences(table), distance=_distance(table)),
        },
        queries=table.queries,
        draws=draws,
        seed=seed,
    )
    why = why_undefined(counts)
    kappas = {name: coefficient(samples[name], why) for name in ("kappa", "quadratic")}
    if not why and not counts.sum(axis=0)[~np.eye(table.levels, dtype=bool)].any():
        kappas = {name: _less_sure(found, counts, name, draws, seed) for name, found in kappas.items()}
    return Agreement(
        items=len(table.items),
        queries=table.queries,
        counts=tuple(tuple(int(n) for n in row) for row in counts.sum(axis=0)),
        exact=coefficient(samples["exact"], "" if table.items else why),
        kappa=kappas["kappa"],
        quadratic_kappa=kappas["quadratic"],
        alpha=alpha_of(table, samples["alpha"]),
    )


def _less_sure(perfect: Coefficient, counts: Array, name: str, draws: int, seed: int) -> Coefficient:
    """Return kappa of two who agree throughout, as low as with one query more, whose rarest grade is taken for another.

    Args:
        perfect: The kappa.
        counts: Queries x grades x grades.
        name: "kappa" or "quadratic".
        draws: Resamples of the queries.
        seed: Of the resamples.
    """
    given = counts.sum(axis=(0, 1))
    one_more = np.zeros_like(counts[:1])
    one_more[0, np.where(given > 0, given, np.inf).argmin(), given.argmax()] = 1
    distance: Literal["nominal", "quadratic"] = "nominal" if name == "kappa" else "quadratic"
    statistic = Kappa(counts=np.concatenate([counts, one_more]), distance=distance)
    drawn_anew = drawn({name: statistic}, queries=len(statistic.counts), draws=draws, seed=seed)[name].estimate()
    if perfect.estimate is None or drawn_anew is None:
        return perfect
    return replace(perfect, estimate=replace(perfect.estimate, low=drawn_anew.low))


def alpha(table: GradeTable, *, draws: int = 1000, seed: int = 0) -> Coefficient:
    """Return Krippendorff's alpha of any number of raters; a missing grade is missing.

    Raises:
        UserError: krippendorff is not installed.
    """
    statistic = Alpha(counts=coincidences(table), distance=_distance(table))
    return alpha_of(table, drawn({"alpha": statistic}, queries=table.queries, draws=draws, seed=seed)["alpha"])


def alpha_of(table: GradeTable, sample: Sample) -> Coefficient:
    """Return alpha as krippendorff computes it, with the interval of a sample of it, or why it is not defined."""
    given: Array = (table.grades[:, :, np.newaxis] == np.arange(table.levels)).sum(axis=1)
    paired = given[given.sum(axis=1) > 1].sum(axis=0)
    if not paired.any():
        return coefficient(sample, "no item has two grades")
    if np.count_nonzero(paired) == 1:
        return coefficient(sample, f"every item that has two grades has the grade {int(paired.argmax())} only")
    value = library("krippendorff").alpha(value_counts=given, level_of_measurement=_distance(table))
    return coefficient(sample, value=float(value))


def _distance(table: GradeTable) -> Literal["nominal", "ordinal"]:
    return "ordinal" if table.levels > 2 else "nominal"
