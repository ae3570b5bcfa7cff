"""What the evidence says of each bound that is tested on a sample, before the bounds are corrected for one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from domain.errors import QuerywiseError
from domain.understanding import Understanding
from evals.estimates import Estimate, Statistic
from evals.gate.bounds import BoundTest, IntervalTest, SpreadTest
from evals.gate.decision import CheckKind
from evals.gate.evidence import Evidence
from evals.gate.gates import LOWER_IS_BETTER, Absolute, Gates, JudgeBound, NoRegression, Side
from evals.gate.quantity import Quantity, gained, measured
from evals.measures import statistics
from evals.slices import attributes_of, select

__all__ = ["LEAST_QUERIES", "Finding", "findings"]

LEAST_QUERIES = 20
"""Queries, or items of a judge, with something to judge. Fewer settle nothing: F1 is far from straight in so few."""

_INTERVAL = 0.025  # of p on either side of a 95% interval
_POINTS = 0.03


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One bound with its test.

    Attributes:
        name: Of the check.
        kind: Of the bound.
        measure: What is bounded.
        slice: Of the labelled queries, or None.
        side: Where it has to lie.
        bound: Of the value or the gain.
        value: The candidate's.
        gain: Over the base.
        queries: With something to judge.
        test: Of the bound, or None where there is none to make.
        truth: Where the tested quantity would lie after a regression of 3 points, in the test's own direction.
        holds: Whether the bound holds without a test, and `reason` says why; else `reason` says why there is no test.
        fewest: How many more queries there have to be for a test.
    """

    name: str
    kind: CheckKind
    measure: str
    slice: str | None
    side: Side
    bound: float
    value: Estimate | None = None
    gain: Estimate | None = None
    queries: int = 0
    test: BoundTest | None = None
    truth: float = 0.0
    holds: bool = False
    reason: str = ""
    fewest: int | None = None


def findings(gates: Gates, evidence: Evidence) -> list[Finding]:
    """Look at every bound that is tested, in the order of the gates.

    Raises:
        UserError: a slice names an attribute, or a value, that no labelled query has.
        QuerywiseError: a slice is said to be unchanged, and the answers differ in it.
    """
    sample = _Sample(evidence)
    return [
        *(sample.absolute(bound) for bound in gates.absolute),
        *(sample.no_regression(bound) for bound in gates.no_regression),
        *(_judge(bound, evidence) for bound in gates.judges),
    ]


