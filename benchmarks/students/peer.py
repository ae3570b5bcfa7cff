"""A peer that was trained, and how well it does on the labels held to tune on."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.students.bench import Bench
from benchmarks.students.ranking import Rank
from distill.examples import NONE
from evals.categories import is_top_right


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A variant of a system: how often its likeliest is right on the held labels, and how long all took until then."""

    system: str
    variant: str
    top1: float
    seconds: float
    rank: Rank


def trained(bench: Bench, system: str, variant: str, rank: Rank, *, started: float) -> Trained:
    """Try a variant on the held labels; `started` is when its training did, by the monotonic clock."""
    right = [
        is_top_right(case, [i for i in ranking.ids[:1] if i != NONE])
        for case, ranking in zip(bench.held.cases, rank(bench.held.texts), strict=True)
    ]
    return Trained(
        system=system,
        variant=variant,
        top1=sum(map(bool, right)) / max(1, len(right)),
        seconds=time.monotonic() - started,
        rank=rank,
    )
