"""How many human labels a judge saves, tried out on queries that people labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domain.errors import UserError
from domain.verdict import Item
from evals.estimates import Estimate
from evals.judge.corrected import LEAST_LABELLED, QueryMeans, corrected, query_means, student

__all__ = ["Saving", "SavingCurve", "saving_curve"]


@dataclass(frozen=True, kw_only=True)
class Saving:
    """What ``queries`` labelled queries give, on average over the repeats.

    Attributes:
        queries: Labelled queries of a repeat.
        labels: About as many items rated, at the mean number of items a query.
        width: Mean width of the corrected 95% interval.
        people_width: Mean width of the interval of people's labels alone.
        coverage: Share of the corrected intervals that hold the mean of all.
        people_coverage: The same of people's labels alone.
        saved_labels: Labels that people's interval would need for the corrected width, less ``labels``; None where the
            corrected intervals have no width.
    """

    queries: int
    labels: float
    width: float
    people_width: float
    coverage: float
    people_coverage: float
    saved_labels: float | None


@dataclass(frozen=True, kw_only=True)
class SavingCurve:
    """Savings by number of labelled queries, drawn from ``population`` queries whose mean grade is ``mean``."""

    points: tuple[Saving, ...]
    population: int
    judged: int
    mean: float
    repeats: int
    seed: int


def saving_curve(
    judge: Mapping[Item, int],
    people: Mapping[Item, int],
    *,
    sizes: Sequence[int],
    judged: int | None = None,
    repeats: int = 200,
    seed: int = 0,
) -> SavingCurve:
    """Correct the judge with ever more labelled queries, and count how often the interval holds the mean of all.

    Every repeat draws the labelled queries and the others anew and with replacement from the queries that people
    labelled. So these are the whole of which each repeat is a sample, and their mean is what its intervals are about;
    drawn without replacement, half of them would cover their mean too often.

    Args:
        judge: The judge's grades.
        people: People's grades; items that only one of the two graded are left out.
        sizes: Numbers of labelled queries, each `LEAST_LABELLED` or more.
        judged: Queries that the judge grades in a repeat, labelled ones included; as many as there are if None.
        repeats: Samples for each size.
        seed: Of the samples.

    Raises:
        UserError: fewer than two queries have grades of both, a size is out of range, or ppi-python is not installed.
    """
    every = query_means({item: grade for item, grade in judge.items() if item in people}, people)
    population = len(every.people)
    total = population if judged is None else judged
    if population < 2:
        raise UserError("fewer than two queries have grades of the judge and of people", hint="rate some more queries")
    if not sizes or min(sizes) < LEAST_LABELLED or max(sizes) > total:
        raise UserError(
            f"sizes run from {LEAST_LABELLED} to the {total} queries judged", hint="name sizes in that range"
        )
    rng = np.random.default_rng(seed)
    mean = float(every.people.mean())
    points = []
    for size in sizes:
        ours, theirs = [], []
        for _ in range(repeats):
            labelled, rest = rng.integers(population, size=size), rng.integers(population, size=total - size)
            drawn = QueryMeans(
                people=every.people[labelled],
                estimated=every.people[labelled],
                judge=every.judge[labelled],
                unlabelled=every.judge[rest],
                labels=size,
            )
            ours.append(corrected(drawn))
            theirs.append(student(drawn.people))
        points.append(_saving(ours, theirs, mean, size, labels=size * every.labels / population))
    return SavingCurve(points=tuple(points), population=population, judged=total, mean=mean, repeats=repeats, seed=seed)


def _saving(ours: Sequence[Estimate], theirs: Sequence[Estimate], mean: float, size: int, *, labels: float) -> Saving:
    width, people_width = (float(np.mean([e.high - e.low for e in found])) for found in (ours, theirs))
    coverage, people_coverage = (float(np.mean([e.low <= mean <= e.high for e in found])) for found in (ours, theirs))
    return Saving(
        queries=size,
        labels=labels,
        width=width,
        people_width=people_width,
        coverage=coverage,
        people_coverage=people_coverage,
        saved_labels=labels * ((people_width / width) ** 2 - 1) if width > 0 else None,
    )
