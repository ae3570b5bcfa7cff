"""Validation of categories and products, one row at a time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.quarantine import Reason, Reject
from domain.tables import Row, parse_object
from domain.taxonomy import Node

__all__ = ["MAX_ID_LENGTH", "Accepted", "Product", "accept_products", "accept_taxonomy"]

MAX_ID_LENGTH: Final = 200
"""Characters of an id."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """One product; ``attributes`` is a JSON object with its keys sorted."""

    product_id: str
    title: str
    category_id: str
    brand: str | None
    description: str | None
    price: float | None
    popularity: float | None
    quality: float | None
    in_stock: bool
    image_url: str | None
    attributes: str


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A row that passed, and the file it came from."""

    file: str
    value: Node | Product


class _Rejected(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def accept_taxonomy(rows: Iterable[Row], columns: Mapping[str, str]) -> Iterator[Accepted | Reject]:
    """Yield every row as a category or a reject; the categories come last, in the order of the file.

    The first row of an id is kept. A category whose parent is unknown or was itself rejected is rejected, and so are
    all below it; so is every category on a cycle.
    """
    found: dict[str, tuple[Node, Row]] = {}
    for row in rows:
        try:
            node = _node(row, columns)
            if node.category_id in found:
                raise _Rejected(Reason.DUPLICATE_ID)
            found[node.category_id] = (node, row)
        except _Rejected as rejected:
            yield row.reject(rejected.reason)
    fates = _fates({category_id: node.parent_id for category_id, (node, _) in found.items()})
    for category_id, (_, row) in found.items():
        if (reason := fates[category_id]) is not None:
            yield row.reject(reason)
    for category_id, (node, row) in found.items():
        if fates[category_id] is None:
            yield Accepted(file=row.file, value=node)


def _fates(parents: Mapping[str, str | None]) -> dict[str, Reason | None]:
    """Say of each category whether it hangs from a root (None) or why not."""
    fates: dict[str, Reason | None] = {}
    for start in parents:
        trail: dict[str, None] = {}
        at: str | None = start
        while at is not None and at in parents and at not in fates and at not in trail:
            trail[at] = None
            at = parents[at]
        if at is None:
            fate = None
        elif at in trail:
            steps = list(trail)
            cycle = steps[steps.index(at) :]
            fates.update(dict.fromkeys(cycle, Reason.CYCLE))
            fate = Reason.UNKNOWN_PARENT
        else:
            fate = None if fates.get(at, Reason.UNKNOWN_PARENT) is None else Reason.UNKNOWN_PARENT
        for step in trail:
            fates.setdefault(step, fate)
    return fates


def _node(row: Row, columns: Mapping[str, str]) -> Node:
    get = _Values(row, columns)
    name = _text(get("name"), Reason.MISSING_NAME)
    category_id = _id(get("category_id"))
    if category_id is None:
        raise _Rejected(Reason.MISSING_ID)
    if name is None:
        raise _Rejected(Reason.MISSING_NAME)
    return Node(category_id=category_id, parent_id=_id(get("parent_id")), name=name)


def accept_products(
    rows: Iterable[Row], columns: Mapping[str, str], categories: Container[str]
) -> Iterator[Accepted | Reject]:
    """Yield every row as a product or a reject, in order. The first row of an id is kept."""
    seen: set[str] = set()
    for row in rows:
        try:
            product = _product(row, columns)
            if product.product_id in seen:
                raise _Rejected(Reason.DUPLICATE_ID)
            if product.category_id not in categories:
                raise _Rejected(Reason.UNKNOWN_CATEGORY)
            seen.add(product.product_id)
            yield Accepted(file=row.file, value=product)
        except _Rejected as rejected:
            yield row.reject(rejected.reason)


def _product(row: Row, columns: Mapping[str, str]) -> Product:
    get = _Values(row, columns)
    product_id, category_id = _id(get("product_id")), _id(get("category_id"))
    if product_id is None:
        raise _Rejected(Reason.MISSING_ID)
    if category_id is None:
        raise _Rejected(Reason.MISSING_CATEGORY)
    title = _text(get("title"), Reason.BAD_TEXT)
    if title is None:
        raise _Rejected(Reason.MISSING_NAME)
    price = _number(get("price"), Reason.BAD_PRICE)
    if price is not None and price < 0:
        raise _Rejected(Reason.NEGATIVE_PRICE)
    popularity = _number(get("popularity"), Reason.BAD_POPULARITY)
    if popularity is not None and popularity < 0:
        raise _Rejected(Reason.BAD_POPULARITY)
    quality = _number(get("quality"), Reason.BAD_QUALITY)
    if quality is not None and not 0 <= quality <= 1:
        raise _Rejected(Reason.BAD_QUALITY)
    return Product(
        product_id=product_id,
        title=title,
        category_id=category_id,
        brand=_text(get("brand"), Reason.BAD_TEXT),
        description=_text(get("description"), Reason.BAD_TEXT),
        price=price,
        popularity=popularity,
        quality=quality,
        in_stock=_flag(get("in_stock")),
        image_url=_text(get("image_url"), Reason.BAD_TEXT),
        attributes=_attributes(get("attributes")),
    )


class _Values:
    """Values of a row under our names for the columns."""

    def __init__(self, row: Row, columns: Mapping[str, str]) -> None:
        if row.problem is not None:
            raise _Rejected(row.problem)
        self._row = row.values
        self._columns = columns

    def __call__(self, column: str) -> Any:
        return self._row.get(self._columns.get(column, column))


def _id(value: object) -> str | None:
    """Numbers are ids too, and 7.0 is 7: a column of whole numbers with a gap comes out of a data frame that way."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | None):
        raise _Rejected(Reason.BAD_ID)
    text = _text(value, Reason.BAD_ID)
    if text is not None and (len(text) > MAX_ID_LENGTH or not text.isprintable()):
        raise _Rejected(Reason.BAD_ID)
    return re.sub(r"^(\d+)\.0$", r"\1", text) if text else text


def _text(value: object, reason: Reason) -> str | None:
    """Return text without white space around it, None for nothing; a number is its digits."""
    if value is None:
        return None
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _Rejected(reason)
    text = str(value).strip()
    if not text.isascii() and not _is_unicode(text):
        raise _Rejected(Reason.NOT_UTF8)
    return text.replace("\0", "") or None


def _is_unicode(text: str) -> bool:
    """Whether there is no lone surrogate: JSON can spell one, UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: object, reason: Reason) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise _Rejected(reason)
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise _Rejected(reason) from None
    if not math.isfinite(number):
        raise _Rejected(reason)
    return number


_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": True}


def _flag(value: object) -> bool:
    """Unknown means in stock."""
    if value is None:
        return True
    flag = _FLAGS.get(str(value).strip().lower().removesuffix(".0"))
    if flag is None:
        raise _Rejected(Reason.BAD_STOCK)
    return flag


def _attributes(value: object) -> str:
    """Return one spelling for equal objects: keys sorted, empty values left out, whole numbers without a fraction."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "{}"
    if isinstance(value, str):
        value = parse_object(value)
    if not isinstance(value, Mapping):
        raise _Rejected(Reason.BAD_ATTRIBUTES)
    kept = {str(key).strip(): _attribute(item) for key, item in value.items() if item is not None and item != ""}
    text = json.dumps(kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if not _is_unicode(text):
        raise _Rejected(Reason.NOT_UTF8)
    return text


def _attribute(value: object) -> str | float | bool:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    raise _Rejected(Reason.BAD_ATTRIBUTES)
