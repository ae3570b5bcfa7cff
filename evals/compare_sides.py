"""Side B against side A, query by query."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Specificity, Understanding
from evals.agreement import agreement
from evals.branches import branch_names
from evals.categories import Counts, count, predicted_ids
from evals.compared_query import ComparedAnswer, compare_query
from evals.comparison import Comparison, Finding, Paired, Quality, Searches, SideSummary, SliceRow
from evals.cost import cost_of
from evals.estimates import Estimate, Ratio, Sample, Statistic, bootstrap
from evals.measures import statistics
from evals.paired import LEAST_DISCORDANT, needed_for_interval, pair_test
from evals.sides import Asked, Side, check_sides
from evals.slices import TIERS, Slice, crossed, everything, slices

__all__ = ["COMPARED", "compare_sides", "finding_of"]

_K = TypeVar("_K")

COMPARED = (
    "leaf_precision",
    "leaf_recall",
    "leaf_f1",
    "leaf_macro_f1",
    "parent_f1",
    "top1_accuracy",
    "coverage",
    "specificity_accuracy",
    "span_f1",
    "rewrite_recall",
)
"""The measures of `evals.measures` that a comparison shows, in this order."""


def compare_sides(
    asked: Sequence[Asked],
    a: Side,
    b: Side,
    taxonomy: Taxonomy,
    *,
    made: Mapping[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two sides on the same queries.

    Args:
        asked: The queries, each once; those without a case count for the agreement and the cost.
        a: The base of comparison.
        b: The other side: differences are B less A, and it is B that wins or loses a query.
        taxonomy: The tree of the shop.
        made: How the answers came about, to be printed.
        draws: Resamples of the queries for the intervals.
        seed: Seed of the resamples: the same input gives the same numbers, whatever the order of the queries.

    Raises:
        UserError: there is no query, or one is there twice.
        QuerywiseError: a side or the gold does not fit the queries.
    """
    check_sides(asked, a, b)
    order = sorted(range(len(asked)), key=lambda i: normalise(asked[i].query))
    pairs = _Pairs([asked[i] for i in order], a.at(order), b.at(order), taxonomy)
    rows = [pairs.row(part, draws=draws, seed=seed + number) for number, part in enumerate(pairs.slices())]
    back = {place: at for at, place in enumerate(order)}
    return Comparison(
        made=dict(made or {}),
        queries=len(asked),
        searches=sum(one.searches for one in asked),
        a=_summary(a.name, [query.a for query in pairs.compared]),
        b=_summary(b.name, [query.b for query in pairs.compared]),
        quality=pairs.quality(rows[0], draws=draws, seed=seed),
        rows=tuple(rows),
        compared=tuple(pairs.compared[back[i]] for i in range(len(asked))),
        draws=draws,
        seed=seed,
    )


