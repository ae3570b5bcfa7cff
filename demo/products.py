"""The demo catalogue as the log generator sees it: products with their search words."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from demo import SHOP

_WORD = re.compile(r"[a-z0-9%]+(?:'[a-z]+)?")
_SAME = {"gallon": "gal", "gallons": "gal", "liter": "l", "liters": "l", "ounce": "oz", "count": "ct"}


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product; `title_words` are what a search engine sees, `words` add the names of its attribute flags."""

    product_id: str
    title: str
    category: str
    brand: str
    popularity: float
    quality: float
    in_stock: bool
    title_words: frozenset[str]
    words: frozenset[str]


def words_of(text: str) -> list[str]:
    """Lower-case words, with a light plural stem and pack sizes spelt one way."""
    return [_stem(_SAME.get(word, word)) for word in _WORD.findall(text.lower())]


def _stem(word: str) -> str:
    word = word.removesuffix("'s")
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("oes", "ches", "shes", "xes", "sses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


def read_products(path: Path = SHOP / "products.jsonl") -> list[Product]:
    """All products in file order."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Product(
            product_id=row["product_id"],
            title=row["title"],
            category=row["category_id"],
            brand=row["brand"],
            popularity=row["popularity"],
            quality=row["quality"],
            in_stock=row["in_stock"],
            title_words=frozenset(words_of(f"{row['title']} {row['brand']}")),
            words=frozenset(words_of(f"{row['title']} {row['brand']} {_flags(row['attributes'])}")),
        )
        for row in rows
    ]


def _flags(attributes: dict[str, object]) -> str:
    return " ".join(name.replace("_", " ") for name, value in attributes.items() if value is True)
