"""Systems put to work on judged queries, beside a search that understands nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import UserError
from domain.understanding import Understander, Understanding
from domain.withheld import Part
from evals.estimates import Ratio, Sample, bootstrap
from evals.judge import JudgeAgreement
from evals.replay.backend import Backend
from evals.replay.clauses import WAYS, Way
from evals.replay.harm import harmed_queries
from evals.replay.judged import JudgedQuery, half_of
from evals.replay.report import Chosen, Judged, Measure, Replay, ReplayRow, Tried
from evals.replay.stand_in import about_judge
from evals.replay.trial import MEASURES, Bench, Trial

__all__ = ["FACTORS", "NOTHING", "Suspect", "replay"]

FACTORS: Final = (3.0, 10.0, 30.0, 100.0)
"""Boost factors that are tried, in points of score: a word in the title is worth some 20, so 100 sorts by category."""

NOTHING: Final = "BM25 alone"
"""What the search without any understanding is called."""

_NONE: Final = 1e-9
_GAINS: Final[tuple[Measure, ...]] = ("ndcg", "condensed", "recall")


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Whose harm is looked for, and how it is used."""

    name: str
    system: Understander
    way: Way = "boost+expand"


def replay(
    judged: Sequence[JudgedQuery],
    systems: Mapping[str, Understander],
    backend: Backend,
    *,
    suspect: Suspect,
    oracle: Understander | None = None,
    labelled: Set[str] = frozenset(),
    ways: Collection[Way] = tuple(WAYS),
    titles: Mapping[str, str] | None = None,
    made: Mapping[str, str] | None = None,
    agreement: JudgeAgreement | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Replay:
    """Search for the judged queries with and without each system's answers, and compare nDCG@10 in pairs.

    Where categories are boosted, each system has the factor of `FACTORS` that does best on the development half of
    the queries (the least of equals), and is reported on the half that is held back.

    Args:
        judged: The queries, at least one, each once.
        systems: What answers them, by name.
        backend: The search.
        suspect: Whose harm is looked for, over all queries.
        oracle: What answers as people labelled the queries.
        labelled: The queries it can answer; it is reported on those alone, and the others on them as well.
        ways: How answers are used; a system without rewrites, say, is used in no way that needs them.
        titles: Title of each product, for the lists of harmed queries.
        made: How all this came about, to be printed.
        agreement: With people, of the judge whose grades are among the ratings; it is printed too.
        draws: Resamples of the queries for the intervals.
        seed: Seed of the resamples.

    Raises:
        UserError: a judge graded some products, and its agreement with people is not given.
    """
    by_judge = sum(len(one.by_judge) for one in judged)
    if by_judge and agreement is None:
        raise UserError(
            f"a judge graded {by_judge:,} pairs, and how far it agrees with people is not said",
            hint="pass the agreement that `judge_agreement` computes",
        )
    bench = Bench(backend, judged)
    queries = [one.query for one in judged]
    known = frozenset(at for at, query in enumerate(queries) if query in labelled)
    everything = frozenset(range(len(judged)))
    covered = {name: (system, everything) for name, system in systems.items()}
    if oracle is not None:
        covered["oracle"] = (oracle, known)
    chooser = _Chooser(bench, frozenset(at for at, query in enumerate(queries) if half_of(query) == "development"))
    plain = bench.trial(NOTHING, [_unanswered(query) for query in queries], None, None)
    trials = [
        (chooser.best(name, answers, way, covers), covers)
        for name, (system, covers) in covered.items()
        for answers in [system.understand(queries)]
        for way in ways
        if _parts_of(answers).issuperset(WAYS[way])
    ]
    suspected = suspect.system.understand(queries)
    charged = chooser.best(suspect.name, suspected, suspect.way, everything, note=False)
    held = everything - chooser.development
    return Replay(
        made={**(made or {}), **({"judge": about_judge(agreement, by_judge)} if agreement else {})},
        judged=Judged(
            queries=len(judged),
            products=sum(len(one.ratings) for one in judged),
            barren=sum(not any(one.ratings.values()) for one in judged),
            by_judge=by_judge,
        ),
        chosen=tuple(chooser.chosen),
        rows=tuple(
            _row(name, plain, trial, members, draws=draws, seed=seed)
            for name, members, needs_oracle in (
                ("held back", held, False),
                ("all", everything, False),
                ("held back and labelled", held & known, True),
                ("all labelled", known, True),
            )
            if members and (oracle is not None or not needs_oracle)
            for trial, covers in ((plain, everything), *trials)
            if members <= covers
        ),
        harm_of=suspect.name,
        harm_way=suspect.way,
        harm_factor=charged.factor or 0.0,
        harmed=harmed_queries(bench, suspected, suspect.way, factor=charged.factor or 0.0, titles=titles or {}),
        draws=draws,
        seed=seed,
    )


class _Chooser:
    """Chooses boost factors on the development half, and notes which."""

    def __init__(self, bench: Bench, development: frozenset[int]) -> None:
        self._bench = bench
        self.development = development
        self.chosen: list[Chosen] = []

    def best(
        self, name: str, answers: Sequence[Understanding], way: Way, covers: frozenset[int], *, note: bool = True
    ) -> Trial:
        if way not in ("boost", "boost+expand"):
            return self._bench.trial(name, answers, way, None)
        members = sorted(self.development & covers)
        trials = [self._bench.trial(name, answers, way, factor) for factor in FACTORS]
        means = [_mean(trial.values["ndcg"][members]) for trial in trials]
        best = max(range(len(FACTORS)), key=lambda at: (round(means[at], 9), -at))
        if note:
            tried = tuple(Tried(factor=factor, ndcg=mean) for factor, mean in zip(FACTORS, means, strict=True))
            self.chosen.append(Chosen(system=name, way=way, factor=FACTORS[best], tried=tried))
        return trials[best]


def _parts_of(answers: Sequence[Understanding]) -> frozenset[Part]:
    """Return the parts that any answer has: without them a way would repeat another."""
    parts: dict[Part, bool] = {
        "categories": any(answer.categories for answer in answers),
        "rewrites": any(answer.rewrites for answer in answers),
    }
    return frozenset(part for part, there in parts.items() if there)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else 0.0


def _row(name: str, plain: Trial, trial: Trial, members: frozenset[int], *, draws: int, seed: int) -> ReplayRow:
    at = np.array(sorted(members), dtype=np.intp)
    keyed = {
        (which, measure): Ratio.mean(one.values[measure][at])
        for which, one in (("plain", plain), ("with", trial))
        for measure in MEASURES
    }
    drawn: dict[tuple[str, Measure], Sample] = bootstrap(keyed, queries=at.size, draws=draws, seed=seed)
    change = trial.values["ndcg"][at] - plain.values["ndcg"][at]
    improved, harmed = int(np.sum(change > _NONE)), int(np.sum(change < -_NONE))
    return ReplayRow(
        queries_of=name,
        system=trial.system,
        way=trial.way,
        factor=trial.factor,
        queries=int(np.sum(~np.isnan(change))),
        measures={m: found for m in MEASURES if (found := drawn["with", m].estimate())},
        gains={
            m: found for m in _GAINS if trial.way and (found := drawn["with", m].over(drawn["plain", m]).estimate())
        },
        improved=improved,
        harmed=harmed,
        unchanged=int(np.sum(~np.isnan(change))) - improved - harmed,
    )


def _unanswered(query: str) -> Understanding:
    return Understanding(
        query=query, normalized=query, source="fallback", reason="abstained_low_confidence", release=""
    )
