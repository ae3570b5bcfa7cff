"""What a release keeps of the reasons for its answers: lineage of the labels, and what the log says of the queries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final

from domain.context import DomainContext
from domain.label import Label
from prompts.ledger import read_ledger
from release.why import MOST, ActedOn, Chosen, Demand, Evidence, Followed, Origin, Why

__all__ = ["VERSION", "days_of", "whys"]

VERSION: Final = 1
"""Of what is kept: a release with reasons of another version is built anew."""

_PRODUCTS: Final = 4
_LONGEST: Final = 80


def whys(
    labels: Iterable[Label],
    context_of: Callable[[str], DomainContext | None],
    *,
    fingerprint: str,
    titles: Mapping[str, str],
    days: Mapping[str, date],
) -> Iterator[Why]:
    """Yield the reason of each label.

    Args:
        labels: What is served.
        context_of: What the log says today of a normalised query.
        fingerprint: Of those contexts; a label that was made from others says so.
        titles: Product titles by id; products without one are left out.
        days: When each request was answered, by its key.
    """
    for label in labels:
        made = label.provenance
        answered = [days[key] for key in made.key.split("+") if key in days]
        origin = Origin(
            model=made.model,
            prompt=made.prompt,
            key=made.key,
            labelled=max(answered, default=None),
            dropped=made.dropped,
            same_context=made.context == fingerprint,
        )
        query = label.understanding.normalized
        context = context_of(query)
        evidence = None if context is None else _evidence(context, made.demand, titles)
        yield Why(query=query, tier=label.tier, origin=origin, evidence=evidence)


def days_of(ledger: Path) -> dict[str, date]:
    """Return the last day on which a provider answered each request, by the request's key."""
    if not ledger.is_dir():
        return {}
    return {key: at.date() for key, at in read_ledger(ledger).select("key", "at").iter_rows()}


def _evidence(context: DomainContext, shown: Mapping[str, float], titles: Mapping[str, str]) -> Evidence:
    own = [category for category in context.categories if category.is_own]
    return Evidence(
        searches=context.searches,
        clients=context.clients,
        acted_share=context.acted_share,
        zero_share=context.zero_share,
        categories=tuple(
            Demand(
                id=one.category_id,
                share=round(one.share, 4),
                shown=shown.get(one.category_id),
                clicks=one.clicks,
                carts=one.carts,
                purchases=one.purchases,
            )
            for one in own[:MOST]
        ),
        products=tuple(
            ActedOn(id=one.product_id, title=titles[one.product_id][:_LONGEST], share=one.share)
            for one in context.products
            if one.product_id in titles
        )[:_PRODUCTS],
        chosen=tuple(
            Chosen(name=one.name[:_LONGEST], value=one.value[:_LONGEST], share=one.share, lift=one.lift)
            for one in context.annotations[:MOST]
        ),
        next_queries=tuple(Followed(query=one.query, count=one.count) for one in context.next_queries[:MOST]),
        retyped=tuple(Followed(query=one.query, count=one.count) for one in context.reformulations[:MOST]),
    )
