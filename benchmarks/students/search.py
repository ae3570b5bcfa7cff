"""What the student does to a search on judged lists, beside the other systems of a shop."""

from __future__ import annotations

from domain.shop import Shop
from evals.replay import replay_table
from querywise.replay import replay_shop
from release import current_release, open_release

_SYSTEMS = ("plain", "engagement", "LLM with context", "release", "student", "oracle")
_WAYS = (None, "boost", "boost+expand")


def search_part(shop: Shop) -> list[str]:
    """Return the part of a shop that has judgements and serves a release with a student; else nothing."""
    current = current_release(shop.releases)
    if not shop.files("judgements") or current is None:
        return []
    with open_release(shop.releases / current) as release:
        if not release.has_student:
            return []
    found = replay_shop(shop)
    rows = [row for row in found.rows if row.way in _WAYS and (row.way is None or row.system in _SYSTEMS)]
    return [
        "## What it does to a search",
        "The judged lists of the shop, searched with BM25 alone and with each system's categories as a boost and its\n"
        "rewrites as further wordings, as in [quality.md](quality.md). The student answers every query by itself, at\n"
        "its own thresholds, as if none had a precomputed answer; none of the judged queries was learnt from.",
        *(
            "\n".join([f"{queries.capitalize()}:", "", *replay_table(rows, queries)])
            for queries in ("all", "all labelled")
        ),
    ]
