"""Texts of the catalogue: to learn the shop's language from, and, with their category, as queries nobody typed."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import polars as pl

from domain.taxonomy import Taxonomy
from domain.text import normalise

__all__ = ["CatalogueTexts", "PseudoQuery", "Sold", "read_sold", "texts_of_tree"]

_TITLE_WORDS = 30


@dataclass(frozen=True, kw_only=True)
class Sold:
    """What a text can be made of: normalised words of a product's title, its brand, its attributes, its category."""

    title: tuple[str, ...]
    brand: str
    attributes: tuple[str, ...]
    category_id: str


@dataclass(frozen=True, kw_only=True)
class PseudoQuery:
    """A text as a shopper might type it, and the category of the product it was made from."""

    query: str
    category_id: str


def read_sold(products: Path) -> list[Sold]:
    """Read the catalogue from the warehouse; products whose title has no word are left out."""
    columns = pl.read_parquet(products, columns=["title", "brand", "attributes", "category_id"])
    sold = []
    for title, brand, attributes, category_id in columns.iter_rows():
        words = normalise(title).split()[:_TITLE_WORDS]
        if words:
            found = Sold(
                title=tuple(words),
                brand=normalise(brand or ""),
                attributes=tuple(_values(attributes)),
                category_id=category_id,
            )
            sold.append(found)
    return sold


def _values(attributes: str | None) -> Iterator[str]:
    """Yield attribute values that read like words of a query; a flag that is set gives its name."""
    for name, value in json.loads(attributes or "{}").items():
        text = normalise(name.replace("_", " ") if value is True else value if isinstance(value, str) else "")
        if text and len(text.split()) <= 3:
            yield text


class CatalogueTexts:
    """Draws pseudo-queries; rare categories are drawn more often than their products' number says.

    Args:
        sold: The catalogue.
        taxonomy: Its tree.
    """

    def __init__(self, sold: Sequence[Sold], taxonomy: Taxonomy) -> None:
        self._sold = sold
        self._names = {category_id: normalise(taxonomy[category_id].name) for category_id in taxonomy}
        counts = Counter(product.category_id for product in sold)
        # A category with a hundred times the products is drawn ten times as often.
        self._weights = list(accumulate(counts[product.category_id] ** -0.5 for product in sold))

    def draw(self, rng: random.Random, count: int) -> list[PseudoQuery]:
        """Return this many pseudo-queries, or none where nothing is sold."""
        drawn = rng.choices(self._sold, cum_weights=self._weights, k=count) if self._sold else []
        return [PseudoQuery(query=self._query(product, rng), category_id=product.category_id) for product in drawn]

    def _query(self, product: Sold, rng: random.Random) -> str:
        name, words = self._names[product.category_id], product.title
        attribute = rng.choice(product.attributes) if product.attributes else rng.choice(words)
        kinds = {
            "span": lambda: _span(words, rng, 1, 5),
            "start": lambda: " ".join(words[: rng.randint(3, 10)]),
            "some": lambda: " ".join(word for word in words[:12] if rng.random() < 0.5),
            "brand": lambda: f"{product.brand} {name}",
            "attribute": lambda: f"{attribute} {name}",
            "words": lambda: f"{' '.join(rng.sample(words, min(len(words), rng.randint(1, 3))))} {name}",
        }
        [kind] = rng.choices(tuple(kinds), (25, 15, 15, 15, 15, 15))
        return kinds[kind]().strip() or " ".join(words)


def _span(words: Sequence[str], rng: random.Random, least: int, most: int) -> str:
    count = min(len(words), rng.randint(least, most))
    start = rng.randrange(len(words) - count + 1)
    return " ".join(words[start : start + count])


def texts_of_tree(taxonomy: Taxonomy, category_ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return for each category its normalised name, and that of its parent with its own."""
    return [(normalise(taxonomy[i].name) or i, normalise(" ".join(taxonomy.path(i)[-2:])) or i) for i in category_ids]
