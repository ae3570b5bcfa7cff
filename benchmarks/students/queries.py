"""Queries that are measured on, by tier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.label import Label
from evals import Case

TIERS = ("head", "torso", "tail", "all")
LEAST = 5
"""Queries of a tier below which it has no row of its own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Queries:
    """Queries with what is expected of each, and its tier."""

    cases: Sequence[Case]
    tiers: Sequence[str]

    @property
    def texts(self) -> list[str]:
        return [case.normalized for case in self.cases]

    def members(self) -> Iterator[tuple[str, NDArray[np.intp]]]:
        """Yield each tier with the places of its queries, all of them last; a tier with few is left out."""
        for tier in TIERS:
            places = np.array([i for i, own in enumerate(self.tiers) if tier in ("all", own)], dtype=np.intp)
            if places.size >= LEAST:
                yield tier, places


def of_people(cases: Sequence[Case], log: Mapping[str, str]) -> Queries:
    """Return cases whose categories people gave: of the tier that is their kind, if all kinds are, or the log's."""
    kinds = {case.kind for case in cases}
    cases = [case for case in cases if case.categories is not None]
    tiers = [case.kind if case.kind and kinds <= set(TIERS) else log.get(case.normalized, "tail") for case in cases]
    return Queries(cases=cases, tiers=tiers)


def of_teacher(labels: Sequence[Label]) -> Queries:
    """Return labels as cases: right is what the teacher said."""
    cases = [
        Case(
            query=label.query,
            normalized=label.query,
            categories=tuple(dict.fromkeys(category.id for category in label.understanding.categories)),
        )
        for label in labels
    ]
    return Queries(cases=cases, tiers=[label.tier for label in labels])
