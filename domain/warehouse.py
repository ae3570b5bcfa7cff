"""Loading the catalogue, categories and products, into Parquet, with a fingerprint of its content."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from domain.catalogue import Accepted, accept_products, accept_taxonomy
from domain.errors import ShopError
from domain.quarantine import FileReport, Reject, RejectWriter, check_share
from domain.shop import Kind, Shop
from domain.tables import Row, read_rows

__all__ = ["Catalogue", "PRODUCTS_SCHEMA", "TAXONOMY_SCHEMA", "load_catalogue"]

TAXONOMY_SCHEMA: Final = pa.schema([("category_id", pa.string()), ("parent_id", pa.string()), ("name", pa.string())])
PRODUCTS_SCHEMA: Final = pa.schema(
    [
        *((name, pa.string()) for name in ("product_id", "title", "category_id", "brand", "description")),
        *((name, pa.float64()) for name in ("price", "popularity", "quality")),
        *(("in_stock", pa.bool_()), ("image_url", pa.string()), ("attributes", pa.string())),
    ]
)
_BATCH: Final = 10_000
_MODULUS: Final = 1 << 256


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What became of the catalogue's files; ``digest`` does not depend on the order of rows."""

    reports: tuple[FileReport, ...]
    categories: int
    products: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class _Written:
    accepted: Counter[str]
    digest: str


def load_catalogue(shop: Shop, folder: Path, rejects: RejectWriter, tell: Callable[[str], None]) -> Catalogue:
    """Write `taxonomy.parquet` and `products.parquet` into a folder.

    Raises:
        ShopError: a file is missing, cannot be read or lacks a column, or nothing of a kind was accepted.
    """
    tell("reading the taxonomy")
    rows = _rows(shop, "taxonomy", ("category_id", "parent_id", "name"))
    accepted = accept_taxonomy(rows, shop.config.columns.get("taxonomy", {}))
    tree = _write(folder / "taxonomy.parquet", TAXONOMY_SCHEMA, accepted, rejects)
    reports = _reports(shop, "taxonomy", tree, rejects)
    known = set(pq.read_table(folder / "taxonomy.parquet", columns=["category_id"]).column(0).to_pylist())
    tell("reading products")
    rows = _rows(shop, "products", ("product_id", "title", "category_id"))
    accepted = accept_products(rows, shop.config.columns.get("products", {}), known)
    goods = _write(folder / "products.parquet", PRODUCTS_SCHEMA, accepted, rejects)
    reports += _reports(shop, "products", goods, rejects)
    return Catalogue(
        reports=tuple(reports),
        categories=tree.accepted.total(),
        products=goods.accepted.total(),
        digest=f"{tree.digest} {goods.digest}",
    )


def _rows(shop: Shop, kind: Kind, required: tuple[str, ...]) -> Iterator[Row]:
    renamed = shop.config.columns.get(kind, {})
    columns = [renamed.get(column, column) for column in required]
    for path in shop.need(kind):
        yield from read_rows(path, columns, file=shop.display(path))


def _reports(shop: Shop, kind: Kind, written: _Written, rejects: RejectWriter) -> list[FileReport]:
    reports = [
        FileReport(file=file, kind=kind, accepted=written.accepted[file], quarantined=rejects.counts.get(file, {}))
        for file in map(shop.display, shop.need(kind))
    ]
    check_share(reports, shop.config.max_reject_share)
    if not written.accepted:
        names = ", ".join(report.file for report in reports)
        raise ShopError(f"{names}: no row of {kind} was accepted", hint="the file is empty or holds only its header")
    return reports


def _write(path: Path, schema: pa.Schema, rows: Iterable[Accepted | Reject], rejects: RejectWriter) -> _Written:
    """Write the accepted rows, in order, and hand the others over."""
    accepted: Counter[str] = Counter()
    digest = 0
    pending: list[dict[str, object]] = []
    with pq.ParquetWriter(path, schema) as writer:
        for row in rows:
            if isinstance(row, Reject):
                rejects.add(row)
                continue
            accepted[row.file] += 1
            values = vars(row.value)
            text = json.dumps(values, ensure_ascii=False, sort_keys=True).encode()
            # A sum is the same in any order, and needs no sorting.
            digest += int.from_bytes(hashlib.sha256(text).digest())
            pending.append(values)
            if len(pending) == _BATCH:
                writer.write_table(pa.Table.from_pylist(pending, schema=schema))
                pending = []
        writer.write_table(pa.Table.from_pylist(pending, schema=schema))
    return _Written(accepted=accepted, digest=f"{accepted.total()}:{digest % _MODULUS:064x}")
