"""How far from the query a rewrite may be: the least cosine of their embeddings, learnt from accepted pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from domain.understanding import RewriteType

__all__ = ["DEFAULT_BOUNDS", "Bounds", "LearntBound", "learn_bounds"]

_FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The least cosine of query and rewrite, by the rewrite's type.

    The defaults were learnt by `benchmarks/guardrail.py`; docs/checks.md says from which pairs, and what they cost.
    """

    spelling: float = 0.25
    synonym: float = 0.17
    broader: float = 0.17
    substitute: float = 0.17

    def of(self, kind: RewriteType) -> float:
        """Return the least cosine of a type."""
        least: float = getattr(self, kind)
        return least


DEFAULT_BOUNDS = Bounds()


@dataclass(frozen=True, kw_only=True)
class LearntBound:
    """A least cosine: how many accepted pairs it was learnt from, the share of them that it keeps, and of random ones.

    ``pooled`` says that a type had too few pairs of its own, so that the bound is that of all types together.
    """

    least: float
    pairs: int
    kept: float
    random_kept: float
    pooled: bool


def learn_bounds(
    accepted: Mapping[RewriteType, Sequence[float]], random: Sequence[float], *, keep: float = 0.98
) -> dict[RewriteType, LearntBound]:
    """Return for each type the highest bound, in steps of 0.01, that keeps a share of the accepted pairs.

    Args:
        accepted: Cosines of query and accepted rewrite, by type.
        random: Cosines of pairs that have nothing to do with each other.
        keep: Least share of accepted pairs to keep, in (0, 1].

    Raises:
        ValueError: when there is no accepted pair at all.
    """
    pool = [cosine for cosines in accepted.values() for cosine in cosines]
    if not pool:
        raise ValueError("no accepted pair to learn a bound from")
    bounds: dict[RewriteType, LearntBound] = {}
    for kind in get_args(RewriteType):
        own = accepted.get(kind, ())
        pairs = np.array(own if len(own) >= _FEWEST else pool)
        least = np.floor(np.quantile(pairs, 1 - keep, method="lower") * 100) / 100
        bounds[kind] = LearntBound(
            least=float(least),
            pairs=len(pairs),
            kept=float(np.mean(pairs >= least)),
            random_kept=float(np.mean(np.array(random) >= least)) if len(random) else 0.0,
            pooled=len(own) < _FEWEST,
        )
    return bounds
