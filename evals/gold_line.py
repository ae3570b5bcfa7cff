"""How a row of a gold file is read into a `Case`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

from domain.privacy import MOST_READ, personal_data
from domain.tables import Row
from domain.taxonomy import Taxonomy
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import AnnotationType, RewriteType, Specificity
from evals.case import Case, ExpectedRewrite
from evals.spans import Span, find_place

__all__ = ["Doubt", "DoubtKind", "LineRejected", "ParsedLine", "parse_case"]

DoubtKind = Literal[
    "malformed",
    "bad_query",
    "personal_data",
    "bad_ids",
    "unknown_category",
    "nothing_to_judge",
    "duplicate",
    "unknown_acceptable",
    "unknown_field",
    "bad_field",
]
_JUDGED = ("categories", "specificity", "annotations", "rewrites")
_NESTED = ("categories", "acceptable", "annotations", "rewrites", "labels")
_FIELDS = {"query", "acceptable", "kind", "rater", "labels", "time", "reason", *_JUDGED}
_RESERVED = {"all", "tier", "specificity", "branch", "kind"}
_LONGEST_LABEL = 100
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """Something about a line that is not as it should be."""

    kind: DoubtKind
    detail: str


class LineRejected(Exception):
    """A line cannot be used at all."""

    def __init__(self, kind: DoubtKind, detail: str) -> None:
        super().__init__(detail)
        self.doubt = Doubt(kind=kind, detail=detail)


@dataclass(frozen=True, kw_only=True)
class ParsedLine:
    """The case of a line, with what was left out of it."""

    case: Case
    doubts: tuple[Doubt, ...]


def parse_case(
    found: Row, taxonomy: Taxonomy, *, columns: Mapping[str, str] | None = None, region: str | None = None
) -> ParsedLine:
    """Read one row of a gold file.

    Args:
        found: The row, of a file of any format.
        taxonomy: The tree that its categories are of.
        columns: Our column name -> the name in the file, where it differs.
        region: The shop's country, as `personal_data` takes it.

    Raises:
        LineRejected: its query or categories cannot be used, or nothing of it can be judged.
    """
    row = _row(found, columns or {})
    query = _query(row.get("query"), region)
    normalized = normalise(query)
    doubts = [
        Doubt(kind="unknown_field", detail=f"unknown field {name[:50]!r}") for name in sorted(row.keys() - _FIELDS)
    ]
    categories = _ids(row.get("categories"))
    if strange := [i for i in categories or () if i not in taxonomy]:
        raise LineRejected("unknown_category", f"not in the taxonomy: {strange!r}"[:200])
    acceptable = _ids(row.get("acceptable")) or ()
    if strange := [i for i in acceptable if i not in taxonomy]:
        doubts.append(Doubt(kind="unknown_acceptable", detail=f"not in the taxonomy: {strange!r}"[:200]))

    def optional(name: str, read: Callable[[Any], _T | None]) -> _T | None:
        try:
            return None if row.get(name) is None else read(row[name])
        except (TypeError, ValueError, KeyError) as error:
            doubts.append(Doubt(kind="bad_field", detail=f"{name} cannot be used: {str(error)[:150]}"))
            return None

    case = Case(
        query=query,
        normalized=normalized,
        categories=categories,
        acceptable=tuple(i for i in acceptable if i in taxonomy),
        specificity=optional("specificity", _specificity),
        annotations=optional("annotations", lambda value: _spans(value, query, normalized)),
        rewrites=optional("rewrites", _rewrites),
        kind=optional("kind", _text),
        rater=optional("rater", _text),
        labels=optional("labels", _labels) or {},
    )
    if all(getattr(case, name) is None for name in _JUDGED):
        raise LineRejected("nothing_to_judge", "; ".join(d.detail for d in doubts) or f"none of {', '.join(_JUDGED)}")
    return ParsedLine(case=case, doubts=tuple(doubts))


def _row(found: Row, columns: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the values of a row under our names for the columns."""
    if found.problem is not None:
        raise LineRejected("malformed", found.problem)
    theirs = {*columns, *columns.values()}
    row = {name: value for name, value in found.values.items() if name not in theirs}
    row |= {name: found.values[column] for name, column in columns.items() if column in found.values}
    return {name: value if name == "query" else _value(name, value) for name, value in row.items()}


def _value(name: str, value: object) -> object:
    """Return what a cell holds: an empty one nothing, and one of a list or an object what its JSON text says."""
    text = value.strip() if isinstance(value, str) else None
    if text is None or not text:
        return None if text == "" else value
    if name not in _NESTED:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _query(value: object, region: str | None) -> str:
    try:
        query = _text(value)
    except TypeError as error:
        raise LineRejected("bad_query", f"query: {error}") from error
    length = len(normalise(query))
    if not 0 < length <= MAX_QUERY_LENGTH:
        raise LineRejected("bad_query", f"query has {length} characters in normal form")
    if len(query) > MOST_READ:
        raise LineRejected("bad_query", f"query has {len(query)} characters as it is typed")
    if personal_data(query, region=region):
        raise LineRejected("personal_data", "personal data in the query")
    return query


def _ids(value: object) -> tuple[str, ...] | None:
    """Read ids, each once, in order; numbers are ids too, because exports write them so."""
    if value is None:
        return None
    if not isinstance(value, list) or any(isinstance(i, bool) or not isinstance(i, (str, int)) for i in value):
        raise LineRejected("bad_ids", "categories and acceptable must be lists of ids")
    return tuple(dict.fromkeys(str(i) for i in value))


def _specificity(value: object) -> Specificity | None:
    # Raters write "none" for a query without a meaning that could be specific.
    return None if value == "none" else _member(value, get_args(Specificity))


def _spans(value: object, query: str, normalized: str) -> tuple[Span, ...]:
    return tuple(
        Span(
            place=find_place(_text(item["text"]), item.get("start"), query=query, normalized=normalized),
            type=_member(item["type"], get_args(AnnotationType)),
        )
        for item in _objects(value)
    )


def _rewrites(value: object) -> tuple[ExpectedRewrite, ...]:
    items = [{"query": item} if isinstance(item, str) else item for item in value] if isinstance(value, list) else value
    return tuple(
        ExpectedRewrite(
            query=normalise(_text(item["query"])),
            type=None if item.get("type") is None else _member(item["type"], get_args(RewriteType)),
        )
        for item in _objects(items)
    )


def _labels(value: object) -> dict[str, str]:
    """Read attributes of the shop's own; their names are used in names of slices, so these signs are not theirs."""
    if not isinstance(value, dict):
        raise TypeError("not an object")
    # In a column of objects each has the names of all.
    value = {name: text for name, text in value.items() if text is not None}
    for name, text in value.items():
        if name.strip() in _RESERVED or any(sign in name for sign in ":,"):
            raise ValueError(f"{name[:50]!r} cannot be the name of a label")
        for part in (name, text):
            if not isinstance(part, str) or not part.isprintable() or not 0 < len(part.strip()) <= _LONGEST_LABEL:
                raise ValueError(f"{str(part)[:50]!r} is not a short text")
    return {name.strip(): text.strip() for name, text in value.items()}


def _member(value: object, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{str(value)[:50]!r} is not one of {', '.join(allowed)}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        raise TypeError(f"{str(value)[:50]!r} is not a string of Unicode characters")
    return value


def _objects(value: object) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError("not a list of objects")
    return value
