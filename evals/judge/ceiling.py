"""A judge and each person against the same people: on equal terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from domain.verdict import Item, JudgeTask
from evals.estimates import Array, Sample, Statistic
from evals.judge.coefficients import Coefficient, Kappa, coefficient, drawn, why_undefined
from evals.judge.people import Kappas, mean_kappas, others
from evals.judge.rating import Rating
from evals.judge.table import by_rater, confusion, tabulate

__all__ = ["Ceiling", "CeilingLine", "ceiling"]

_Who = Literal["person", "judge"]
_NO_OTHERS = "no item was graded by two people and the judge in more than one way"


@dataclass(frozen=True, kw_only=True)
class CeilingLine:
    """One person held out: the quadratic kappa of the person, and of the judge, with the median of the others.

    ``items`` are those that the person, the judge and another person graded.
    """

    rater: str
    items: int
    person: Coefficient
    judge: Coefficient


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """Means over the people held out; ``gap`` is the judge's less a person's, on the same resamples."""

    lines: tuple[CeilingLine, ...]
    person: Kappas
    judge: Kappas
    gap: Kappas


@dataclass(frozen=True, kw_only=True)
class _HeldOut:
    rater: str
    items: int
    person: Array
    judge: Array


def ceiling(
    grades: Mapping[Item, int], ratings: Sequence[Rating], *, task: JudgeTask, draws: int = 1000, seed: int = 0
) -> Ceiling:
    """Compare a judge with people by how far each agrees with the other people.

    For each person in turn the reference is the median of the others (of an even number the lower one in the middle).
    Person and judge are held against it on the same items, so that neither has the easier ones.

    Args:
        grades: The judge's.
        ratings: The people's; those of other tasks are left out.
        task: What is compared.
        draws: Resamples of the queries.
        seed: Of the resamples.

    Raises:
        UserError: an item is of another task, or a grade is not on its scale.
    """
    people = by_rater(ratings, task)
    table = tabulate(task, people)
    judge = np.array([grades.get(item, np.nan) for item in table.items], dtype=np.float64)
    held = []
    for column, rater in enumerate(people):
        person = table.grades[:, column]
        of_others = np.where(np.isnan(person) | np.isnan(judge), np.nan, others(table, column))
        counts = confusion(of_others, person, table)
        judged = confusion(of_others, judge, table)
        held.append(_HeldOut(rater=rater, items=int(counts.sum()), person=counts, judge=judged))
    usable = [one for one in held if not why_undefined(one.person) and not why_undefined(one.judge)]
    statistics: dict[tuple[str, str, str], Statistic] = {}
    for one in held:
        statistics["person", one.rater, "quadratic"] = Kappa(counts=one.person, distance="quadratic")
        statistics["judge", one.rater, "quadratic"] = Kappa(counts=one.judge, distance="quadratic")
    distances: tuple[Literal["nominal", "quadratic"], ...] = ("nominal", "quadratic")
    for distance in distances:
        statistics["person", "", "mean " + distance] = mean_kappas([one.person for one in usable], distance)
        statistics["judge", "", "mean " + distance] = mean_kappas([one.judge for one in usable], distance)
    samples = drawn(statistics, queries=table.queries, draws=draws, seed=seed)
    return Ceiling(
        lines=tuple(
            CeilingLine(
                rater=one.rater,
                items=one.items,
                person=coefficient(samples["person", one.rater, "quadratic"], why_undefined(one.person)),
                judge=coefficient(samples["judge", one.rater, "quadratic"], why_undefined(one.judge)),
            )
            for one in held
        ),
        person=_means(samples, "person"),
        judge=_means(samples, "judge"),
        gap=Kappas(plain=_gap(samples, "nominal"), quadratic=_gap(samples, "quadratic")),
    )


def _means(samples: Mapping[tuple[str, str, str], Sample], who: _Who) -> Kappas:
    plain, quadratic = samples[who, "", "mean nominal"], samples[who, "", "mean quadratic"]
    return Kappas(plain=_defined(plain), quadratic=_defined(quadratic))


def _gap(samples: Mapping[tuple[str, str, str], Sample], distance: str) -> Coefficient:
    return _defined(samples["judge", "", "mean " + distance].over(samples["person", "", "mean " + distance]))


def _defined(sample: Sample) -> Coefficient:
    return coefficient(sample, _NO_OTHERS if np.isnan(sample.value) else "")
