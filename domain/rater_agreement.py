"""How far raters agree on the categories of the queries that several of them decided.

An answer is a set of categories with a first one. Cohen's kappa, defined on single categories, does not apply to sets:
their overlap is given by Jaccard's index and, beyond chance, by Krippendorff's alpha with Jaccard's distance, which
takes any number of raters and gaps (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011).
Decisions that adjudicate count nowhere here: who made them had seen the others.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from domain.reviews import Decision

__all__ = ["Difference", "PairAgreement", "RaterAgreement", "agree", "overlap"]

_Answer = frozenset[str]


@dataclass(frozen=True, kw_only=True)
class PairAgreement:
    """Two raters over the `queries` that both decided.

    `same_set` and `same_first` are shares of those with the same set, and the same first category; `overlap` is the
    mean Jaccard index. Two abstentions are alike in all three.
    """

    raters: tuple[str, str]
    queries: int
    same_set: float
    same_first: float
    overlap: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A query on which the sets of raters differ: the decision of each."""

    query: str
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, kw_only=True)
class RaterAgreement:
    """All raters.

    `alpha` is None where it is not defined: nothing was decided twice, or every answer is the same set. `differing`
    leaves out what was adjudicated; `settled` counts that.
    """

    decided: dict[str, int]
    pairs: tuple[PairAgreement, ...]
    alpha: float | None
    differing: tuple[Difference, ...]
    settled: int


def overlap(one: Collection[str], other: Collection[str]) -> float:
    """Return the Jaccard index of two sets of ids, in [0, 1]; two empty ones are alike."""
    either = {*one, *other}
    return len({*one} & {*other}) / len(either) if either else 1.0


def agree(decisions: Iterable[Decision]) -> RaterAgreement:
    """Compare the raters of decisions, of which each rater has at most one a query that does not adjudicate."""
    by_query: defaultdict[str, dict[str, Decision]] = defaultdict(dict)
    settled: set[str] = set()
    for decision in decisions:
        if decision.adjudicates:
            settled.add(decision.query)
        else:
            by_query[decision.query][decision.rater] = decision
    joint = {query: raters for query, raters in by_query.items() if len(raters) > 1}
    differing = {
        query: raters for query, raters in joint.items() if len({frozenset(d.categories) for d in raters.values()}) > 1
    }
    return RaterAgreement(
        decided=dict(sorted(Counter(rater for raters in by_query.values() for rater in raters).items())),
        pairs=_pairs(joint),
        alpha=_alpha([[frozenset(d.categories) for d in raters.values()] for raters in joint.values()]),
        differing=tuple(
            Difference(query=query, decisions=tuple(raters.values()))
            for query, raters in differing.items()
            if query not in settled
        ),
        settled=len(settled & differing.keys()),
    )


def _pairs(joint: Mapping[str, Mapping[str, Decision]]) -> tuple[PairAgreement, ...]:
    shared: defaultdict[tuple[str, str], list[tuple[Decision, Decision]]] = defaultdict(list)
    for raters in joint.values():
        for a, b in combinations(sorted(raters), 2):
            shared[a, b].append((raters[a], raters[b]))
    return tuple(_pair(raters, decided) for raters, decided in sorted(shared.items()))


def _pair(raters: tuple[str, str], decided: list[tuple[Decision, Decision]]) -> PairAgreement:
    count = len(decided)
    return PairAgreement(
        raters=raters,
        queries=count,
        same_set=sum(set(a.categories) == set(b.categories) for a, b in decided) / count,
        same_first=sum(a.categories[:1] == b.categories[:1] for a, b in decided) / count,
        overlap=sum(overlap(a.categories, b.categories) for a, b in decided) / count,
    )


def _alpha(units: list[list[_Answer]]) -> float | None:
    """Return 1 - observed / expected distance over units of two answers or more; None where nothing is expected."""
    values = Counter(answer for unit in units for answer in unit)
    total = sum(values.values())
    # Of n answers each meets the n - 1 others; equal ones are at no distance.
    pairs = combinations(values.items(), 2)
    expected = sum(2 * a_count * b_count * (1 - overlap(a, b)) for (a, a_count), (b, b_count) in pairs)
    if not expected:
        return None
    observed = sum(2 * (1 - overlap(a, b)) / (len(unit) - 1) for unit in units for a, b in combinations(unit, 2))
    return 1 - (observed / total) / (expected / (total * (total - 1)))
