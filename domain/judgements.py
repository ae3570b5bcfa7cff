"""What people say of products for queries: one rating of relevance by one rater a row."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from domain.errors import ShopError
from domain.privacy import MOST_READ, personal_data
from domain.tables import Row, read_rows
from domain.text import MAX_QUERY_LENGTH, normalise

__all__ = ["MAX_RATING", "Judgement", "JudgementFlaw", "Pair", "RejectedJudgement", "read_judgements", "read_pairs"]

MAX_RATING: Final = 3
"""Ratings run from 0, of no use to the shopper, to 3, just what is asked for."""

JudgementFlaw = Literal[
    "malformed", "bad_query", "personal_data", "bad_product", "unknown_product", "bad_rating", "duplicate"
]
"""Why a row is left out."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One rater's rating, 0 to 3, of a product for a query in normal form; ``rater`` is empty where none is named."""

    query: str
    product_id: str
    rating: int
    rater: str


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A product to be rated for a query in normal form."""

    query: str
    product_id: str


@dataclass(frozen=True, kw_only=True)
class RejectedJudgement:
    """A row that is left out; ``line`` is 1-based, in Parquet the number of the row."""

    line: int
    flaw: JudgementFlaw


class _Flawed(Exception):
    def __init__(self, flaw: JudgementFlaw) -> None:
        super().__init__(flaw)
        self.flaw = flaw


def read_judgements(
    path: Path,
    product_ids: Container[str],
    *,
    columns: Mapping[str, str] | None = None,
    region: str | None = None,
    reject: Callable[[RejectedJudgement], object] = lambda _: None,
) -> tuple[Judgement, ...]:
    """Read a file of judgements in any format that `read_rows` reads, in its order.

    Args:
        path: The file.
        product_ids: Products of the shop; a row of any other is left out.
        columns: Our column name -> the name in the file, where it differs.
        region: The shop's country, as `personal_data` takes it; a row whose query holds personal data is left out.
        reject: Called with each row that is left out. Of two ratings by one rater of one product for what is one
            query in normal form, the first counts.

    Raises:
        ShopError: the file cannot be read, lacks a column, or holds no row that can be used.
    """
    names = {column: (columns or {}).get(column, column) for column in ("query", "product_id", "rating", "rater")}
    found: dict[tuple[str, str, str], Judgement] = {}
    flaws: list[RejectedJudgement] = []
    for row in read_rows(path, [names[column] for column in ("query", "product_id", "rating")], file=path.name):
        try:
            judgement = _judgement(row, names, product_ids, region)
            if found.setdefault(_place(judgement), judgement) is not judgement:
                raise _Flawed("duplicate")
        except _Flawed as flawed:
            flaws.append(RejectedJudgement(line=row.line, flaw=flawed.flaw))
            reject(flaws[-1])
    if not found:
        first = f"; line {flaws[0].line}: {flaws[0].flaw}" if flaws else ""
        raise ShopError(
            f"{path} has no usable judgement{first}",
            hint="a row holds query, product_id, a whole rating from 0 to 3, and rater",
        )
    return tuple(found.values())


def read_pairs(path: Path, product_ids: Container[str], *, region: str | None = None) -> tuple[Pair, ...]:
    """Read what is to be rated, each pair once, in the order of a file like that of judgements.

    Its columns are called ``query`` and ``product_id`` whatever those of the shop's judgements are; all others, ratings
    and raters among them, are ignored.

    Args:
        path: The file, in any format that `read_rows` reads.
        product_ids: Products of the shop.
        region: The shop's country, as `personal_data` takes it.

    Raises:
        ShopError: the file cannot be read, holds no row, or a row that cannot be used.
    """
    hint = "a row holds query and product_id, under a header that says so, and the product is one of the shop's"
    found: dict[Pair, None] = {}
    # A column that is missing is a row that lacks it: there is no mapping of columns for a hint to point at.
    for row in read_rows(path, (), file=path.name):
        try:
            found[_pair(row, row.values, product_ids, region)] = None
        except _Flawed as flawed:
            product = f" {_text(row.values['product_id'])[:60]!r}" if flawed.flaw == "unknown_product" else ""
            what = flawed.flaw.replace("_", " ")
            raise ShopError(f"{path}:{row.line}: {what}{product}", hint=hint) from None
    if not found:
        raise ShopError(f"{path} holds no pair to judge", hint=hint)
    return tuple(found)


def _place(judgement: Judgement) -> tuple[str, str, str]:
    return judgement.query, judgement.product_id, judgement.rater


def _judgement(row: Row, names: Mapping[str, str], product_ids: Container[str], region: str | None) -> Judgement:
    values = {column: row.values.get(name) for column, name in names.items()}
    pair = _pair(row, values, product_ids, region)
    return Judgement(
        query=pair.query, product_id=pair.product_id, rating=_rating(values["rating"]), rater=_text(values["rater"])
    )


def _pair(row: Row, values: Mapping[str, Any], product_ids: Container[str], region: str | None) -> Pair:
    if row.problem is not None:
        raise _Flawed("malformed")
    value = values.get("query")
    text = value if isinstance(value, str) else ""
    query = normalise(text)
    if not query or len(query) > MAX_QUERY_LENGTH or len(text) > MOST_READ:
        raise _Flawed("bad_query")
    if personal_data(text, region=region):
        raise _Flawed("personal_data")
    product_id = _text(values.get("product_id"))
    if not product_id:
        raise _Flawed("bad_product")
    if product_id not in product_ids:
        raise _Flawed("unknown_product")
    return Pair(query=query, product_id=product_id)


def _rating(value: Any) -> int:
    """Return a whole number from 0 to `MAX_RATING`; 3.0 is one, and so is "3"."""
    try:
        number = float(value) if not isinstance(value, bool) else -1.0
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if number not in range(MAX_RATING + 1):
        raise _Flawed("bad_rating")
    return int(number)


def _text(value: Any) -> str:
    """Return an id or a name as text; 7.0 is 7, for a column of numbers with a gap comes out of a data frame so."""
    if value is None or isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()
