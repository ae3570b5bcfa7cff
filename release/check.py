"""What is checked of every label before it is served."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from domain import Taxonomy, Understanding, normalise
from domain.discovery import Content
from domain.errors import ReleaseError
from domain.label import Label
from domain.understanding import Discovery
from release.manifest import ServedIds

__all__ = ["LabelCheck", "categories_of", "products_of", "shown_categories_of"]


def categories_of(understanding: Understanding) -> Iterator[str]:
    """Yield every category id of an answer."""
    yield from (category.id for category in understanding.categories)
    yield from shown_categories_of(understanding)


def shown_categories_of(kept: Understanding | Content) -> Iterator[str]:
    """Yield the category id of every idea."""
    yield from (idea.category_id for idea in _ideas(kept))


def products_of(kept: Understanding | Content) -> Iterator[str]:
    """Yield every product id of an answer or content."""
    for idea in _ideas(kept):
        yield from idea.product_ids


def _ideas(kept: Understanding | Content) -> tuple[Discovery, ...]:
    return kept.substitutes + kept.complements


class LabelCheck:
    """Checks labels and contents one by one against a taxonomy and a catalogue, and gathers the ids they serve."""

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
        answer, subject = label.understanding, f"label {label.query!r}"
        query = normalise(label.query)
        if not query or answer.normalized != query:
            raise _refusal(subject, f"its answer is for {answer.normalized!r}")
        self._look_up(subject, categories_of(answer), products_of(answer))
        for category in answer.categories:
            if category.path != self._taxonomy.path(category.id):
                raise _refusal(subject, f"the path of category {category.id!r} is not the taxonomy's")
        for span in answer.annotations:
            if not span.text or query[span.start : span.end] != span.text:
                raise _refusal(subject, f"annotation {span.text!r} is not at {span.start}-{span.end}")
        return query

    def check_content(self, content: Content) -> None:
        """Check the content of a query whose label is checked.

        Raises:
            ReleaseError: naming the query, and the id or text that is wrong.
        """
        subject = f"content for {content.query!r}"
        self._look_up(subject, shown_categories_of(content), products_of(content))
        for idea in _ideas(content):
            if not idea.product_ids or len(set(idea.product_ids)) < len(idea.product_ids):
                raise _refusal(subject, f"idea {idea.label!r} has no product, or one twice")
        queries = [suggestion.query for suggestion in content.suggestions]
        for i, query in enumerate(queries):
            if not query or normalise(query) != query or query == content.query or query in queries[:i]:
                raise _refusal(subject, f"suggestion {query!r} is not normalised, or there twice, or the query itself")

    def served(self) -> ServedIds:
        """Return the ids of all that was checked so far."""
        return ServedIds(categories=tuple(sorted(self._categories)), products=tuple(sorted(self._products)))

    def _look_up(self, subject: str, categories: Iterable[str], products: Iterable[str]) -> None:
        for category_id in categories:
            if category_id not in self._taxonomy:
                raise _refusal(subject, f"category {category_id!r} is not in the taxonomy")
            self._categories.add(category_id)
        for product_id in products:
            if product_id not in self._catalogue:
                raise _refusal(subject, f"product {product_id!r} is not in the catalogue")
            self._products.add(product_id)


def _refusal(subject: str, why: str) -> ReleaseError:
    return ReleaseError(f"{subject}: {why}", hint="ingest and label again, so that labels and catalogue agree")
