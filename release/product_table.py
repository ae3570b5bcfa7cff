"""What a release keeps of every product of a shop as numbers, found by the product's id.

A folder holds `hashes.npy`, (n,) uint64 in ascending order, the hashes of the product ids; and `values.npy`, the
numbers of each product in that order. Both are memory-mapped, so that a million products cost a process no memory of
its own.

A hash is a polynomial of the characters modulo 2 ** 64, its bits mixed. Those of many ids follow from the prefix sums
of one polynomial (Karp & Rabin, "Efficient randomized pattern-matching algorithms", 1987), so that a page of 500
products takes a quarter of the time of 500 digests. Whoever knows the base can make up an id that is taken for another;
but the page it is on is their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from domain.errors import ReleaseError

__all__ = ["VERSION", "Found", "ProductTable", "write_table"]

VERSION: Final = 2
"""Of the files; another one is of a release that has to be built anew."""

_HASHES, _VALUES = "hashes.npy", "values.npy"
_BASE: Final = 0x9E3779B97F4A7C15
_BACK: Final = pow(_BASE, -1, 2**64)
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_ONE, _HALF = np.uint64(1), np.uint64(32)
_AT_ONCE: Final = 1000
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
        self._hashes = _open(folder / _HASHES, "<u8")
        self.values: npt.NDArray[Any] = _open(folder / _VALUES, kind)
        count = len(self._hashes) if self._hashes.ndim == 1 else -1
        if self.values.shape != (count, *shape) or not (self._hashes[1:] > self._hashes[:-1]).all():
            raise ReleaseError(f"{folder}: its files do not belong together", hint=_HINT)

    def find(self, product_ids: Sequence[str | None]) -> Found:
        """Look products up; None is nobody's id."""
        wanted = _hashes_of(["" if product is None else product for product in product_ids])
        if not len(self._hashes):
            return Found(known=np.zeros(len(wanted), dtype=np.bool_), values=self.values[:0])
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        known = self._hashes[places] == wanted
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
        ReleaseError: when two products have one id or hash.
    """
    parts = [_hashes_of(product_ids[start : start + _AT_ONCE]) for start in range(0, len(product_ids), _AT_ONCE)]
    hashes = np.concatenate([*parts, np.empty(0, dtype="<u8")])
    order = np.argsort(hashes)
    hashes = hashes[order]
    if (hashes[1:] == hashes[:-1]).any():
        raise ReleaseError("two products have one id, or one hash", hint="remove one of them from the catalogue")
    folder.mkdir()
    np.save(folder / _HASHES, hashes)
    np.save(folder / _VALUES, values[order])


def _hashes_of(product_ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    # Half of a surrogate pair may come from a client, and is in no catalogue.
    text = "".join(product_ids).encode("utf-32-le", "surrogatepass")
    characters = np.frombuffer(text, dtype="<u4") + _ONE
    ends = np.cumsum(np.fromiter(map(len, product_ids), dtype=np.intp, count=len(product_ids)))
    starts = np.concatenate(([0], ends[:-1]))
    sums = np.zeros(len(characters) + 1, dtype=np.uint64)
    enough = 1 << len(sums).bit_length()  # so that few numbers of powers are asked for, and these are kept
    np.cumsum(characters * _powers(_BASE, enough)[: len(characters)], out=sums[1:])
    # Shifted back to the start of the text, an id has one hash wherever it stands.
    hashes: npt.NDArray[np.uint64] = (sums[ends] - sums[starts]) * _powers(_BACK, enough)[starts]
    for _ in range(2):
        hashes ^= hashes >> _HALF
        hashes *= _MIX
    return hashes ^ (hashes >> _HALF)


@lru_cache(maxsize=8)
def _powers(base: int, count: int) -> npt.NDArray[np.uint64]:
    """Return the first powers of a base, modulo 2 ** 64."""
    powers = np.full(count, np.uint64(base))
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def _open(path: Path, kind: str) -> npt.NDArray[Any]:
    try:
        # A view without the class of the mapping, whose every slice would cost a microsecond.
        found: npt.NDArray[Any] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise ReleaseError(f"{path} cannot be read: {error}", hint=_HINT) from error
    if found.dtype != np.dtype(kind):
        raise ReleaseError(f"{path} holds {found.dtype}, not {np.dtype(kind)}", hint=_HINT)
    return found
