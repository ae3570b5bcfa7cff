"""A judge's mean grade, corrected by the part of it that people labelled.

The judge grades every item, people those of some queries. What people say of these corrects the judge's mean, and the
interval is about what people would say of all, however wrong the judge is; a judge that follows people makes it shorter
than people's labels alone do (prediction-powered inference).

The unit is the query: its value is the mean over its items, and every query counts alike. Items of one query depend on
one another, queries do not. The queries that people labelled have to be drawn at random from all.

Sources: Angelopoulos, Bates, Fannjiang, Jordan, Zrnic (2023), Prediction-powered inference, Science 382; Angelopoulos,
Duchi, Zrnic (2023), PPI++: efficient prediction-powered inference, arXiv:2311.01453 (the weight of the judge).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.errors import UserError
from domain.verdict import Item, JudgeTask
from evals.estimates import Array, Estimate
from evals.judge.libraries import library
from evals.judge.table import TOP_GRADE

__all__ = [
    "LEAST_LABELLED",
    "CorrectedMean",
    "QueryMeans",
    "corrected",
    "corrected_mean",
    "naive_mean",
    "query_means",
    "student",
]


LEAST_LABELLED: Final = 5
"""Labelled queries below which nothing is corrected: a mean and a weight are estimated from them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class QueryMeans:
    """Means of queries over their items.

    Attributes:
        people: People's mean over the items of a labelled query that they rated.
        estimated: People's mean over all items of a labelled query that the judge scored: where they rated only some,
            the judge's mean plus the mean of what people give more than the judge.
        judge: The judge's mean over all items of a labelled query, in the same order.
        unlabelled: The judge's mean of each other query.
        labels: Items that both people and judge graded.
    """

    people: Array
    estimated: Array
    judge: Array
    unlabelled: Array
    labels: int


@dataclass(frozen=True, kw_only=True)
class CorrectedMean:
    """A mean grade over queries, in three ways, each with its 95% interval.

    Attributes:
        corrected: The judge's mean corrected by people, for all queries.
        people: What people alone say, by Student's interval over the labelled queries.
        naive: The judge alone, over all queries; its interval knows nothing of the judge's errors.
        labels: Items that people rated.
        effective_queries: How many labelled queries people's interval alone would need to be as short as the corrected
            one; None where the corrected one has no width.
        saved_queries: Those less the labelled ones; below 0 where the judge makes the interval longer.
        saved_labels: The same in items, at as many items a query as people rated.
    """

    corrected: Estimate
    people: Estimate
    naive: Estimate
    labels: int
    effective_queries: float | None
    saved_queries: float | None
    saved_labels: float | None


def corrected_mean(judge: Mapping[Item, int], people: Mapping[Item, int], *, task: JudgeTask) -> CorrectedMean:
    """Correct a judge's mean grade by people's grades of some of the same items.

    Args:
        judge: The judge's grades; items that it could not score are absent.
        people: People's grades, such as `reference` gives; those of items that the judge did not score are left out.
        task: What the items are of.

    Raises:
        UserError: people labelled fewer than five of the judge's queries, or ppi-python is not installed.
    """
    means = query_means(judge, people)
    if len(means.people) < LEAST_LABELLED:
        raise UserError(
            f"people labelled {len(means.people)} of the judged queries; a correction takes {LEAST_LABELLED} or more",
            hint="rate the items of some queries drawn at random",
        )
    alone = student(means.people)
    found = corrected(means)
    effective = _effective(alone, found)
    saved = None if effective is None else effective - len(means.people)
    top = TOP_GRADE[task]
    return CorrectedMean(
        corrected=_within(found, top),
        people=_within(alone, top),
        naive=naive_mean(judge, task=task),
        labels=means.labels,
        effective_queries=effective,
        saved_queries=saved,
        saved_labels=None if saved is None else saved * means.labels / len(means.people),
    )


