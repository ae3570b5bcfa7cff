"""Platt's method: from logits to chances (Platt, "Probabilistic outputs for support vector machines", 1999)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["Sigmoid", "fit_sigmoid"]

_LEAST_SLOPE: Final = 0.05
_HAIR: Final = 1e-3

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Sigmoid:
    """``sigmoid(slope * logit + intercept)`` is the chance; the slope is never under 0.05."""

    slope: float
    intercept: float


def fit_sigmoid(logits: Floats, right: npt.NDArray[np.bool_]) -> Sigmoid:
    """Return the curve of least cross entropy, with Platt's softened targets; without logits, that of slope 1."""
    x = np.stack([logits, np.ones(len(logits))], axis=1)
    positive = int(right.sum())
    negative = len(logits) - positive
    y = np.where(right, (positive + 1) / (positive + 2), 1 / (negative + 2))
    slope, intercept = _minimum(x, y, 0 * y, np.array([1.0, 0.0]))
    if slope < _LEAST_SLOPE:  # a curve that falls would turn the order round
        slope = _LEAST_SLOPE
        [intercept] = _minimum(x[:, 1:], y, slope * x[:, 0], np.array([0.0]))
    return Sigmoid(slope=float(slope), intercept=float(intercept))


def _minimum(x: Floats, y: Floats, offset: Floats, start: Floats) -> Floats:
    """Return the weights of least cross entropy of ``sigmoid(x @ weights + offset)``, held to the start by a hair."""

    def loss(at: Floats) -> float:
        logits = x @ at + offset
        return float((np.logaddexp(0, logits) - y * logits).sum() + _HAIR / 2 * ((at - start) ** 2).sum())

    at, least = start, loss(start)
    for _ in range(100):
        p = np.exp(-np.logaddexp(0, -(x @ at + offset)))
        gradient = x.T @ (p - y) + _HAIR * (at - start)
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + _HAIR * np.eye(len(at)), gradient)
        # Where chances are near 0 or 1 the curve is flat, and a whole step leads far beyond the minimum.
        while (now := loss(at - step)) > least and np.abs(step).max() > 1e-9:
            step = step / 2
        if now > least or np.abs(step).max() <= 1e-9:
            break
        at, least = at - step, now
    return at
