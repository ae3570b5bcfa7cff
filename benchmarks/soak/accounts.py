"""Whether what a service counted, logged and kept of misses is what its clients saw, within what deaths may lose."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.soak.load import Seen
from benchmarks.soak.trouble import Death
from service.seen.misslog import read_misses

__all__ = [
    "MISSES_WAIT",
    "Balance",
    "Counted",
    "Logged",
    "counted_in",
    "difference",
    "kept_of_misses",
    "logged_in",
    "misses_lost",
]

MISSES_WAIT: Final = 12.0
"""Seconds for which a worker may hold a miss that it has not written."""

K = TypeVar("K", tuple[str, int], tuple[str, str, str])


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What metrics tell: requests by route and status, queries by route, source and reason, and single series."""

    requests: Mapping[tuple[str, int], int]
    outcomes: Mapping[tuple[str, str, str], int]
    others: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Logged:
    """Lines of the request log, by route and status; `broken` are none, and `with_query` tell what was asked."""

    requests: Mapping[tuple[str, int], int]
    broken: int
    with_query: int


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What one side has more than the other: `over` by group, and `under` in all."""

    over: Mapping[str, int]
    under: int


def counted_in(metrics: str) -> Counted:
    """Read `/metrics`."""
    requests: Counter[tuple[str, int]] = Counter()
    outcomes: Counter[tuple[str, str, str]] = Counter()
    others: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            label, value = sample.labels, int(sample.value)
            if sample.name == "querywise_requests_total":
                requests[label["route"], int(label["status"])] += value
            elif sample.name == "querywise_answers_total":
                outcomes[label["route"], label["source"], label["reason"]] += value
            elif family.name.startswith("querywise_") and family.type in ("counter", "gauge") and len(label) <= 1:
                others[" ".join([family.name.removeprefix("querywise_"), *label.values()])] += value
    return Counted(requests=requests, outcomes=outcomes, others=others)


def logged_in(path: Path) -> Logged:
    """Read the request log."""
    requests: Counter[tuple[str, int]] = Counter()
    broken = with_query = 0
    with path.open("rb") as lines:
        for line in lines:
            try:
                fields = json.loads(line)
                requests[fields["route"], fields["status"]] += 1
            except (ValueError, KeyError, TypeError):
                broken += 1
            else:
                with_query += "query" in fields
    return Logged(requests=requests, broken=broken, with_query=with_query)


def difference(told: Mapping[K, int], seen: Mapping[K, int]) -> Balance:
    """Compare what a service tells with what clients saw; groups are the first part of each key, the route."""
    over: Counter[str] = Counter()
    under = 0
    for key in told.keys() | seen.keys():
        more = told.get(key, 0) - seen.get(key, 0)
        if more > 0:
            over[key[0]] += more
        else:
            under -= more
    return Balance(over=over, under=under)


def kept_of_misses(folder: Path) -> int:
    """Return how many searches the files of a miss log have."""
    return sum(miss.searches for path in sorted(folder.glob("*.jsonl")) for miss in read_misses(path))


def misses_lost(seen: Seen, deaths: Sequence[Death]) -> int:
    """Return how many misses deaths may have lost at most: all that came while the dead may have held them."""
    spans = [(death.at - min(death.life, MISSES_WAIT), death.at) for death in deaths]
    return sum(any(begin <= at <= end for begin, end in spans) for at in seen.missed)
