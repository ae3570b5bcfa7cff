"""The service with a review of one shop: what it needs is gathered here, and its address printed."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from typing import Final
from urllib.parse import quote

from domain.errors import UserError
from domain.lexical import Stems
from domain.rater_agreement import agree
from domain.reviews import Journal, rater_name
from domain.shop import Shop
from querywise.options import console, status, write_json
from querywise.review_queue import Queue, find_differences, queue_of_differences
from release import current_release, open_release, open_retriever
from service import create_app
from service.review import Review
from service.review.run import listen, serve_review

__all__ = ["serve_page"]

_KEY_VARIABLE: Final = "QUERYWISE_ADMIN_KEY"
_KEY_LENGTH: Final = 16


def serve_page(
    shop: Shop, journal: Journal, *, rater: str | None, port: int, among: int, adjudicate: bool, as_json: bool
) -> None:
    """Serve the review of a shop on this machine until the process is told to stop.

    Args:
        shop: The shop.
        journal: Where decisions go.
        rater: Who labels; the page asks unless given.
        port: Port on 127.0.0.1; 0 takes a free one.
        among: How many of the most searched queries to look at.
        adjudicate: Whether to show the queries on which raters differ, in place of those on which systems do.
        as_json: Whether the address goes to standard output too, as one JSON document.

    Raises:
        UserError: when there is nothing to decide, or the port, the key or the name cannot be used.
    """
    key, name = _key(), _rater(rater)
    queue = _settle(shop, journal) if adjudicate else _differences(shop, among)
    current = current_release(shop.releases)
    app = create_app(
        shop.releases / current if current else None,
        load_retriever=open_retriever,
        verify=False,
        review=Review(
            shop=shop.config.name,
            items=queue.items,
            journal=journal,
            taxonomy=shop.load_taxonomy(),
            stems=Stems(shop.config.locale),
            key=key,
            rater=name,
            asks=rater is None,
            adjudicates=adjudicate,
        ),
    )
    with listen(port) as listener:
        address = f"http://{listener.getsockname()[0]}:{listener.getsockname()[1]}/review#key={quote(key, safe='')}"
        if as_json:
            write_json({"address": address, "queries": len(queue.items), "journal": journal.path})
            sys.stdout.flush()
        said = ", ".join(f"{source} {count:,}" for source, count in queue.sources.items())
        console.print(f"{len(queue.items):,} of {queue.queries:,} queries are in dispute (answers: {said})")
        console.print(f"label them at {address}  (Ctrl-C stops)")
        serve_review(app, listener)


def _differences(shop: Shop, among: int) -> Queue:
    with status("looking for disagreements") as progress:
        current = current_release(shop.releases)
        if current is None:
            queue = find_differences(shop, None, among=among, progress=progress)
        else:
            with open_release(shop.releases / current) as release:
                queue = find_differences(shop, release, among=among, progress=progress)
    if len(queue.sources) < 2:
        raise UserError(
            "there are not two sources to compare",
            hint=f"run `querywise label {shop.folder}`, with --without-context too",
        )
    if not queue.items:
        raise UserError(f"all sources agree on the {queue.queries:,} most searched queries", hint="raise --among")
    return queue


def _settle(shop: Shop, journal: Journal) -> Queue:
    differing = agree(journal.standing.decisions).differing
    if not differing:
        raise UserError(
            "no two raters differ on an open query", hint="two raters label the same queries first; see --agreement"
        )
    return queue_of_differences(shop, differing)


def _key() -> str:
    key = os.environ.get(_KEY_VARIABLE) or secrets.token_urlsafe(24)
    if len(key) < _KEY_LENGTH or not all("!" <= char <= "~" for char in key):
        raise UserError(
            f"{_KEY_VARIABLE} is no key",
            hint=f"it needs at least {_KEY_LENGTH} characters of ASCII without spaces; unset, one is made",
        )
    return key


def _rater(given: str | None) -> str:
    try:
        return rater_name(given if given is not None else getpass.getuser())
    except (ValueError, OSError, KeyError) as error:
        if given is not None:
            raise UserError(f"--rater cannot be used: {error}") from None
        return ""  # a process of nobody; the page asks anyway
