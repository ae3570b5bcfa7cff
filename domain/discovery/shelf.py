"""The catalogue as discovery reads it: what is in stock, how wanted it is, and which titles say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from domain.constraints import constraints_of
from domain.errors import StageMissing
from domain.lexical import Stems
from domain.text import normalise

__all__ = ["Shelf", "read_shelf"]

# Two titles that have this share of their words in common show a shopper the same thing twice.
_ALIKE: Final = 0.8
_MEASURES: Final = frozenset(("each", "per", "lb", "oz", "fl", "ct", "pack", "bag", "box", "bunch", "can", "bottl"))

_COLUMNS: Final = ("product_id", "title", "brand", "category_id", "in_stock", "popularity", "quality")


@dataclass(frozen=True, kw_only=True, eq=False)
class Shelf:
    """The products of a catalogue in the order of its file, a value a row.

    ``worth`` orders products that fit equally well: by popularity, then by quality; equal where the shop states
    neither.
    """

    product_ids: Sequence[str]
    titles: Sequence[str]
    brands: Sequence[str | None]
    categories: Sequence[str]
    in_stock: npt.NDArray[np.bool_]
    worth: npt.NDArray[np.float64]
    stems: Stems

    def __len__(self) -> int:
        return len(self.product_ids)

    @cached_property
    def row(self) -> dict[str, int]:
        """The row of each product id."""
        return {product_id: row for row, product_id in enumerate(self.product_ids)}

    @cached_property
    def rows_of(self) -> dict[str, list[int]]:
        """The rows of the products that lie in each category directly."""
        rows: dict[str, list[int]] = {}
        for row, category_id in enumerate(self.categories):
            rows.setdefault(category_id, []).append(row)
        return rows

    @cached_property
    def stocked(self) -> frozenset[str]:
        """The categories in which a product lies directly and is in stock."""
        return frozenset(self.categories[row] for row in np.flatnonzero(self.in_stock).tolist())

    def text(self, row: int) -> str:
        """Return a title in normal form."""
        if (known := self._texts.get(row)) is None:
            known = self._texts[row] = normalise(self.titles[row])
        return known

    def words(self, row: int) -> frozenset[str]:
        """Return the stems of a title without sizes, packs and numbers: what is sold, and not how much of it."""
        if (known := self._words.get(row)) is None:
            known = self._words[row] = self._kind_words(row)
        return known

    def distinct(self, rows: Sequence[int], limit: int) -> list[int]:
        """Return the first `limit` rows without those whose title says the same as an earlier one's."""
        kept: list[int] = []
        for row in rows:
            if len(kept) >= limit:
                break
            words = self.words(row)
            if not any(_overlap(words, self.words(other)) >= _ALIKE for other in kept):
                kept.append(row)
        return kept

    @cached_property
    def _words(self) -> dict[int, frozenset[str]]:
        return {}

    @cached_property
    def _texts(self) -> dict[int, str]:
        return {}

    def _kind_words(self, row: int) -> frozenset[str]:
        text = self.text(row)
        for size in reversed([c for c in constraints_of(text) if c.kind == "size"]):
            text = f"{text[: size.start]} {text[size.end :]}"
        words = frozenset(stem for stem in self.stems(text) if stem not in _MEASURES and not stem.isdecimal())
        return words or frozenset(self.stems(self.text(row)))


def read_shelf(products: Path, stems: Stems) -> Shelf:
    """Read the catalogue that ingest wrote; a product of unknown stock counts as in stock.

    Args:
        products: `products.parquet` of the warehouse.
        stems: Of the shop's locale.

    Raises:
        StageMissing: when there is no catalogue.
    """
    if not products.is_file():
        raise StageMissing(f"{products} is not there", hint="run `querywise ingest` first")
    frame = pl.read_parquet(products, columns=list(_COLUMNS))
    return Shelf(
        product_ids=frame["product_id"].to_list(),
        titles=frame["title"].to_list(),
        brands=frame["brand"].to_list(),
        categories=frame["category_id"].to_list(),
        in_stock=frame["in_stock"].fill_null(True).to_numpy(),
        worth=_ranks(frame["popularity"]) + 0.5 * _ranks(frame["quality"]),
        stems=stems,
    )


def _ranks(values: pl.Series) -> npt.NDArray[np.float64]:
    """Return where each value stands among all, in [0, 1]; the middle where there is none."""
    known = max(1, values.len() - values.null_count())
    ranks: npt.NDArray[Any] = (values.rank("average") / known).fill_null(0.5).to_numpy()
    return ranks.astype(np.float64)


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one | other))
