"""What other parts of the service count for themselves, as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from prometheus_client.core import CounterMetricFamily, Metric

from service.access.access import AccessOutcome
from service.connections.limits import ConnectionOutcome
from service.seen.series import REFUSED, Event
from service.split.shadow import Differences

__all__ = ["shadow_metrics", "tally_of"]


def tally_of(outcomes: Mapping[ConnectionOutcome, int] | Mapping[AccessOutcome, int]) -> dict[Event, int]:
    """Return how often connections or requests were turned away, under the names of events."""
    return {cast(Event, f"{REFUSED}{outcome}"): count for outcome, count in outcomes.items()}


def shadow_metrics(found: Differences) -> Iterator[Metric]:
    """Yield what was found about a second release in the shadow of the first, in all workers."""
    answers = CounterMetricFamily(
        "querywise_shadow_answers",
        "Answers that a second release in shadow was asked for too, by what came of it; anew with each release.",
        labels=["release", "outcome"],
    )
    answers.add_metric([found.other, "same"], found.compared - found.differing)
    answers.add_metric([found.other, "different"], found.differing)
    answers.add_metric([found.other, "dropped"], found.dropped)
    kinds = CounterMetricFamily(
        "querywise_shadow_differences",
        "Those that differ, by what they differ in; one answer may in several.",
        labels=["release", "kind"],
    )
    for kind, count in found.kinds.items():
        kinds.add_metric([found.other, kind], count)
    yield from (answers, kinds)
