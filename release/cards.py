"""Products as a page shows them. The playground asks for them; a shop's own page knows its products."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from release.head import HeadStore, key_of, write_head

__all__ = ["Card", "Cards", "CatalogueProduct", "write_cards"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a page shows of a product; ``currency`` is the ISO 4217 code of ``price``."""

    product_id: str
    title: str
    brand: str | None = None
    price: float | None = None
    currency: str | None = None
    image_url: str | None = None


@dataclass(frozen=True, kw_only=True)
class CatalogueProduct(Card):
    """A product of the catalogue that a release is built for."""

    category_id: str


_card: TypeAdapter[Card] = TypeAdapter(Card)


class Cards:
    """Cards that `write_cards` wrote. Use it from any thread.

    Raises:
        ReleaseError: when the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._store = HeadStore(path)

    def of(self, product_ids: Iterable[str]) -> tuple[Card, ...]:
        """Return the cards of products, in order; unknown ones have none.

        Raises:
            UnicodeEncodeError: on half of a surrogate pair, which is in no catalogue.
        """
        found = (self._store.get(product_id) for product_id in product_ids if product_id)
        return tuple(_card.validate_json(value) for value in found if value is not None)

    def close(self) -> None:
        """Give the file back."""
        self._store.close()


def write_cards(path: Path, cards: Iterable[Card]) -> None:
    """Write cards, no two of one product, into a file, which must not exist."""
    entries = sorted((key_of(card.product_id), _card.dump_json(card)) for card in cards)
    sizes = [len(key) + len(value) for key, value in entries]
    write_head(path, entries, total=len(entries), largest=max(sizes, default=0), size=sum(sizes))
