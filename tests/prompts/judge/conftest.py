"""A corner of a tool shop, and a judge whose answers are made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.catalogue import Product
from domain.errors import CompletionError
from domain.taxonomy import Node, Taxonomy
from prompts import Completion, CompletionRequest, load_prompt
from prompts.judge import Goods, Judge

TREE = [
    ("tools", None, "Tools"),
    ("drills", "tools", "Drills"),
    ("power", "tools", "Chargers"),
    ("saws", "tools", "Saws"),
]


def product(product_id: str, title: str, category_id: str = "drills", **more: Any) -> Product:
    usual: dict[str, Any] = {"brand": None, "description": None, "attributes": "{}", "image_url": None}
    usual |= {"price": None, "popularity": None, "quality": None, "in_stock": True}
    return Product(product_id=product_id, title=title, category_id=category_id, **usual | more)


PRODUCTS = [
    product(
        "p1",
        "Bosch GSR 18 cordless drill",
        brand="Bosch",
        description="With two batteries.",
        attributes='{"battery_voltage":18,"colour":"Blue","drive_type":"Cordless","empty":"","weight":1.4}',
    ),
    product("p2", "Makita drill driver", brand="Makita"),
    product("p3", "Bosch charger 18 V", "power", brand="Bosch", description="Charges GSR drills."),
    product("p4", "Hand saw", "saws"),
]


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy(Node(category_id=i, parent_id=parent, name=name) for i, parent, name in TREE)


@pytest.fixture(scope="session")
def goods(taxonomy: Taxonomy) -> Goods:
    finds = {"electric drill": {"drills": 2, "power": 1}}
    return Goods({p.product_id: p for p in PRODUCTS}, taxonomy, finds=lambda query: finds.get(query, {}))


@pytest.fixture(scope="session")
def make_product() -> Callable[..., Product]:
    return product


@pytest.fixture(scope="session")
def make_judge() -> Callable[..., Judge]:
    def make(task: str = "relevance", **more: Any) -> Judge:
        usual = {"shop": "toolbox", "locale": "en-US", "model": "openai/judge"}
        return Judge(**{"rubric": load_prompt(f"judge_{task}@1")} | usual | more)

    return make


def verdict(short: str, *facets: bool, reason: str = "Why.") -> dict[str, Any]:
    names = ("serves", "kind", "complete")
    return {"id": short, "reason": reason} | dict(zip(names, facets, strict=True))


@pytest.fixture(scope="session")
def say() -> Callable[..., str]:
    """An answer of relevance: short id -> facets in their order, in the order given."""

    def text(*verdicts: tuple[str, bool, bool, bool]) -> str:
        return json.dumps({"verdicts": [verdict(*given) for given in verdicts]})

    return text


@dataclass
class Scripted:
    """Answers with a script: each request takes the next line, a text, a completion's fields or an error to raise."""

    script: list[Any]
    model: str = "openai/judge"
    api_base: str = ""
    asked: list[CompletionRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> Completion:
        line = self.script[len(self.asked)]
        self.asked.append(request)
        if isinstance(line, CompletionError):
            raise line
        given = {"content": line} if isinstance(line, str) else line
        return Completion(key=request.key, model=self.model, **given)


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted
