"""What is checked of every label before it is served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from domain import Taxonomy, Understanding, normalise
from domain.errors import ReleaseError
from domain.label import Label
from domain.understanding import Discovery
from release.manifest import ServedIds

__all__ = ["LabelCheck", "categories_of", "products_of"]


def categories_of(understanding: Understanding) -> Iterator[str]:
    """Yield every category id of an answer."""
    yield from (category.id for category in understanding.categories)
    yield from (idea.category_id for idea in _ideas(understanding))


def products_of(understanding: Understanding) -> Iterator[str]:
    """Yield every product id of an answer."""
    for idea in _ideas(understanding):
        yield from idea.product_ids


def _ideas(understanding: Understanding) -> tuple[Discovery, ...]:
    return understanding.substitutes + understanding.complements


class LabelCheck:
    """Checks labels one by one against a taxonomy and a catalogue, and gathers the ids they serve."""

    def __init__(self, taxonomy: Taxonomy, product_ids: Iterable[str]) -> None:
        self._taxonomy = taxonomy
        self._catalogue: Set[str] = product_ids if isinstance(product_ids, Set) else frozenset(product_ids)
        self._categories: set[str] = set()
        self._products: set[str] = set()

    def check(self, label: Label) -> str:
        """Return the normalised query of a label that may be served.

        Raises:
            ReleaseError: naming the query, and the id or text that is wrong.
        """
        answer = label.understanding
        query = normalise(label.query)
        if not query or answer.normalized != query:
            raise _refusal(label, f"its answer is for {answer.normalized!r}")
        for category_id in categories_of(answer):
            if category_id not in self._taxonomy:
                raise _refusal(label, f"category {category_id!r} is not in the taxonomy")
            self._categories.add(category_id)
        for category in answer.categories:
            if category.path != self._taxonomy.path(category.id):
                raise _refusal(label, f"the path of category {category.id!r} is not the taxonomy's")
        for product_id in products_of(answer):
            if product_id not in self._catalogue:
                raise _refusal(label, f"product {product_id!r} is not in the catalogue")
            self._products.add(product_id)
        for span in answer.annotations:
            if not span.text or query[span.start : span.end] != span.text:
                raise _refusal(label, f"annotation {span.text!r} is not at {span.start}-{span.end}")
        return query

    def served(self) -> ServedIds:
        """Return the ids of all labels checked so far."""
        return ServedIds(categories=tuple(sorted(self._categories)), products=tuple(sorted(self._products)))


def _refusal(label: Label, why: str) -> ReleaseError:
    return ReleaseError(
        f"label {label.query!r}: {why}", hint="ingest and label again, so that labels and catalogue agree"
    )
