"""The discovery content of a release, as it is kept.

A folder `discovery/` holds `contents.lmdb`, in the form of the head store: the JSON of a `Content` by its normalised
query; `places/`, the category of every product of the catalogue, see `release.product_places`; `cards.lmdb`, the
products that contents show, see `release.cards`; and beside a student `lenders/`, whose content others may borrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from domain import normalise
from domain.discovery import Content
from domain.discovery.content import content_adapter
from domain.errors import ReleaseError
from domain.taxonomy import Taxonomy
from domain.understanding import Discovery, Understanding
from release.cards import Card, Cards, CatalogueProduct, write_cards
from release.head import HeadStore, key_of
from release.lenders import write_lenders
from release.product_places import Fill, ProductPlaces, write_places
from release.spool import Spool
from release.student import Student, Tree

__all__ = ["LENDERS", "Catalogue", "ContentSpool", "Contents", "read_catalogue", "with_content", "write_discovery"]

CONTENTS: Final = "contents.lmdb"
CARDS: Final = "cards.lmdb"
PLACES: Final = "places"
LENDERS: Final = "lenders"

_SERVED_IDEAS: Final = 3
_SERVED_PRODUCTS: Final = 4
_SERVED_SUGGESTIONS: Final = 5
"""What of its content the understanding of a query has."""


class Contents:
    """The discovery content of a release, opened. Use it from any thread.

    Args:
        folder: What `write_discovery` wrote.
        tree: Of the release.

    Raises:
        ReleaseError: when a file is missing or malformed, or is of another tree.
    """

    def __init__(self, folder: Path, tree: Tree) -> None:
        self._rows = {category_id: i for i, category_id in enumerate(tree.ids)}
        self._end: list[int] = tree.end.tolist()
        self._places = ProductPlaces(folder / PLACES, tree)
        self._store = HeadStore(folder / CONTENTS)
        try:
            self.cards = Cards(folder / CARDS)
        except BaseException:
            self._store.close()
            raise

    def __len__(self) -> int:
        return len(self._store)

    def __iter__(self) -> Iterator[Content]:
        """Iterate over all contents in the order of their keys.

        Raises:
            ReleaseError: when one does not stand under its own query.
        """
        for key, value in self._store:
            content = content_adapter.validate_json(value)
            if key_of(content.query) != key:
                raise ReleaseError(f"the content of {content.query!r} is another query's", hint="build a new release")
            yield content

    def __contains__(self, normalised: str) -> bool:
        return self._value(normalised) is not None

    def get(self, normalised: str) -> Content | None:
        """Return the content of a normalised query."""
        value = self._value(normalised)
        return None if value is None else content_adapter.validate_json(value)

    def fill(self, shown: Set[str]) -> Fill | None:
        """Return the category that a page of products is full of, or None."""
        return self._places.fill(shown)

    def covers(self, fill: Fill, category_id: str) -> bool:
        """Whether a page that is full of one category shows another one already."""
        row = self._rows[category_id]
        return fill.covers(row, self._end[row])

    def close(self) -> None:
        """Give the files back."""
        self._store.close()
        self.cards.close()

    def _value(self, normalised: str) -> bytes | None:
        return self._store.get(normalised) if normalised else None


class ContentSpool:
    """Contents on their way into a release, by query.

    Args:
        file: Empty, open for writing and reading, and nobody else's.
        contents: Read once.

    Raises:
        ReleaseError: when two are of one query, or one is of a query that is not in normal form.
    """

    def __init__(self, file: BinaryIO, contents: Iterable[Content]) -> None:
        self._spool = Spool(file)
        self.products: set[str] = set()
        """Ids of all products that are shown."""
        for content in contents:
            if not content.query or normalise(content.query) != content.query:
                raise ReleaseError(
                    f"content for {content.query!r} is for no query in normal form", hint="normalise the query"
                )
            if not self._spool.add(key_of(content.query), content_adapter.dump_json(content)):
                raise ReleaseError(
                    f"content for {content.query!r} is there twice", hint="keep one for each normalised query"
                )
            self.products.update(p for idea in content.substitutes + content.complements for p in idea.product_ids)

    @property
    def keys(self) -> Set[bytes]:
        """The keys of all contents."""
        return self._spool.keys

    def get(self, normalised: str) -> Content | None:
        """Return the content of a query, or None."""
        value = self._spool.get(key_of(normalised))
        return None if value is None else content_adapter.validate_json(value)

    def write(self, path: Path, keys: Set[bytes]) -> None:
        """Write the contents whose keys are given."""
        self._spool.write(path, keys=keys)


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    """What a build keeps of a catalogue: the category of every product, and the cards of those that are shown."""

    categories: Mapping[str, str]
    cards: Sequence[Card]


def read_catalogue(products: Iterable[CatalogueProduct], taxonomy: Taxonomy, shown: Set[str]) -> Catalogue:
    """Read the products of a shop, once.

    Raises:
        ReleaseError: when a product is there twice, or its category is not in the taxonomy.
    """
    categories: dict[str, str] = {}
    cards: list[Card] = []
    for product in products:
        if product.product_id in categories:
            raise ReleaseError(f"product {product.product_id!r} is there twice", hint="ingest the shop again")
        if product.category_id not in taxonomy:
            raise ReleaseError(
                f"product {product.product_id!r}: category {product.category_id!r} is not in the taxonomy",
                hint="ingest the shop again, so that products and taxonomy agree",
            )
        categories[product.product_id] = product.category_id
        if product.product_id in shown:
            cards.append(product)
    return Catalogue(categories=categories, cards=cards)


def write_discovery(
    folder: Path,
    *,
    contents: ContentSpool,
    keys: Set[bytes],
    catalogue: Catalogue,
    taxonomy: Taxonomy,
    student: Student | None,
    answers: Iterable[Understanding],
) -> None:
    """Write the discovery content of a release into a new folder.

    Args:
        folder: Must not exist.
        contents: What there is.
        keys: Of those contents that are kept.
        catalogue: Of the release.
        taxonomy: Of the release.
        student: Of the release, if it has one.
        answers: Of the release; those of queries with content are its lenders.
    """
    folder.mkdir()
    contents.write(folder / CONTENTS, keys)
    tree = Tree.of(taxonomy) if student is None else student.tree
    write_places(folder / PLACES, catalogue.categories, tree)
    write_cards(folder / CARDS, catalogue.cards)
    if student is not None:
        # Their rewrites are nothing to those who borrow content.
        lending = (replace(answer, rewrites=()) for answer in answers if key_of(answer.normalized) in keys)
        write_lenders(folder / LENDERS, student, lending, every=True)


def with_content(answer: Understanding, content: Content) -> Understanding:
    """Return an answer with the first of a query's content in the place of its own."""
    return replace(
        answer,
        substitutes=_first(content.substitutes),
        complements=_first(content.complements),
        next_queries=tuple(suggestion.query for suggestion in content.suggestions[:_SERVED_SUGGESTIONS]),
    )


def _first(ideas: Sequence[Discovery]) -> tuple[Discovery, ...]:
    return tuple(replace(idea, product_ids=idea.product_ids[:_SERVED_PRODUCTS]) for idea in ideas[:_SERVED_IDEAS])
