"""What a release keeps of every product of a shop as numbers, found by the product's id.

A folder holds `ids.npy`, (n,) uint64 in ascending order: the BLAKE2b digests of the product ids, eight bytes read as a
number; and `values.npy`, the numbers of each product in that order. Both are memory-mapped, so that a million products
cost a process no memory of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from domain.errors import ReleaseError

__all__ = ["Found", "ProductTable", "write_table"]

_IDS, _VALUES = "ids.npy", "values.npy"
_HINT: Final = "build a new release"


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Which of the products asked for are known, (asked,) bool; and the values of those, (known, ...), in order."""

    known: npt.NDArray[np.bool_]
    values: npt.NDArray[Any]


class ProductTable:
    """The numbers of products, opened. Use it from any thread.

    Args:
        folder: What `write_table` wrote.
        kind: Of the numbers, such as ``<f2``.
        shape: Of the numbers of one product; () for a single one.

    Raises:
        ReleaseError: when a file is missing or malformed.
    """

    def __init__(self, folder: Path, *, kind: str, shape: tuple[int, ...] = ()) -> None:
        self._ids = _open(folder / _IDS, "<u8")
        self.values: npt.NDArray[Any] = _open(folder / _VALUES, kind)
        count = len(self._ids) if self._ids.ndim == 1 else -1
        if self.values.shape != (count, *shape) or not (self._ids[1:] > self._ids[:-1]).all():
            raise ReleaseError(f"{folder}: its files do not belong together", hint=_HINT)

    def find(self, product_ids: Sequence[str | None]) -> Found:
        """Look products up; None is nobody's id."""
        wanted = _digests(["" if product is None else product for product in product_ids])
        if not len(self._ids):
            return Found(known=np.zeros(len(wanted), dtype=np.bool_), values=self.values[:0])
        places = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        known = self._ids[places] == wanted
        if None in product_ids:
            known &= np.array([product is not None for product in product_ids], dtype=np.bool_)
        return Found(known=known, values=self.values[places[known]])


def write_table(folder: Path, product_ids: Sequence[str], values: npt.NDArray[Any]) -> None:
    """Write the numbers of products into a folder, which is made; their order does not matter.

    Args:
        folder: Must not exist.
        product_ids: No two alike.
        values: (products, ...), in the order of the ids.

    Raises:
        ReleaseError: when two products have one id or digest.
    """
    ids = _digests(product_ids)
    order = np.argsort(ids)
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        raise ReleaseError("two products have one id, or one digest", hint="remove one of them from the catalogue")
    folder.mkdir()
    np.save(folder / _IDS, ids)
    np.save(folder / _VALUES, values[order])


def _digests(product_ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    digest = hashlib.blake2b
    # Half of a surrogate pair may come from a client, and is in no catalogue.
    parts = [digest(product.encode("utf-8", "surrogatepass"), digest_size=8).digest() for product in product_ids]
    return np.frombuffer(b"".join(parts), dtype=">u8").astype("<u8")


def _open(path: Path, kind: str) -> npt.NDArray[Any]:
    try:
        # A view without the class of the mapping, whose every slice would cost a microsecond.
        found: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise ReleaseError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if found.dtype != np.dtype(kind):
        raise ReleaseError(f"{path} holds {found.dtype}, not {np.dtype(kind)}", hint=_HINT)
    return found
