"""A grocery shop of ten hand-made labels, and releases built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain import Taxonomy
from domain.label import Label, read_labels
from release import build_release

GROCERY = Path(__file__).parent / "grocery"


@dataclass(frozen=True, kw_only=True)
class Grocery:
    taxonomy: Taxonomy
    products: tuple[str, ...]
    labels: tuple[Label, ...]


@pytest.fixture(scope="session")
def grocery() -> Grocery:
    return Grocery(
        taxonomy=Taxonomy.from_json((GROCERY / "taxonomy.json").read_bytes()),
        products=tuple((GROCERY / "products.txt").read_text().split()),
        labels=tuple(read_labels(GROCERY / "labels.jsonl")),
    )


Build = Callable[..., Path]


@pytest.fixture
def build(grocery: Grocery, tmp_path: Path) -> Build:
    def _build(
        labels: Iterable[Label] | None = None,
        *,
        index: Path | None = None,
        day: int = 21,
        products: Iterable[str] | None = None,
        releases: Path = tmp_path / "releases",
    ) -> Path:
        return build_release(
            shop="grocery",
            taxonomy=grocery.taxonomy,
            product_ids=grocery.products if products is None else products,
            labels=grocery.labels if labels is None else labels,
            fingerprints={"shop": "f0", "catalogue": "f1"},
            index=index,
            releases=releases,
            created=datetime(2026, 11, day, 12, 0, tzinfo=UTC),
        )

    return _build
