"""What a judge is shown of one item, and how it reads. Whatever strangers wrote is made harmless here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.catalogue import Product
from domain.taxonomy import Taxonomy
from domain.text import normalise
from domain.understanding import Discovery, Rewrite, Understanding
from domain.verdict import Item, JudgeTask
from prompts.evidence import quote, quote_path

__all__ = ["Exhibit", "Goods", "render_exhibits"]

_LONGEST_TITLE: Final = 200
_LONGEST_DESCRIPTION: Final = 200
_LONGEST_VALUE: Final = 60
_ATTRIBUTES: Final = 6
_EXAMPLES: Final = 4


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One item with what the judge is shown of it: texts by name, in their order, each of one harmless line."""

    item: Item
    fields: Mapping[str, str]


def render_exhibits(exhibits: Sequence[Exhibit]) -> str:
    """Return exhibits as they are shown, numbered i1, i2 and so on in the order given."""
    blocks = []
    for number, exhibit in enumerate(exhibits, start=1):
        lines = [f"{name}: {text}" for name, text in exhibit.fields.items()]
        blocks.append("\n".join([f'<item id="i{number}">', *lines, "</item>"]))
    return "\n".join(blocks)


class Goods:
    """What there is to show of a shop's products and categories.

    Args:
        products: The catalogue by product id.
        taxonomy: The tree.
        finds: Returns how many products of each category a normalised query finds; only rewrites need it.
    """

    def __init__(
        self,
        products: Mapping[str, Product],
        taxonomy: Taxonomy,
        *,
        finds: Callable[[str], Mapping[str, int]] = lambda _: {},
    ) -> None:
        self.products = products
        self._taxonomy = taxonomy
        self._finds = finds
        self._examples: dict[str, list[str]] = {}
        self._count: dict[str, int] = {}
        for product in products.values():
            for category_id in taxonomy.lineage(product.category_id):
                self._count[category_id] = self._count.get(category_id, 0) + 1
                titles = self._examples.setdefault(category_id, [])
                if len(titles) < _EXAMPLES:
                    titles.append(quote(product.title))

    def product(self, query: str, product_id: str) -> Exhibit:
        """Return a product to be judged for a query, both known here."""
        product = self.products[product_id]
        attributes = _attributes(json.loads(product.attributes), query)
        fields = {
            "title": quote(product.title, _LONGEST_TITLE),
            "brand": quote(product.brand or ""),
            "category": quote_path(self._taxonomy, product.category_id),
            "attributes": attributes,
            "description": quote(product.description or "", _LONGEST_DESCRIPTION),
        }
        item = Item(task="relevance", query=query, subject=product_id)
        return Exhibit(item=item, fields={name: text for name, text in fields.items() if text})

    def category(self, query: str, category_id: str) -> Exhibit:
        """Return a category to be judged for a query."""
        fields = {"category": quote_path(self._taxonomy, category_id), "products": self._stock(category_id)}
        return Exhibit(item=Item(task="category", query=query, subject=category_id), fields=fields)

    def rewrite(self, query: str, rewrite: Rewrite) -> Exhibit:
        """Return another query to be judged as a rewrite of a query."""
        finds = sorted(self._finds(rewrite.query).items(), key=lambda pair: (-pair[1], pair[0]))
        found = [f"{quote_path(self._taxonomy, i)} ({count:,} products)" for i, count in finds[:_EXAMPLES]]
        fields = {
            "rewrite": quote(rewrite.query, _LONGEST_TITLE),
            "type": rewrite.type,
            "finds": "; ".join(found) or "no product that holds every word of it",
        }
        return Exhibit(item=Item(task="rewrite", query=query, subject=f"{rewrite.type}:{rewrite.query}"), fields=fields)

    def discovery(self, query: str, task: JudgeTask, discovery: Discovery) -> Exhibit:
        """Return an idea of discovery content to be judged as a substitute or as a complement of a query."""
        titles = [quote(self.products[i].title) for i in discovery.product_ids if i in self.products]
        fields = {
            "idea": quote(discovery.label, _LONGEST_TITLE),
            "search": quote(discovery.query, _LONGEST_TITLE),
            "category": quote_path(self._taxonomy, discovery.category_id),
            "products": "; ".join(titles[:_EXAMPLES]) or "none",
        }
        return Exhibit(
            item=Item(task=task, query=query, subject=f"{discovery.category_id}:{discovery.label}"), fields=fields
        )

    def parts(self, task: JudgeTask, answer: Understanding) -> list[Exhibit]:
        """Return the part of an answer that a task judges; what names a category that the tree has not is left out."""
        query = answer.normalized
        if task == "category":
            return [self.category(query, found.id) for found in answer.categories if found.id in self._taxonomy]
        if task == "rewrite":
            return [self.rewrite(query, rewrite) for rewrite in answer.rewrites]
        ideas = answer.substitutes if task == "substitute" else answer.complements if task == "complement" else ()
        return [self.discovery(query, task, idea) for idea in ideas if idea.category_id in self._taxonomy]

    def _stock(self, category_id: str) -> str:
        count = self._count.get(category_id, 0)
        return f"{count:,}, such as {'; '.join(self._examples[category_id])}" if count else "none in this shop"


def _attributes(given: Mapping[str, Any], query: str) -> str:
    """Return a few attributes: those that share a word with the query first, then what names a type, then by name."""
    words = set(normalise(query).split())

    def place(pair: tuple[str, str]) -> tuple[bool, bool, str]:
        name, value = pair
        shared = words & set(normalise(f"{name} {value}").split())
        return not shared, "type" not in name.split(), name

    shown = [(quote(name.replace("_", " ")), quote(str(value), _LONGEST_VALUE)) for name, value in given.items()]
    best = sorted((pair for pair in shown if all(pair)), key=place)[:_ATTRIBUTES]
    return "; ".join(f"{name}: {value}" for name, value in best)
