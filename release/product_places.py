"""Where the products of a shop stand in its tree, and of which category a page is full."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from domain.errors import ReleaseError
from release.product_table import ProductTable, write_table
from release.student import Tree

__all__ = ["LEAST_KNOWN", "Fill", "ProductPlaces", "write_places"]

LEAST_KNOWN: Final = 4
"""Products of a page, known to the catalogue, from which on it can be full of anything: half of three is one or two."""

_SHARE: Final = 0.5
"""A page is full of a category that has more of its known products than this."""

_KIND: Final = "<i4"


@dataclass(frozen=True, kw_only=True)
class Fill:
    """The category that a page is full of, by its row in the tree.

    Attributes:
        row: Of the category.
        end: The row behind all that lies below it.
        wide: Whether it is a root with others below it. A page that has no more than that in common shows many things,
            and in a shop with one root every page is such.
    """

    row: int
    end: int
    wide: bool

    def covers(self, row: int, end: int) -> bool:
        """Whether a category, with all below it up to `end`, is that one, above it, or below it unless that is wide."""
        return row <= self.row < end or (self.row <= row < self.end and not self.wide)


class ProductPlaces:
    """The category of every product, opened. Use it from any thread.

    Args:
        folder: What `write_places` wrote.
        tree: Of the release.

    Raises:
        ReleaseError: when a file is missing or malformed, or is of another tree.
    """

    def __init__(self, folder: Path, tree: Tree) -> None:
        self._table = ProductTable(folder, kind=_KIND)
        rows = self._table.values
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < len(tree.ids):
            raise ReleaseError(f"{folder} is of another taxonomy", hint="build a new release")
        self._parent: list[int] = tree.parent.tolist()
        self._end: list[int] = tree.end.tolist()

    def fill(self, shown: Collection[str]) -> Fill | None:
        """Return the lowest category that has more than half of those products of a page that are known.

        None where there is no such category, or fewer than four are known.

        Args:
            shown: Ids, no two alike; any text may be among them.
        """
        if len(shown) < LEAST_KNOWN:
            return None
        rows = np.sort(self._table.find(list(shown)).values)
        if len(rows) < LEAST_KNOWN:
            return None
        # In the order of the tree a category is one run of rows, and the longer half of them holds the middle one.
        row = int(rows[len(rows) // 2])
        while row >= 0:
            low, high = np.searchsorted(rows, (row, self._end[row]))
            if high - low > _SHARE * len(rows):
                return Fill(row=row, end=self._end[row], wide=self._parent[row] < 0 and self._end[row] > row + 1)
            row = self._parent[row]
        return None


def write_places(folder: Path, categories: Mapping[str, str], tree: Tree) -> None:
    """Write the category of every product into a folder, which is made.

    Args:
        folder: Must not exist.
        categories: Category id by product id.
        tree: It has them all.

    Raises:
        ReleaseError: when two products have one hash.
    """
    row = {category_id: i for i, category_id in enumerate(tree.ids)}
    write_table(folder, list(categories), np.array([row[i] for i in categories.values()], dtype=_KIND))
