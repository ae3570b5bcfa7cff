"""How good each product of a shop is, as a release keeps it: a `release.product_table` of three numbers, float16."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from domain.errors import ReleaseError
from release.product_table import ProductTable, write_table

__all__ = ["NEUTRAL", "SIDES", "ProductQualities", "Quality", "write_quality"]

SIDES: Final = ("demand", "conversion", "stated")
"""What the numbers of a product say, each in [0, 1]: two ranks within its category, and what its shop states."""

NEUTRAL: Final = 0.5
"""The quality of a product that is not known, which is the mean of the ranks of every category."""

_KIND: Final = "<f2"

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProductQualities:
    """Products and their qualities: ids, no two alike, and (products, 3) float32 in [0, 1]."""

    product_ids: Sequence[str]
    values: Matrix


class Quality:
    """The qualities of a release's products, opened. Use it from any thread.

    Args:
        folder: What `write_quality` wrote.

    Raises:
        ReleaseError: when a file is missing or malformed.
    """

    def __init__(self, folder: Path) -> None:
        self._table = ProductTable(folder, kind=_KIND, shape=(len(SIDES),))

    def of(self, product_ids: Sequence[str | None]) -> Matrix:
        """Return the qualities of products, (products, 3) float32; `NEUTRAL` where one is None or unknown."""
        found = self._table.find(product_ids)
        qualities = np.full((len(product_ids), len(SIDES)), NEUTRAL, dtype=np.float32)
        qualities[found.known] = found.values
        return qualities


def write_quality(folder: Path, qualities: ProductQualities) -> None:
    """Write qualities into a folder, which is made; their order does not matter.

    Raises:
        ReleaseError: when two products have one id or hash, or a value is no number in [0, 1].
    """
    values = qualities.values.reshape(-1, len(SIDES))
    if len(values) != len(qualities.product_ids) or not ((values >= 0) & (values <= 1)).all():
        raise ReleaseError("the quality of a product is no number from 0 to 1", hint="compute it anew")
    write_table(folder, qualities.product_ids, values.astype(_KIND))
