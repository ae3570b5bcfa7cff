"""Whether shoppers ask what the release was built for: what a sample of its answers says, against what it expected.

The comparison is the population stability index (Siddiqi, "Credit Risk Scorecards", 2006), with the interval that
sampling leaves it: without drift, PSI x n is distributed as chi-square with bins - 1 degrees of freedom, where
1/n = 1/observed + 1/expected (Yurdakul & Naranjo, "Statistical properties of the population stability index", Journal
of Risk Model Validation 14(4), 2020); with drift, as non-central chi-square.
"""

from __future__ import annotations

import json
import logging
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, get_args

import numpy as np
import numpy.typing as npt
from prometheus_client.core import GaugeMetricFamily, Metric

from domain.errors import QuerywiseError
from release import Release
from release.expected import (
    MOST_BINS,
    NONE,
    OTHER,
    UNKNOWN,
    Distribution,
    Known,
    Measure,
    confidence_bin,
    read_expected,
    words_of,
)
from release.manifest import EXPECTED
from service.seen.board import COUNTERS, Slab, Slot
from service.seen.seen import Look
from service.seen.series import DRIFT

__all__ = ["Drift", "Stability", "stability"]

_MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
_HOUR: Final = 3600
_HEADER: Final = 2  # the hour, and which release
_SQUARES: Final = MOST_BINS
_WIDTH: Final = MOST_BINS + 1
_PANE: Final = _HEADER + len(_MEASURES) * _WIDTH
_SURE: Final = 1.96

assert DRIFT + 2 * _PANE <= COUNTERS

_OF_A_MEASURE: Final = (
    ("psi", "Population stability index of observed against expected."),
    ("psi_lower", "The lower end of its interval at 95%: so much it is whatever the luck of the sample."),
    ("psi_upper", "The upper end of that interval."),
    ("sampled", "Answers, or words, that the observed shares are worth."),
)

_log = logging.getLogger(__name__)

Weights = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stability:
    """A population stability index, and the ends of its interval at 95%."""

    index: float
    lower: float
    upper: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Observed:
    """Weights by bin of one measure, and how many answers they are worth."""

    weights: Weights
    count: float


