"""A small grocery shop, written in any format."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.ingest import IngestReport, ingest
from domain.shop import Shop, open_shop

Content = bytes | str | list[dict[str, Any]]

NOW = datetime(2026, 6, 1, tzinfo=UTC)

TAXONOMY = [
    {"category_id": "food", "parent_id": None, "name": "Food"},
    {"category_id": "milk", "parent_id": "food", "name": "Milk"},
    {"category_id": "bars", "parent_id": "food", "name": "Protein Bars"},
]
PRODUCTS = [
    {"product_id": "p1", "title": "Whole milk 1 l", "category_id": "milk", "price": 1.25, "brand": "Alm"},
    {"product_id": "p2", "title": "1% milk 1 l", "category_id": "milk", "attributes": {"fat": 1.0, "bio": True}},
    {"product_id": "p3", "title": "Protein bar", "category_id": "bars", "in_stock": False, "quality": 0.5},
]
QUERIES = [
    {
        "query_id": f"q{i}",
        "user_query": text,
        "client_id": f"c{i}",
        "timestamp": f"2026-05-0{i}T10:00:00Z",
        "query_response_hit_ids": hits,
    }
    for i, (text, hits) in enumerate([("Milk", ["p1", "p2"]), ("protein ", ["p3"]), ("1% milk!", [])], start=1)
]


def event(query: int, product: str, ordinal: int | None = 1, action: str = "click", **more: Any) -> dict[str, Any]:
    return {
        "action_name": action,
        "query_id": f"q{query}",
        "client_id": f"c{query}",
        "timestamp": f"2026-05-0{query}T10:01:00Z",
        "event_attributes": {"object": {"object_id": product}, "position": {"ordinal": ordinal}},
    } | more


EVENTS = [event(1, "p2", 2), event(1, "p2", 2, "purchase"), event(2, "p3", 1, "add_to_cart")]

TOML = 'name = "grocery"\nlocale = "en-US"\ncurrency = "USD"\n'


def encode(rows: list[dict[str, Any]], name: str) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(encode(rows, name.removesuffix(".gz")))
    if name.endswith(".parquet"):
        buffer = io.BytesIO()
        # Arrow takes the columns from the first row alone.
        names = list(dict.fromkeys(key for row in rows for key in row))
        pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), buffer)
        return buffer.getvalue()
    if name.endswith(".csv"):
        names = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(
            {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()} for row in rows
        )
        return text.getvalue().encode()
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


@pytest.fixture
def make_shop(tmp_path: Path) -> Callable[..., Shop]:
    """Write the shop; a file given by name takes the place of the usual one of its kind, None takes it away."""

    def make(files: Mapping[str, Content | None] | None = None, toml: str = "", allow: float = 1.0) -> Shop:
        folder = tmp_path / f"shop{len(list(tmp_path.glob('shop*')))}"
        folder.mkdir()
        usual: dict[str, Content | None] = {
            "taxonomy.csv": TAXONOMY,
            "products.jsonl": PRODUCTS,
            "ubi_queries.ndjson": QUERIES,
            "ubi_events.ndjson": EVENTS,
        }
        given = dict(files or {})
        stems = {name.split(".")[0] for name in given}
        for name, content in ({n: c for n, c in usual.items() if n.split(".")[0] not in stems} | given).items():
            if content is not None:
                data = content.encode() if isinstance(content, str) else content
                (folder / name).write_bytes(encode(data, name) if isinstance(data, list) else data)
        (folder / "shop.toml").write_text(TOML + toml + f"\n[ingest]\nmax_reject_share = {allow}\n", encoding="utf-8")
        return open_shop(folder, work=tmp_path / f"work-{folder.name}")

    return make


@pytest.fixture
def load(make_shop: Callable[..., Shop]) -> Callable[..., Loaded]:
    """Write the shop and ingest it."""

    def run(files: Mapping[str, Content | None] | None = None, toml: str = "", allow: float = 1.0) -> Loaded:
        shop = make_shop(files, toml, allow)
        return Loaded(shop, ingest(shop, now=NOW))

    return run


@dataclass(frozen=True, kw_only=True)
class Grocery:
    """The rows of the small shop, and the moment at which it is loaded."""

    taxonomy: list[dict[str, Any]]
    products: list[dict[str, Any]]
    queries: list[dict[str, Any]]
    events: list[dict[str, Any]]
    now: datetime
    event: Callable[..., dict[str, Any]]


@pytest.fixture
def grocery() -> Grocery:
    rows = copy.deepcopy({"taxonomy": TAXONOMY, "products": PRODUCTS, "queries": QUERIES, "events": EVENTS})
    return Grocery(**rows, now=NOW, event=event)


class Loaded:
    """A shop after ingest, for looking at."""

    def __init__(self, shop: Shop, report: IngestReport) -> None:
        self.shop = shop
        self.report = report

    def table(self, name: str) -> list[dict[str, Any]]:
        return pq.read_table(self.shop.warehouse / f"{name}.parquet").to_pylist()

    def ids(self, name: str, column: str) -> list[str]:
        return sorted(row[column] for row in self.table(name))

    def rejects(self) -> list[tuple[str, int, str]]:
        return [(row["file"], row["line"], row["reason"]) for row in self.table("quarantine")]

    def reasons(self, file: str) -> dict[str, int]:
        return next(row["reasons"] for row in self.report.rows if row["file"] == file)
