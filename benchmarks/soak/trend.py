"""Whether something grows: the slope of a line through its means by minute, and how well it is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

__all__ = ["LEAST", "Trend", "trend_of"]

LEAST: Final = 5
"""Means without which there is no trend."""


@dataclass(frozen=True, kw_only=True)
class Trend:
    """A slope with its 95% interval."""

    slope: float
    low: float
    high: float


def trend_of(x: Sequence[float], y: Sequence[float]) -> Trend | None:
    """Fit a line by least squares, or return None for fewer than five points.

    The interval is that of Student's t with n - 2 degrees of freedom; points should be means over a time that is long
    beside that in which the noise goes up and down.
    """
    if len(x) < LEAST:
        return None
    from scipy.stats import t

    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    across = across - across.mean()
    slope = float(across @ up / (across @ across))
    rest = up - up.mean() - slope * across
    error = float(np.sqrt(rest @ rest / (len(x) - 2) / (across @ across)))
    reach = float(t.ppf(0.975, len(x) - 2)) * error
    return Trend(slope=slope, low=slope - reach, high=slope + reach)