class Drift:
    """Counts what answers say into a slab, hour by hour, and tells it of all workers beside what was expected.

    What is told is of the hour before and of this one up to now. A release that expects nothing has nothing told.

    Args:
        slot: The slab of this worker.
        release: Returns the release that is served, or None.
        now: Returns the time, in seconds since 1970.
    """

    def __init__(
        self, slot: Slot, release: Callable[[], Release | None], *, now: Callable[[], float] = time.time
    ) -> None:
        self._counters = slot.counters
        self._release = release
        self._now = now

    def look(self, look: Look) -> None:
        """Count an answer that was taken from the stream."""
        release = self._release()
        known = _known_of(release)
        if release is None or known is None:
            return
        fields = json.loads(look.answer)
        if fields["release"] != release.id:
            return
        first = self._pane(release.id)
        is_head = fields["source"] == "head"
        self._count(first, "source", "head" if is_head else "tail", look.weight, known)
        category = next(iter(fields["categories"]), None)
        path = category["path"] if category else ()
        place = path[min(known.expected.depth, len(path) - 1)] if path else NONE
        sure = confidence_bin(category["confidence"] if category else None)
        categories: Measure = "head_categories" if is_head else "tail_categories"
        confidences: Measure = "head_confidence" if is_head else "tail_confidence"
        self._count(first, categories, place, look.weight, known)
        self._count(first, confidences, sure, look.weight, known)
        words = words_of(fields["normalized"])
        unknown = known.vocabulary.unknown(words)
        for i in range(len(words)):
            self._count(first, "words", UNKNOWN if i < unknown else "known", look.weight, known)

    def tell(self, slabs: Sequence[Slab]) -> Iterator[Metric]:
        """Yield the metrics."""
        shares = GaugeMetricFamily(
            "querywise_drift_share",
            "Of what a measure looks at, the share in each bin: expected, and observed for an hour or two.",
            labels=["measure", "bin", "kind"],
        )
        psi, lower, upper, sampled = (
            GaugeMetricFamily(f"querywise_drift_{name}", about, labels=["measure"]) for name, about in _OF_A_MEASURE
        )
        known = _known_of(self._release())
        for measure, expected in known.expected.measures.items() if known is not None else ():
            observed = self._observed(slabs, measure, len(expected.bins))
            for i, name in enumerate(expected.bins):
                shares.add_metric([measure, name, "expected"], expected.shares[i])
                if observed.count:
                    share = float(observed.weights[i] / observed.weights.sum())
                    shares.add_metric([measure, name, "observed"], share)
            sampled.add_metric([measure], observed.count)
            if observed.count:
                found = stability(expected, observed.weights / observed.weights.sum(), observed.count)
                psi.add_metric([measure], found.index)
                lower.add_metric([measure], found.lower)
                upper.add_metric([measure], found.upper)
        yield from (shares, psi, lower, upper, sampled)

    @property
    def compares(self) -> bool:
        """Whether the release that is served says what it expects."""
        return _known_of(self._release()) is not None

    def _pane(self, release_id: str) -> int:
        """Return where the counts of this hour begin, all at zero when it has just begun."""
        hour, tag = int(self._now()) // _HOUR, _tag(release_id)
        first = DRIFT + hour % 2 * _PANE
        if self._counters[first] != hour or self._counters[first + 1] != tag:
            for i in range(first, first + _PANE):
                self._counters[i] = 0
            self._counters[first + 1] = tag
            self._counters[first] = hour
        return first

    def _count(self, first: int, measure: Measure, name: str, weight: int, known: Known) -> None:
        expected = known.expected.measures.get(measure)
        if expected is None:
            return
        place = _place(expected.bins, name)
        if place is None:
            return
        at = first + _HEADER + _MEASURES.index(measure) * _WIDTH
        self._counters[at + place] += weight
        self._counters[at + _SQUARES] += weight * weight

    def _observed(self, slabs: Sequence[Slab], measure: Measure, bins: int) -> _Observed:
        release, hour = self._release(), int(self._now()) // _HOUR
        weights, squares = np.zeros(bins), 0.0
        if release is None:
            return _Observed(weights=weights, count=0.0)
        for slab in slabs:
            for pane in range(2):
                first = DRIFT + pane * _PANE
                if slab.counters[first] not in (hour - 1, hour) or slab.counters[first + 1] != _tag(release.id):
                    continue
                at = first + _HEADER + _MEASURES.index(measure) * _WIDTH
                weights += slab.counters[at : at + bins]
                squares += float(slab.counters[at + _SQUARES])
        # Kish's effective size: answers of a busy hour stand for many each, and are worth fewer.
        return _Observed(weights=weights, count=float(weights.sum() ** 2 / squares) if squares else 0.0)


def stability(expected: Distribution, shares: Weights, count: float) -> Stability:
    """Return the index of observed shares, taken from `count` answers, against what was expected.

    Half an answer is added to each bin on both sides, so that one that is empty on one side has a logarithm; bins that
    are empty on both are left out.
    """
    wanted = np.array(expected.shares)
    there = (wanted > 0) | (shares > 0)
    wanted, found, bins = wanted[there], shares[there], int(there.sum())
    wanted = (wanted * expected.count + 0.5) / (expected.count + 0.5 * bins)
    found = (found * count + 0.5) / (count + 0.5 * bins)
    index = float(((found - wanted) * np.log(found / wanted)).sum())
    size, freedom = 1 / (1 / count + 1 / expected.count), bins - 1
    beyond = max(0.0, index * size - freedom)
    spread = _SURE * math.sqrt(2 * (freedom + 2 * beyond))
    return Stability(index=index, lower=max(0.0, beyond - spread) / size, upper=(beyond + spread) / size)


def _place(bins: Sequence[str], name: str) -> int | None:
    for wanted in (name, OTHER):
        if wanted in bins:
            return bins.index(wanted)
    return None


def _tag(release_id: str) -> int:
    return zlib.crc32(release_id.encode()) + 1  # never what a slab has at first


def _known_of(release: Release | None) -> Known | None:
    return None if release is None else _read(release.folder)


@lru_cache(maxsize=2)
def _read(folder: Path) -> Known | None:
    if not (folder / EXPECTED).is_dir():
        return None
    try:
        return read_expected(folder / EXPECTED)
    except QuerywiseError as error:
        _log.error("drift cannot be told: %s", error)
        return None
