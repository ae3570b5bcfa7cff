"""What one side of a comparison took: requests, tokens and money, with what is not known left unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.sides import Usage

__all__ = ["Cost", "Total", "cost_of"]


@dataclass(frozen=True, kw_only=True)
class Total:
    """A sum over the ``known`` of ``queries`` queries: a lower bound where some are not known, None where all are."""

    value: float | None
    known: int
    queries: int
    estimated: bool


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one side took for all queries.

    ``cached_share`` is of the tokens in, over the queries where both are known. ``usd_per_right`` divides what the
    queries with labelled categories cost by how many of them were answered wholly right, and is None where none was or
    nothing is labelled.
    """

    requests: int
    tokens_in: Total
    tokens_out: Total
    cached_share: float | None
    usd: Total
    usd_per_right: Total | None


def cost_of(usages: Sequence[Usage], *, right: Sequence[bool | None]) -> Cost:
    """Add up what the queries took; `right` says of each whether it was answered wholly right, None for not judged."""
    both = [(u.tokens_cached, u.tokens_in) for u in usages if u.tokens_cached is not None and u.tokens_in is not None]
    sent = sum(tokens for _, tokens in both)
    judged = [(usage, good) for usage, good in zip(usages, right, strict=True) if good is not None]
    return Cost(
        requests=sum(usage.requests for usage in usages),
        tokens_in=_total([u.tokens_in for u in usages], usages),
        tokens_out=_total([u.tokens_out for u in usages], usages),
        cached_share=sum(cached for cached, _ in both) / sent if sent else None,
        usd=_total([u.usd for u in usages], usages),
        usd_per_right=_per_right([u for u, _ in judged], sum(good for _, good in judged)),
    )


def _per_right(usages: Sequence[Usage], right: int) -> Total | None:
    if not right:
        return None
    return _total([None if u.usd is None else u.usd / right for u in usages], usages)


def _total(values: Sequence[float | None], usages: Sequence[Usage]) -> Total:
    known = [(value, usage.estimated) for value, usage in zip(values, usages, strict=True) if value is not None]
    return Total(
        value=sum(value for value, _ in known) if known else None,
        known=len(known),
        queries=len(values),
        estimated=any(estimated for _, estimated in known),
    )
