"""Tests for the numbers of products, found by id."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ReleaseError
from release.product_table import ProductTable, write_table

_IDS = st.text(st.characters(codec=None), max_size=6)


@given(st.lists(_IDS, unique=True, max_size=30), st.lists(st.none() | _IDS, max_size=30))
def test_each_product_is_found_and_nobody_else(products: Sequence[str], others: Sequence[str | None]) -> None:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "table"
        write_table(folder, products, np.arange(len(products), dtype="<i4"))
        asked = [*others, *products[::2], *others, *products[1::2]]
        found = ProductTable(folder, kind="<i4").find(asked)
        known = [product in products for product in asked]
        assert found.known.tolist() == known
        assert found.values.tolist() == [products.index(p) for p in asked if p is not None and p in products]


def test_similar_ids_have_hashes_of_their_own(tmp_path: Path) -> None:
    products = [f"{number:x}" for number in range(300_000)]
    products += [f"sku-{number:07d}-{number % 7}" for number in range(300_000)]
    products += ["z" * length for length in range(2_000)] + ["\0" * length for length in range(1, 2_000)]
    write_table(tmp_path / "table", products, np.zeros(len(products), dtype="<i4"))


def test_one_id_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="two products have one id"):
        write_table(tmp_path / "table", ["a", "b", "a"], np.zeros(3, dtype="<i4"))