def naive_mean(judge: Mapping[Item, int], *, task: JudgeTask) -> Estimate:
    """Return the mean over queries of a judge's mean grade, as if the judge were right.

    Raises:
        UserError: the judge scored nothing, or ppi-python is not installed.
    """
    values = query_means(judge, {}).unlabelled
    if not len(values):
        raise UserError("the judge scored no item", hint="see why its verdicts are unscored")
    return _within(student(values), TOP_GRADE[task])


def query_means(judge: Mapping[Item, int], people: Mapping[Item, int]) -> QueryMeans:
    """Return the means of each query, in the order of the queries."""
    by_query: dict[str, list[Item]] = {}
    for item in judge:
        by_query.setdefault(item.query, []).append(item)
    labelled, estimated, graded, rest, labels = [], [], [], [], 0
    for _, items in sorted(by_query.items()):
        mean = sum(judge[item] for item in items) / len(items)
        rated = [item for item in items if item in people]
        if not rated:
            rest.append(mean)
            continue
        labels += len(rated)
        labelled.append(sum(people[item] for item in rated) / len(rated))
        estimated.append(mean + sum(people[item] - judge[item] for item in rated) / len(rated))
        graded.append(mean)
    return QueryMeans(
        people=np.array(labelled, dtype=np.float64),
        estimated=np.array(estimated, dtype=np.float64),
        judge=np.array(graded, dtype=np.float64),
        unlabelled=np.array(rest, dtype=np.float64),
        labels=labels,
    )


def corrected(means: QueryMeans) -> Estimate:
    """Return the corrected mean with its 95% interval, as ppi-python computes them with the weight it finds best.

    ppi-python takes the normal distribution and divides by n; with few labelled queries that is too short. It is asked
    for the level at which its interval is Student's with n - 2 degrees, as of a line fitted to n points: a mean and the
    judge's weight are estimated.
    """
    n, rest = len(means.estimated), means.unlabelled
    every = np.concatenate([means.judge, rest])
    # A judge that tells no two queries apart, or no other query, has nothing to say: the weight would be 0 / 0.
    if not len(rest) or every.min() == every.max():
        return student(means.estimated)
    ppi, stats = library("ppi_py"), library("scipy.stats")
    level = 2 * stats.norm.sf(stats.t.ppf(0.975, n - 2) * np.sqrt(n / (n - 2)))
    value = ppi.ppi_mean_pointestimate(means.estimated, means.judge, rest, lam=None)
    low, high = ppi.ppi_mean_ci(means.estimated, means.judge, rest, alpha=level, lam=None)
    return Estimate(value=_float(value), low=_float(low), high=_float(high), queries=n + len(rest))


def student(values: Array) -> Estimate:
    """Return a mean with Student's 95% interval, which has no end where there is only one value.

    Raises:
        UserError: scipy, which comes with ppi-python, is not installed.
    """
    n, mean = len(values), float(values.mean())
    if n < 2:
        return Estimate(value=mean, low=-np.inf, high=np.inf, queries=n)
    arm = float(library("scipy.stats").t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return Estimate(value=mean, low=mean - arm, high=mean + arm, queries=n)


def _effective(alone: Estimate, found: Estimate) -> float | None:
    """Return how many queries make one interval as short as the other, for widths that go with the root of them."""
    ours, theirs = found.high - found.low, alone.high - alone.low
    if ours <= 0:
        return float(alone.queries) if theirs <= 0 else None
    return alone.queries * (theirs / ours) ** 2


def _within(estimate: Estimate, top: int) -> Estimate:
    """Return an estimate cut to the scale, which no mean leaves."""
    value, low, high = (min(max(number, 0.0), float(top)) for number in (estimate.value, estimate.low, estimate.high))
    return Estimate(value=value, low=low, high=high, queries=estimate.queries)


def _float(number: object) -> float:
    return float(np.asarray(number).reshape(()))
