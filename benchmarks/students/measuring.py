"""The figures of each system by tier, with samples that can be paired."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.students.answerable import AnswerableShare
from benchmarks.students.answers import Answers, understandings
from benchmarks.students.queries import Queries
from benchmarks.students.ranking import Ranking, sure_of
from domain.taxonomy import Taxonomy
from evals import Estimate
from evals.estimates import Sample, Statistic, bootstrap
from evals.measures import statistics

DRAWS = 1000
FIGURES = ("leaf_precision", "leaf_recall", "leaf_f1", "parent_precision", "parent_recall", "parent_f1", "coverage")

_K = TypeVar("_K", bound=Hashable)


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The samples of one tier, by system and figure."""

    tier: str
    samples: Mapping[tuple[str, str], Sample]

    def estimate(self, system: str, figure: str) -> Estimate | None:
        sample = self.samples.get((system, figure))
        return sample.estimate() if sample else None

    @property
    def systems(self) -> list[str]:
        """Systems with something to judge."""
        return [s for s in dict.fromkeys(s for s, _ in self.samples) if self.estimate(s, "coverage")]


def measured(queries: Queries, answers: Mapping[str, Answers], taxonomy: Taxonomy) -> list[Measured]:
    """Measure all systems on the same queries, tier by tier; top-1 forces each to say its likeliest."""
    found: dict[tuple[str, str], Statistic] = {}
    for system, own in answers.items():
        figures = statistics(own.cases, own.given, taxonomy)
        found |= {(system, name): figures[name] for name in FIGURES}
        if own.rankings is not None:
            first = [Ranking(ids=r.ids[:1], chances=r.chances[:1]) for r in own.rankings]
            forced = understandings(own.cases, [sure_of(ranking, 0.0) for ranking in first], taxonomy)
            found[system, "top1"] = statistics(own.cases, forced, taxonomy)["top1_accuracy"]
            found[system, "answerable"] = AnswerableShare.of(own.cases, own.rankings)
    return [Measured(tier=tier, samples=samples(found, members)) for tier, members in queries.members()]


def samples(found: Mapping[_K, Statistic], members: NDArray[np.intp]) -> dict[_K, Sample]:
    """Draw samples over some of the queries, the same resamples for every statistic."""
    only = {name: statistic.only(members) for name, statistic in found.items()}
    return bootstrap(only, queries=members.size, draws=DRAWS, seed=0)


def share_of(own: Sample, whole: Sample) -> Sample:
    """Return one sample as a share of another that was drawn by the same resamples; NaN where that is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = np.where(whole.draws > 0, own.draws / whole.draws, np.nan)
    return Sample(value=own.value / whole.value if whole.value else math.nan, draws=draws, judged=own.judged)
