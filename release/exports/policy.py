"""What is exported: how sure a rule must be, and how long it lasts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final, get_args

from domain.errors import UserError
from release.exports.rule import Kind

__all__ = ["EXPIRES_DAYS", "LEAST_CONFIDENCE", "Policy"]

LEAST_CONFIDENCE: Final[Mapping[Kind, float]] = MappingProxyType(
    {"spelling": 0.9, "synonym": 0.8, "broader": 0.6, "substitute": 0.6, "category": 0.5}
)
"""A replacement does most harm where it is wrong, then a synonym, which a synonym filter cannot weigh; the rest only
moves products up, or is asked for where nothing was found."""

EXPIRES_DAYS: Final[Mapping[Kind, int]] = MappingProxyType(
    {"spelling": 365, "synonym": 180, "broader": 90, "substitute": 90, "category": 90}
)
"""A misspelling stays one; what shoppers expect moves with the season and the shelf."""

_LONGEST = 36_500


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How sure a rule must be, and how many days after its release it ends, by kind.

    Raises:
        UserError: where a confidence is not in [0, 1], or a number of days not in 1 to 36,500.
    """

    least_confidence: Mapping[Kind, float] = field(default_factory=lambda: LEAST_CONFIDENCE)
    expires_days: Mapping[Kind, int] = field(default_factory=lambda: EXPIRES_DAYS)

    def __post_init__(self) -> None:
        for value in self.least_confidence.values():
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise UserError(f"{value} is no confidence", hint="--least-confidence takes a number from 0 to 1")
        for days in self.expires_days.values():
            if not 1 <= days <= _LONGEST:
                raise UserError(f"rules cannot last {days} days", hint=f"--expires-days takes 1 to {_LONGEST}")

    @classmethod
    def of(cls, *, least_confidence: float | None = None, expires_days: int | None = None) -> Policy:
        """Return a policy with one number for all kinds in the place of those of each kind."""
        kinds: tuple[Kind, ...] = get_args(Kind)
        return cls(
            least_confidence=LEAST_CONFIDENCE if least_confidence is None else dict.fromkeys(kinds, least_confidence),
            expires_days=EXPIRES_DAYS if expires_days is None else dict.fromkeys(kinds, expires_days),
        )

    def expiry(self, kind: Kind, created: datetime) -> date:
        """Return the day from which on a rule of a release is not to be used."""
        return created.date() + timedelta(days=self.expires_days[kind])