class _Pairs:
    """Both sides' answers to the queries, and what is summed over them."""

    def __init__(self, asked: Sequence[Asked], a: Side, b: Side, taxonomy: Taxonomy) -> None:
        self._asked = asked
        self._taxonomy = taxonomy
        self._a = [outcome.served(one.query) for one, outcome in zip(asked, a.outcomes, strict=True)]
        self._b = [outcome.served(one.query) for one, outcome in zip(asked, b.outcomes, strict=True)]
        self._counts_a, self._counts_b = self._count(self._a, taxonomy), self._count(self._b, taxonomy)
        self._searches = np.array([one.weight for one in asked], dtype=np.float64)
        self._agreement = agreement(self._a, self._b, self._searches)
        labelled = [i for i, one in enumerate(asked) if one.case is not None]
        self._labelled = {place: at for at, place in enumerate(labelled)}
        cases = [one.case for one in asked if one.case is not None]
        self._of_a = statistics(cases, [self._a[i] for i in labelled], taxonomy)
        self._of_b = statistics(cases, [self._b[i] for i in labelled], taxonomy)
        self.compared = [
            compare_query(one, *outcomes, counts_a=first, counts_b=second, taxonomy=taxonomy)
            for one, outcomes, first, second in zip(
                asked, zip(a.outcomes, b.outcomes, strict=True), self._counts_a, self._counts_b, strict=True
            )
        ]

    def _count(self, answers: Sequence[Understanding], taxonomy: Taxonomy) -> list[Counts | None]:
        return [
            count(one.case, predicted_ids(answer), taxonomy, "leaf") if one.case else None
            for one, answer in zip(self._asked, answers, strict=True)
        ]

    def slices(self) -> list[Slice]:
        """Return all queries, then tiers, specificities, kinds, and the larger branches and labels of the shop.

        Specificity and branch are those labelled, or else those of A's answer: the base decides, so that B cannot move
        a query.
        """
        specificities = [
            (one.case.specificity if one.case else None) or answer.specificity
            for one, answer in zip(self._asked, self._a, strict=True)
        ]
        given = [one.case.labels if one.case else {} for one in self._asked]
        labels = sorted({name for of in given for name in of})
        return [
            everything(len(self._asked)),
            *slices("tier", [one.tier for one in self._asked], first=TIERS),
            *slices("specificity", specificities, first=get_args(Specificity)),
            *slices("kind", [one.case.kind if one.case else None for one in self._asked]),
            *crossed({"branch": self._branches()}, ("branch",)),
            *(part for name in labels for part in crossed({name: [of.get(name) for of in given]}, (name,))),
        ]

    def _branches(self) -> list[str | None]:
        names = branch_names(self._taxonomy)
        first = [
            (one.case.categories if one.case and one.case.categories is not None else predicted_ids(answer))[:1]
            for one, answer in zip(self._asked, self._a, strict=True)
        ]
        return [names.get(ids[0]) if ids else None for ids in first]

    def row(self, part: Slice, *, draws: int, seed: int) -> SliceRow:
        """Return the measures of a slice: quality over its labelled queries, agreement over all."""
        labelled = np.array([self._labelled[i] for i in part.members if i in self._labelled], dtype=np.intp)
        keyed = {(side, name): of[name] for side, of in (("a", self._of_a), ("b", self._of_b)) for name in COMPARED}
        drawn = _draw(keyed, labelled, draws=draws, seed=seed)
        measures = {}
        for name in COMPARED if drawn else ():
            first, second = drawn["a", name], drawn["b", name]
            parts = (first.estimate(), second.estimate(), second.over(first).estimate())
            if parts[0] and parts[1] and parts[2]:
                measures[name] = Paired(a=parts[0], b=parts[1], gain=parts[2])
        alike = _draw(self._agreement, part.members, draws=draws, seed=seed)
        results = Counter(self.compared[i].result for i in part.members)
        return SliceRow(
            by=part.by,
            slice=part.name,
            queries=len(part.members),
            searches=sum(self._asked[i].searches for i in part.members),
            judged=results["won"] + results["lost"] + results["tied"],
            won=results["won"],
            lost=results["lost"],
            tied=results["tied"],
            measures=measures,
            agreement={name: found for name, sample in alike.items() if (found := sample.estimate())},
        )

    def quality(self, everything: SliceRow, *, draws: int, seed: int) -> Quality | None:
        """Return the verdict over all queries, or None where no query has labelled categories."""
        if not everything.judged:
            return None
        gain = everything.measures["leaf_f1"].gain
        differing = sum(first != second for first, second in zip(self._counts_a, self._counts_b, strict=True))
        judged = [query for query in self.compared if query.result]
        return Quality(
            finding=finding_of(gain, differing),
            judged=everything.judged,
            gain=gain,
            differing=differing,
            needed=needed_for_interval(gain, discordant=differing),
            won=everything.won,
            lost=everything.lost,
            tied=everything.tied,
            sign=pair_test(a_only=everything.lost, b_only=everything.won, pairs=len(judged)),
            wholly_right=pair_test(
                a_only=sum(bool(query.a.right and not query.b.right) for query in judged),
                b_only=sum(bool(query.b.right and not query.a.right) for query in judged),
                pairs=len(judged),
            ),
            searches=self._searches_won(draws=draws, seed=seed),
        )

    def _searches_won(self, *, draws: int, seed: int) -> Searches | None:
        members = np.array([i for i, query in enumerate(self.compared) if query.result], dtype=np.intp)
        keyed: dict[str, Statistic] = {
            result: Ratio(
                top=self._searches * np.array([query.result == result for query in self.compared]),
                bottom=self._searches,
            )
            for result in ("won", "lost")
        }
        drawn = _draw(keyed, members, draws=draws, seed=seed)
        won, lost, net = drawn["won"].estimate(), drawn["lost"].estimate(), drawn["won"].over(drawn["lost"]).estimate()
        return Searches(won=won, lost=lost, net=net) if won and lost and net else None


def _draw(of: Mapping[_K, Statistic], members: NDArray[np.intp], *, draws: int, seed: int) -> dict[_K, Sample]:
    """Draw resamples of these queries alone; there is no sample of no query."""
    if not members.size:
        return {}
    parts = {name: statistic.only(members) for name, statistic in of.items()}
    return bootstrap(parts, queries=members.size, draws=draws, seed=seed)


def finding_of(gain: Estimate, differing: int) -> Finding:
    """Return which side is better, given the difference in F1 and how many queries are scored differently at all.

    The bootstrap alone would take three queries won by as much for certain, so the fewest pairs that can show anything
    in an exact test are asked for as well.
    """
    if differing < LEAST_DISCORDANT or gain.low <= 0 <= gain.high:
        return "no_difference_shown"
    return "b_better" if gain.low > 0 else "a_better"


def _summary(name: str, answers: Sequence[ComparedAnswer]) -> SideSummary:
    failed = Counter(answer.failed.kind for answer in answers if answer.failed)
    right = [answer.right for answer in answers]
    return SideSummary(
        name=name,
        failed=dict(failed.most_common()),
        right=sum(good is True for good in right),
        cost=cost_of([answer.usage for answer in answers], right=right),
    )
