"""A grocery shop of ten hand-made labels, and releases built from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from domain import Taxonomy
from domain.label import Label, read_labels
from release import GateRecord, build_release

KEY = b"the key of the tests, 32 or more"
GROCERY = Path(__file__).parent / "grocery"


@dataclass(frozen=True, kw_only=True)
class Grocery:
    taxonomy: Taxonomy
    products: tuple[str, ...]
    labels: tuple[Label, ...]


class Two(NamedTuple):
    releases: Path
    first: str
    second: str


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


@pytest.fixture(scope="session")
def key() -> bytes:
    return KEY


@pytest.fixture(scope="session")
def decide() -> Callable[..., GateRecord]:
    """Makes a record with one verdict, and what else is given."""

    def _decide(verdict: str, **changes: Any) -> GateRecord:
        given = {
            "verdict": verdict,
            "decided": datetime(2026, 11, 21, 13, 5, 7, 250_000, tzinfo=UTC),
            "base": "2026-11-20-77be01",
            "gates": "a" * 64,
            "report": "b" * 64,
            "look": 1,
            "failed": ("dairy precision",) if verdict == "FAIL" else (),
            "inconclusive": ("tail recall",) if verdict == "INCONCLUSIVE" else (),
        }
        return GateRecord(**{**given, **changes})

    return _decide


@pytest.fixture
def two(build: Build, grocery: Grocery, tmp_path: Path) -> Two:
    """Two releases of one shop, neither with a verdict."""
    label = grocery.labels[0]
    other = replace(label, understanding=replace(label.understanding, next_queries=()))
    return Two(releases=tmp_path / "releases", first=build().name, second=build([other], day=22).name)