class _Sample:
    """The statistics of both releases over the labelled queries."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._candidate = statistics(evidence.cases, evidence.answers, evidence.taxonomy)
        self._base: Mapping[str, Statistic] | None = None
        if evidence.base is not None:
            self._base = statistics(evidence.cases, evidence.base, evidence.taxonomy)
        self._attributes = attributes_of(evidence.cases, tiers=evidence.tiers, taxonomy=evidence.taxonomy)

    def absolute(self, asked: Absolute) -> Finding:
        value = self._measured(asked.measure, asked.slice)
        found = Finding(
            name=f"{asked.measure} of {asked.slice} {asked.side} {asked.bound:g}",
            kind="absolute",
            measure=asked.measure,
            slice=asked.slice,
            side=asked.side,
            bound=asked.bound,
            value=_estimate(value, lowest=0.0),
        )
        return _tested(found, value, beyond=asked.bound)

    def no_regression(self, asked: NoRegression) -> Finding:
        side: Side = "at_most" if asked.measure in LOWER_IS_BETTER else "at_least"
        found = Finding(
            name=f"{asked.measure} of {asked.slice} no regression",
            kind="no_regression",
            measure=asked.measure,
            slice=asked.slice,
            side=side,
            bound=asked.margin if side == "at_most" else -asked.margin,
            value=_estimate(self._measured(asked.measure, asked.slice), lowest=0.0),
        )
        if self._base is None and self._evidence.unread:
            return replace(found, reason="the release that is served cannot be opened")
        if self._base is None:
            return replace(found, holds=True, reason="no release is served yet that this one could be worse than")
        members = self._members(asked.slice)
        if self._is_unchanged(asked.slice, members):
            same = Estimate(value=0.0, low=0.0, high=0.0, queries=found.value.queries if found.value else 0)
            reason = "both releases answer every query of the slice alike"
            return replace(found, gain=same, queries=same.queries, holds=True, reason=reason)
        gain = gained(self._candidate[asked.measure], self._base[asked.measure], members)
        return _tested(replace(found, gain=_estimate(gain, lowest=-1.0)), gain, beyond=0.0)

    def _members(self, spec: str) -> NDArray[np.intp]:
        return select(spec, self._attributes).members

    def _measured(self, measure: str, spec: str) -> Quantity | None:
        return measured(self._candidate[measure], self._members(spec))

    def _is_unchanged(self, spec: str, members: NDArray[np.intp]) -> bool:
        known = self._evidence.unchanged
        if not any(one in ("all", spec) or one in _broader(spec) for one in known):
            return False
        answers, base = self._evidence.answers, self._evidence.base
        for i in members:
            if base is not None and _content(answers[i]) != _content(base[i]):
                raise QuerywiseError(f"{spec} is said to be unchanged, and {answers[i].query[:50]!r} is answered anew")
        return True


def _judge(asked: JudgeBound, evidence: Evidence) -> Finding:
    figures = evidence.judges.get(asked.task)
    kappa = figures.quadratic_kappa if figures else None
    found = Finding(
        name=f"judge of {asked.task} quadratic kappa",
        kind="judge",
        measure="quadratic_kappa",
        slice=None,
        side="at_least",
        bound=asked.quadratic_kappa,
        value=kappa,
        queries=kappa.queries if kappa else 0,
    )
    if kappa is None:
        return replace(found, reason="the judge was not compared with people")
    if kappa.queries < LEAST_QUERIES:
        return _too_few(found, kappa.queries, "items")
    return replace(found, test=IntervalTest(estimate=kappa, bound=asked.quadratic_kappa))


def _tested(found: Finding, quantity: Quantity | None, *, beyond: float) -> Finding:
    """Add the test of a bound; 3 points worse than `beyond` is the regression to be seen."""
    if quantity is None:
        return replace(found, reason="no labelled query of the slice has something to judge", fewest=LEAST_QUERIES)
    found = replace(found, queries=quantity.queries)
    if quantity.judged < LEAST_QUERIES:
        return _too_few(found, quantity.judged, "queries")
    if found.side == "at_most":
        return replace(
            found, test=SpreadTest(quantity=quantity.negated(), bound=-found.bound), truth=-(beyond + _POINTS)
        )
    return replace(found, test=SpreadTest(quantity=quantity, bound=found.bound), truth=beyond - _POINTS)


def _too_few(found: Finding, judged: int, what: str) -> Finding:
    reason = f"{judged} {what} have something to judge, and {LEAST_QUERIES} are the least"
    return replace(found, reason=reason, fewest=LEAST_QUERIES - judged)


def _estimate(quantity: Quantity | None, *, lowest: float) -> Estimate | None:
    """Return a quantity with the interval in which the test would leave its bound open at a level of 0.025."""
    if quantity is None:
        return None
    return Estimate(
        value=quantity.value,
        low=max(quantity.spread.least(_INTERVAL, worst=quantity.low), lowest),
        high=min(quantity.spread.most(_INTERVAL, best=quantity.high), 1.0),
        queries=quantity.queries,
    )


def _broader(spec: str) -> Iterator[str]:
    """Yield the slices of which this one is a part, as far as its name shows."""
    parts: Sequence[str] = spec.split(",")
    for cut in range(1, len(parts)):
        yield ",".join(parts[:cut])
        yield ",".join(parts[cut:])


def _content(answer: Understanding) -> Understanding:
    return replace(answer, release="")
