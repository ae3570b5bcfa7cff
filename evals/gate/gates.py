"""What a release has to clear before it is served."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from domain.verdict import JudgeTask

__all__ = [
    "LOWER_IS_BETTER",
    "SERVICE",
    "ZEROS",
    "Absolute",
    "Gates",
    "JudgeBound",
    "NoRegression",
    "ServiceBound",
    "ServiceName",
    "Side",
    "ZeroName",
]

Side = Literal["at_least", "at_most"]

ServiceName = Literal["student_p99_ms", "coverage"]

SERVICE: Mapping[ServiceName, Side] = {"student_p99_ms": "at_most", "coverage": "at_least"}
"""The figures of the service that can be bounded: milliseconds, and the share of traffic that gets an answer."""

ZeroName = Literal[
    "unknown_categories", "unknown_products", "leaked_prompts", "misplaced_annotations", "unusable_texts"
]

ZEROS: Mapping[ZeroName, str] = {
    "unknown_categories": "category ids outside the taxonomy",
    "unknown_products": "product ids outside the catalogue",
    "leaked_prompts": "texts that repeat a prompt",
    "misplaced_annotations": "annotations that are not in the query where they say",
    "unusable_texts": "texts that are empty or have control characters",
}
"""What no answer of a release may hold, by name."""

LOWER_IS_BETTER = frozenset(
    ("abstention_rate", "brier_score", "expected_calibration_error", "fallback_rate", "unknown_id_rate")
)
"""Measures that get worse as they rise; every other one gets worse as it falls."""


@dataclass(frozen=True, kw_only=True)
class Absolute:
    """A measure over a slice is on this side of a bound in (0, 1)."""

    measure: str
    slice: str
    side: Side
    bound: float


@dataclass(frozen=True, kw_only=True)
class NoRegression:
    """A measure over a slice is at most ``margin`` worse than that of the release that is served now."""

    measure: str
    slice: str
    margin: float


@dataclass(frozen=True, kw_only=True)
class ServiceBound:
    """A figure of the service is on its side of a bound, see `SERVICE`."""

    name: ServiceName
    bound: float


@dataclass(frozen=True, kw_only=True)
class JudgeBound:
    """A judge agrees with people, and has a verdict on nearly all that it was asked."""

    task: JudgeTask
    quadratic_kappa: float
    max_unscored: float = 0.05


@dataclass(frozen=True, kw_only=True)
class Gates:
    """All that is asked of a release; with nothing given, the hard zeros alone.

    Attributes:
        alpha: The chance of passing a release that breaks a bound, and the chance of failing one that breaks none, each
            over all looks at the release.
        absolute: Bounds on a measure.
        no_regression: Bounds on what a measure may lose.
        zeros_off: Hard zeros that are not asked for, each with the reason.
        service: Bounds on the service.
        judges: Bounds on the judges.
    """

    alpha: float = 0.05
    absolute: tuple[Absolute, ...] = ()
    no_regression: tuple[NoRegression, ...] = ()
    zeros_off: Mapping[ZeroName, str] = field(default_factory=dict)
    service: tuple[ServiceBound, ...] = ()
    judges: tuple[JudgeBound, ...] = ()

    @property
    def tested(self) -> int:
        """How many bounds are tested on samples, for which there is a correction."""
        return len(self.absolute) + len(self.no_regression) + len(self.judges)

    def alpha_of(self, look: int) -> float:
        """Return the level of one look, counted from 1: half of what is left, so that all looks spend `alpha` at most.

        Alpha spending: Lan, DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70(3). The
        looks of a release may be as many and as dependent as they like, since the levels simply add up.
        """
        return math.ldexp(self.alpha, -look)

    def spent_by(self, look: int) -> float:
        """Return how much of `alpha` is spent when this look is over."""
        return self.alpha - self.alpha_of(look)
