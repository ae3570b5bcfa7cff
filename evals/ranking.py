"""Whether the order of an answer's categories is right.

Source: Järvelin, Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques. The discount is that of Burges et
al. (2005), 1 / log2(1 + rank), so that the second rank counts less than the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from evals.case import Case

__all__ = ["ACCEPTABLE_GAIN", "CUT", "ndcg"]

CUT = 3
"""Ranks that count."""

ACCEPTABLE_GAIN = 0.5
"""Gain of an acceptable id; that of an expected one is 1."""


def ndcg(case: Case, predicted: Sequence[str], *, cut: int = CUT) -> float | None:
    """Return nDCG of an answer's ids, each there once, or None where no category is expected.

    The ideal answer gives the expected ids and after them the acceptable ones, down to the cut: unlike recall, the
    gain of an acceptable id is asked for where the cut leaves room.
    """
    if not case.categories:
        return None
    expected = dict.fromkeys(case.categories, 1.0)
    gains = dict.fromkeys(case.acceptable, ACCEPTABLE_GAIN) | expected
    ideal = _discounted(sorted(gains.values(), reverse=True)[:cut])
    return _discounted(gains.get(category_id, 0.0) for category_id in predicted[:cut]) / ideal


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(1 + rank) for rank, gain in enumerate(gains, start=1))
