"""Releases of one shop on the same queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from domain.context import ContextStore
from domain.errors import UserError
from domain.shop import Shop
from evals import Asked, Case, Outcome, Side, Usage
from querywise.gold import gold_of
from release import Release, current_release, list_releases, open_release, open_retriever, previous_release
from release.answers import parse
from release.head import HeadStore
from release.manifest import HEAD

__all__ = ["asked_of", "gold_of", "known_to", "open_named", "side_of"]

_NOTHING = Usage(requests=0, tokens_in=0, tokens_out=0, usd=0.0)
"""What a served answer takes of a model."""


def open_named(shop: Shop, name: str) -> Release:
    """Open a release of a shop by its id, or as "current" or "previous".

    Raises:
        UserError: there is none of that name, or it is another shop's.
    """
    releases = shop.releases
    links = {"current": current_release(releases), "previous": previous_release(releases)}
    chosen = links.get(name, name)
    if chosen is None or chosen not in list_releases(releases):
        raise UserError(f"there is no release {name}", hint="`querywise release list` names them all")
    release = open_release(releases / chosen, load_retriever=open_retriever)
    if release.manifest.shop != shop.config.name:
        release.close()
        raise UserError(
            f"release {chosen} is of the shop {release.manifest.shop}, not of {shop.config.name}",
            hint="two releases are compared on the queries of one shop",
        )
    return release


def known_to(release: Release) -> Iterator[str]:
    """Yield the queries, in normal form, that a release has an answer of its own for."""
    for _, value in HeadStore(release.folder / HEAD):
        yield parse("", value).normalized


def asked_of(contexts: ContextStore, queries: Iterable[str], cases: Mapping[str, Case]) -> list[Asked]:
    """Return the queries and the labelled ones, most searched first; what today's log does not have is unseen."""
    asked = []
    for query in {*queries, *cases}:
        context = contexts.get(query)
        tier, searches = (context.tier, context.searches) if context else ("unseen", 0)
        asked.append(Asked(query=query, tier=tier, searches=searches, case=cases.get(query)))
    return sorted(asked, key=lambda one: (-one.searches, one.query))


def side_of(release: Release, asked: Iterable[Asked]) -> Side:
    """Let a release answer."""
    answers = release.understand([one.query for one in asked])
    return Side(name=release.id, outcomes=tuple(Outcome(result=answer, usage=_NOTHING) for answer in answers))
