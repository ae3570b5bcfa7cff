"""What students get right, over the same queries and resamples, so that any two can be compared.

A student is one training or several with different seeds, of which the mean counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.students.answers import understandings
from benchmarks.students.measuring import samples
from benchmarks.students.queries import Queries
from benchmarks.students.ranking import Ranking, best_threshold, sure_of
from benchmarks.students.trial import STRANGERS, Trial
from domain.taxonomy import Taxonomy
from evals.estimates import Array, Harmonic, Ratio, Sample, Statistic
from evals.measures import statistics

ANSWERED = 0.6
"""Share of the teacher's labels that a student answers where it is asked by strangers too."""

Samples = Mapping[str, Sample]


@dataclass(frozen=True, kw_only=True, eq=False)
class Examiner:
    """Marks students.

    Attributes:
        taxonomy: The tree.
        sets: The queries of each set, `halves` among them.
        halves: Two sets of the teacher's labels. The chance from which one is answered is that with the best F1 on the
            other; for any further set, on both.
    """

    taxonomy: Taxonomy
    sets: Mapping[str, Queries]
    halves: tuple[str, str]
    _known: dict[str, Mapping[str, float]] = field(default_factory=dict, init=False, repr=False)

    def thresholds(self, trial: Trial) -> Mapping[str, float]:
        """Return the chance from which each set is answered."""
        if trial.key not in self._known:
            self._known[trial.key] = self._thresholds(trial)
        return self._known[trial.key]

    def _thresholds(self, trial: Trial) -> dict[str, float]:
        one, other = self.halves
        both = [*trial.rankings[one], *trial.rankings[other]]
        cases = [*self.sets[one].cases, *self.sets[other].cases]
        found = dict.fromkeys(self.sets, best_threshold(both, cases))
        for own, its in (self.halves, self.halves[::-1]):
            found[own] = best_threshold(trial.rankings[its], self.sets[its].cases)
        return found

    def figures(self, trial: Trial, parts: Sequence[str]) -> dict[str, Statistic]:
        """Return top-1 and F1 of one training over some sets together; top-1 forces it to say its likeliest."""
        thresholds = self.thresholds(trial)
        cases = [case for part in parts for case in self.sets[part].cases]
        first, given = [], []
        for part in parts:
            for ranking in trial.rankings[part]:
                first.append(sure_of(Ranking(ids=ranking.ids[:1], chances=ranking.chances[:1]), 0.0))
                given.append(sure_of(ranking, thresholds[part]))
        forced, answered = (understandings(cases, some, self.taxonomy) for some in (first, given))
        return {
            "top-1": statistics(cases, forced, self.taxonomy)["top1_accuracy"],
            "F1": statistics(cases, answered, self.taxonomy)["leaf_f1"],
        }

    def marks(self, students: Mapping[str, Sequence[Trial]], parts: Sequence[str]) -> dict[str, Samples]:
        """Return the samples of each student's figures over some sets together."""
        statistic = {
            (name, figure): mean_of([self.figures(trial, parts)[figure] for trial in trials])
            for name, trials in students.items()
            for figure in ("top-1", "F1")
        }
        return _by_student(statistic, sum(len(self.sets[part].cases) for part in parts))

    def strangers(self, students: Mapping[str, Sequence[Trial]], new: Sequence[int]) -> dict[str, Samples]:
        """Return the samples of how many strangers, of those at some places, each student falsely answers.

        From the chance from which it answers `ANSWERED` of the teacher's labels, right or wrong, so that students are
        compared who say as much, and at its own thresholds.
        """
        statistic: dict[tuple[str, str], Statistic] = {}
        for name, trials in students.items():
            as_much, own = [], []
            for trial in trials:
                known = sorted(_surest(ranking) for half in self.halves for ranking in trial.rankings[half])
                threshold = known[-math.ceil(ANSWERED * len(known))]
                asked = [trial.rankings[STRANGERS][i] for i in new]
                as_much.append(Ratio.mean(np.array([float(_surest(ranking) >= threshold) for ranking in asked])))
                own.append(Ratio.mean(np.array([float(trial.let_through[i]) for i in new])))
            statistic[name, "as much"], statistic[name, "own"] = mean_of(as_much), mean_of(own)
        return _by_student(statistic, len(new))


def _surest(ranking: Ranking) -> float:
    """Return the chance of the likeliest category, 0 where none is ranked."""
    return max(sure_of(ranking, 0.0).chances, default=0.0)


def mean_of(several: Sequence[Statistic]) -> Statistic:
    """Return the statistic of sums that are the means of several's sums, all ratios or all harmonic means."""
    ratios = [one for one in several if isinstance(one, Ratio)]
    if len(ratios) == len(several):
        return Ratio(
            top=np.mean([one.top for one in ratios], axis=0), bottom=np.mean([one.bottom for one in ratios], axis=0)
        )
    both = [one for one in several if isinstance(one, Harmonic)]
    if len(both) != len(several):
        raise TypeError("ratios and harmonic means have no mean together")
    precision, recall = mean_of([one.precision for one in both]), mean_of([one.recall for one in both])
    assert isinstance(precision, Ratio) and isinstance(recall, Ratio)
    return Harmonic(precision=precision, recall=recall)


def weighted(statistic: Statistic, weights: Array) -> Statistic:
    """Return a ratio, or harmonic mean of two, in which each query counts as often as its weight says."""
    if isinstance(statistic, Ratio):
        return Ratio(top=statistic.top * weights, bottom=statistic.bottom * weights)
    assert isinstance(statistic, Harmonic)
    precision, recall = weighted(statistic.precision, weights), weighted(statistic.recall, weights)
    assert isinstance(precision, Ratio) and isinstance(recall, Ratio)
    return Harmonic(precision=precision, recall=recall)


def _by_student(statistic: Mapping[tuple[str, str], Statistic], queries: int) -> dict[str, Samples]:
    drawn = samples(statistic, np.arange(queries))
    found: dict[str, dict[str, Sample]] = {}
    for (name, figure), sample in drawn.items():
        found.setdefault(name, {})[figure] = sample
    return {**found}
