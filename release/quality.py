"""How good each product of a shop is, as a release keeps it: three numbers beside the digest of its id.

A folder `quality/` holds `ids.npy`, (n,) uint64 in ascending order: the BLAKE2b digests of the product ids, eight bytes
read as a number; and `values.npy`, (n, 3) float16: the values of `SIDES`. Both are memory-mapped, so that a million
products cost a process no memory of its own.
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

__all__ = ["NEUTRAL", "SIDES", "ProductQualities", "Quality", "write_quality"]

SIDES: Final = ("demand", "conversion", "stated")
"""What the numbers of a product say, each in [0, 1]: two ranks within its category, and what its shop states."""

NEUTRAL: Final = 0.5
"""The quality of a product that is not known, which is the mean of the ranks of every category."""

_IDS, _VALUES = "ids.npy", "values.npy"
_HINT: Final = "build a new release"

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
        self._ids, self._values = _open(folder / _IDS, "<u8"), _open(folder / _VALUES, "<f2")
        count = len(self._ids) if self._ids.ndim == 1 else -1
        if self._values.shape != (count, len(SIDES)) or not (self._ids[1:] > self._ids[:-1]).all():
            raise ReleaseError(f"{folder}: its files do not belong together", hint=_HINT)

    def of(self, product_ids: Sequence[str | None]) -> Matrix:
        """Return the qualities of products, (products, 3) float32; `NEUTRAL` where one is None or unknown."""
        wanted = np.array([0 if product is None else _digest(product) for product in product_ids], dtype=np.uint64)
        found = np.full((len(wanted), len(SIDES)), NEUTRAL, dtype=np.float32)
        if not len(self._ids):
            return found
        places = np.minimum(np.searchsorted(self._ids, wanted), len(self._ids) - 1)
        known = (self._ids[places] == wanted) & np.array([product is not None for product in product_ids], dtype=bool)
        found[known] = self._values[places[known]]
        return found


def write_quality(folder: Path, qualities: ProductQualities) -> None:
    """Write qualities into a folder, which is made; their order does not matter.

    Raises:
        ReleaseError: when two products have one id or digest, or a value is no number in [0, 1].
    """
    ids = np.array([_digest(product) for product in qualities.product_ids], dtype="<u8")
    values = qualities.values.reshape(-1, len(SIDES))
    order = np.argsort(ids)
    ids = ids[order]
    if (ids[1:] == ids[:-1]).any():
        raise ReleaseError("two products have one id, or one digest", hint="remove one of them from the catalogue")
    if len(values) != len(ids) or not ((values >= 0) & (values <= 1)).all():
        raise ReleaseError("the quality of a product is no number from 0 to 1", hint="compute it anew")
    folder.mkdir()
    np.save(folder / _IDS, ids)
    np.save(folder / _VALUES, values[order].astype("<f2"))


def _digest(product: str) -> int:
    # Half of a surrogate pair may come from a client, and is in no catalogue.
    return int.from_bytes(hashlib.blake2b(product.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _open(path: Path, kind: str) -> npt.NDArray[Any]:
    try:
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ReleaseError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if found.dtype != np.dtype(kind):
        raise ReleaseError(f"{path} holds {found.dtype}, not {np.dtype(kind)}", hint=_HINT)
    return found
