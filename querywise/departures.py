"""Queries whose meaning in this shop is not what their words say: what a person wants to see of a run first."""

from __future__ import annotations

from domain.label import Label, read_labels
from domain.retrieval import RetrievalIndex
from domain.shop import Shop
from domain.taxonomy import Taxonomy

__all__ = ["find_departures"]


def find_departures(shop: Shop, *, among: int = 300, limit: int = 8) -> list[str]:
    """Return the most searched labelled queries whose first category is none that their words alone would suggest.

    Args:
        shop: A shop with labels and an index.
        among: How many of the most searched queries to look at.
        limit: How many to return.
    """
    taxonomy, index = shop.load_taxonomy(), RetrievalIndex(shop.index)
    labels = sorted(read_labels(shop.labels_file), key=lambda label: (-label.searches, label.query))
    found: list[str] = []
    for label in labels[:among]:
        if label.understanding.categories and _departs(label, taxonomy, index):
            found.append(label.query)
            if len(found) == limit:
                break
    return found


def _departs(label: Label, taxonomy: Taxonomy, index: RetrievalIndex) -> bool:
    meant = label.understanding.categories[0].id
    related = {meant, *taxonomy.lineage(meant)}
    near = (candidate.category_id for candidate in index.nearest(label.query, 5))
    return not any(category_id in related or taxonomy.is_ancestor(meant, category_id) for category_id in near)
