"""Makes ``shop/taxonomy.csv`` and ``shop/products.jsonl`` from the sheets in ``sources``: ``python -m demo.catalogue``.

The same sheets give the same bytes. Category ids are dealt in a seeded random order, so that an id says nothing.
"""

import csv
import json
import math
import random
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from demo import SHOP, SOURCES
from demo.specs import Attribute, Leaf, Line, Size, Variety, read_leaves

_SEED = 20260701
_OUT_OF_STOCK = 0.035


@dataclass(frozen=True, kw_only=True)
class Brand:
    """A brand's price level (1 is the middle of the shop) and whether all it sells is organic."""

    name: str
    tier: float = 1.0
    organic: bool = False


@dataclass(frozen=True, kw_only=True)
class Category:
    """One row of the taxonomy; `parent_id` is empty for a department."""

    category_id: str
    parent_id: str
    name: str


@dataclass(frozen=True, kw_only=True)
class _Pick:
    brand: str
    variety: Variety
    size: int


def read_brands(path: Path) -> dict[str, Brand]:
    """The brands whose price level or organic range is out of the ordinary; any other brand is `Brand(name=...)`."""
    with path.open(encoding="utf-8", newline="") as lines:
        return {
            row["brand"]: Brand(name=row["brand"], tier=float(row["tier"]), organic=row["organic"] == "yes")
            for row in csv.DictReader(lines)
        }


def categories_of(leaves: list[Leaf]) -> list[Category]:
    """The whole tree, parents before children."""
    paths: list[tuple[str, ...]] = []
    for leaf in leaves:
        for depth in range(1, len(leaf.path) + 1):
            if leaf.path[:depth] not in paths:
                paths.append(leaf.path[:depth])
    numbers = list(range(101, 101 + len(paths)))
    random.Random(_SEED).shuffle(numbers)
    ids = {path: f"c{number}" for path, number in zip(paths, numbers, strict=True)}
    return [Category(category_id=ids[path], parent_id=ids.get(path[:-1], ""), name=path[-1]) for path in paths]


def products_of(leaves: list[Leaf], brands: dict[str, Brand]) -> list[dict[str, object]]:
    """Every product, leaf by leaf, as the rows of ``products.jsonl``."""
    names = {category.name: category.category_id for category in categories_of(leaves)}
    rows: list[dict[str, object]] = []
    seen: set[str] = set()
    for leaf in leaves:
        # A generator per leaf: editing one sheet line leaves the other leaves' products as they were.
        rng = random.Random(f"{_SEED}:{leaf.name}")
        for line in leaf.lines:
            for pick in _picks(line, rng):
                row = _row(line, pick, brands.get(pick.brand.lstrip("~"), Brand(name=pick.brand.lstrip("~"))), rng)
                if row["title"] not in seen:
                    seen.add(str(row["title"]))
                    rows.append({"product_id": f"p{len(rows) + 1}", "category_id": names[leaf.name], **row})
    return rows


def _picks(line: Line, rng: random.Random) -> list[_Pick]:
    """`line.count` combinations, or one a variety if that is more, spread over varieties, then brands, then sizes."""
    pool = [
        _Pick(brand=brand, variety=variety, size=size)
        for variety in line.varieties
        for brand in line.brands
        for size in variety.sizes
    ]
    rng.shuffle(pool)
    used: dict[object, int] = {}
    chosen: list[_Pick] = []
    wanted = max(line.count, len(line.varieties))
    while pool and len(chosen) < wanted:
        pick = min(pool, key=lambda p: (used.get(p.variety.name, 0), used.get(p.brand, 0), used.get(p.size, 0)))
        pool.remove(pick)
        chosen.append(pick)
        for key in (pick.variety.name, pick.brand, pick.size):
            used[key] = used.get(key, 0) + 1
    return chosen


def _row(line: Line, pick: _Pick, brand: Brand, rng: random.Random) -> dict[str, object]:
    size = line.sizes[pick.size]
    shown = "" if pick.brand.startswith("~") else f"{brand.name} "
    organic_word = "Organic " if brand.organic and "Organic" not in shown + pick.variety.name else ""
    name = f"{shown}{organic_word}{pick.variety.name}"
    rank = line.varieties.index(pick.variety) + 0.7 * pick.size + 0.5 * line.brands.index(pick.brand)
    return {
        "title": f"{name}, {size.text}",
        "brand": brand.name,
        "description": f"{name}: {line.phrase}.",
        "price": _price(size.price * brand.tier * rng.uniform(0.96, 1.05)),
        "popularity": round(min(1.0, 0.05 + 0.8 * math.exp(-0.28 * rank) * rng.uniform(0.6, 1.2)), 3),
        "quality": round(min(1.0, max(0.2, rng.gauss(0.68 + 0.12 * (brand.tier - 1), 0.11))), 3),
        "in_stock": rng.random() >= _OUT_OF_STOCK,
        "attributes": _attributes(line, pick.variety, size, brand),
    }


def _attributes(line: Line, variety: Variety, size: Size, brand: Brand) -> dict[str, Attribute | int]:
    attributes: dict[str, Attribute | int] = {"size": size.text, **line.attributes, **variety.attributes}
    if packs := re.search(r"\b(\d+) (?:pack|ct|mega rolls|double rolls|rolls)\b", size.text):
        attributes["pack_count"] = int(packs[1])
    if brand.organic or "Organic" in f"{brand.name} {variety.name}":
        attributes["organic"] = True
    return attributes


def _price(amount: float) -> float:
    """The nearest price that ends in nine cents, as shelf prices do."""
    return max(0.29, round(amount * 10) / 10 - 0.01).__round__(2)


def write_catalogue(shop: Path) -> int:
    """Write both files into `shop`; returns the number of products."""
    leaves = read_leaves(SOURCES / "catalogue")
    with (shop / "taxonomy.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["category_id", "parent_id", "name"])
        writer.writerows([row.category_id, row.parent_id, row.name] for row in categories_of(leaves))
    rows = products_of(leaves, read_brands(SOURCES / "brands.csv"))
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    (shop / "products.jsonl").write_text(text, encoding="utf-8")
    return len(rows)


if __name__ == "__main__":
    sys.stdout.write(f"{write_catalogue(SHOP)} products\n")
