"""What `shop.toml` says."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.types import StringConstraints

from domain.errors import ShopError

__all__ = ["CANONICAL_ACTIONS", "COLUMNS", "Kind", "LlmConfig", "ShopConfig", "parse_config"]

Kind = Literal["taxonomy", "products", "queries", "events", "gold", "judgements", "complements"]

CANONICAL_ACTIONS: Final = ("impression", "view", "click", "add_to_cart", "purchase")
_WEIGHTS: Final = {"impression": 0.0, "view": 0.0, "click": 1.0, "add_to_cart": 4.0, "purchase": 10.0}

COLUMNS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "taxonomy": ("category_id", "parent_id", "name"),
    "products": (
        *("product_id", "title", "category_id", "brand", "description", "price", "popularity", "quality"),
        *("in_stock", "image_url", "attributes"),
    ),
    "queries": (
        *("query_id", "user_query", "client_id", "session_id", "application", "timestamp"),
        "query_response_hit_ids",
    ),
    "events": ("action_name", "query_id", "client_id", "session_id", "timestamp", "object_id", "ordinal"),
    "gold": (
        *("query", "categories", "acceptable", "specificity", "annotations", "rewrites", "kind", "rater", "labels"),
    ),
    "judgements": ("query", "product_id", "rating", "rater"),
    "complements": ("category_id", "other_id", "lift"),
}
"""Columns that `[columns.<kind>]` may rename, by kind."""

_Share = Annotated[float, Field(ge=0, le=1)]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]


@dataclass(frozen=True, kw_only=True)
class ShopConfig:
    """What `shop.toml` says, with defaults filled in.

    Attributes:
        name: Names the work folder: lower case letters, digits, dot, underscore, hyphen.
        locale: A BCP 47 tag, such as en-US.
        currency: An ISO 4217 code.
        files: Paths or globs, relative to the folder, by kind; kinds that are not named are found by default names.
        columns: By kind, our column name -> the name in the file (a dotted path where it is nested).
        actions: Action name in the log -> canonical or weighted name.
        weights: Worth of one event by canonical name; 0 means that it is no sign of interest.
        first_ordinal: What the log calls the first position; None means that ingest finds out.
        internal: Globs over application and client_id; traffic that matches is not shoppers'.
        max_reject_share: Ingest stops when more than this share of a file's rows is rejected.
        head_share: Queries that together make this share of searches are the head.
        torso_share: Queries up to this cumulative share are the torso; the rest is the tail.
        llm: The model and what it costs.
        discovery: What discovery content must not hold.
    """

    name: str
    locale: str
    currency: str
    files: Mapping[Kind, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[Kind, Mapping[str, str]] = field(default_factory=dict)
    actions: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=lambda: dict(_WEIGHTS))
    first_ordinal: Literal[0, 1] | None = None
    internal: tuple[str, ...] = ("internal*",)
    max_reject_share: float = 0.05
    head_share: float = 0.5
    torso_share: float = 0.9
    llm: LlmConfig = field(default_factory=lambda: LlmConfig())
    discovery: DiscoveryConfig = field(default_factory=lambda: DiscoveryConfig())


@dataclass(frozen=True, kw_only=True)
class DiscoveryConfig:
    """What `[discovery]` says.

    Attributes:
        block: Words and phrases that no suggestion and no idea may hold, beside those that ship with the product.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    block: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = ()


@dataclass(frozen=True, kw_only=True)
class LlmConfig:
    """What `[llm]` says.

    Attributes:
        model: The model that labels, when the command line names none.
        price: US dollars per million tokens, for a model whose price is not known or not what the shop pays.
        cache_gigabytes: Completions kept beyond this are forgotten after a run, those stored longest ago first.
        relabel_distance: A query is labelled anew when the distribution of its demand has moved further (0 to 1, total
            variation distance).
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    model: str | None = None
    price: dict[str, float] = field(default_factory=dict)
    cache_gigabytes: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0
    relabel_distance: _Share = 0.2


@dataclass(frozen=True, kw_only=True)
class _Log:
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    first_ordinal: Literal[0, 1] | None = None
    internal: list[str] = field(default_factory=lambda: ["internal*"])
    head_share: _Share = 0.5
    torso_share: _Share = 0.9


@dataclass(frozen=True, kw_only=True)
class _Ingest:
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    max_reject_share: _Share = 0.05


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The shape of `shop.toml`."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    name: _Name
    locale: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    files: dict[Kind, str | list[str]] = field(default_factory=dict)
    columns: dict[Kind, dict[str, str]] = field(default_factory=dict)
    actions: dict[str, str] = field(default_factory=dict)
    weights: dict[str, _Weight] = field(default_factory=dict)
    log: _Log = field(default_factory=_Log)
    ingest: _Ingest = field(default_factory=_Ingest)
    llm: LlmConfig = field(default_factory=LlmConfig)
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)


_document: TypeAdapter[_Document] = TypeAdapter(_Document)


def parse_config(toml: Mapping[str, Any], path: Path) -> ShopConfig:
    """Check a parsed `shop.toml`, which stands at `path`, and fill in the defaults.

    Raises:
        ShopError: a key is unknown or missing, or a value is bad.
    """
    try:
        # As JSON, because strict mode takes a mapping for a dataclass only there; a TOML date fits nowhere.
        document = _document.validate_json(json.dumps(toml, default=lambda _: {"date": 0}))
    except ValidationError as error:
        raise _complaint(error, path) from None
    for kind, columns in document.columns.items():
        for column in columns:
            if column not in COLUMNS[kind]:
                raise ShopError(f"{path}: [columns.{kind}] {column} is unknown", hint=_nearest(column, COLUMNS[kind]))
    weights = _WEIGHTS | document.weights
    for action, canonical in document.actions.items():
        if canonical not in weights:
            raise ShopError(
                f"{path}: [actions] {action} = {canonical!r}: no such action",
                hint=f"use one of {', '.join(CANONICAL_ACTIONS)}, or give {canonical!r} a weight in [weights]",
            )
    if document.log.head_share > document.log.torso_share:
        raise ShopError(f"{path}: [log] head_share is above torso_share", hint="torso_share includes the head")
    return ShopConfig(
        name=document.name,
        locale=document.locale,
        currency=document.currency,
        files={kind: (at,) if isinstance(at, str) else tuple(at) for kind, at in document.files.items()},
        columns=document.columns,
        actions=document.actions,
        weights=weights,
        first_ordinal=document.log.first_ordinal,
        internal=tuple(document.log.internal),
        max_reject_share=document.ingest.max_reject_share,
        head_share=document.log.head_share,
        torso_share=document.log.torso_share,
        llm=document.llm,
        discovery=document.discovery,
    )


def _complaint(error: ValidationError, path: Path) -> ShopError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "[key]" and not str(part).startswith("list["))
    if first["type"] == "unexpected_keyword_argument":
        return ShopError(f"{path}: unknown key {where}", hint=_nearest(where.rsplit(".", 1)[-1], _keys()))
    if first["type"].startswith("missing"):
        return ShopError(f"{path}: {where} is missing")
    if first["loc"] == ("name",):
        hint = "it names folders: lower case letters, digits, '.', '_' and '-', a letter or digit first"
        return ShopError(f"{path}: name {first['input']!r} cannot be used", hint=hint)
    return ShopError(f"{path}: {where}: {first['msg'][0].lower()}{first['msg'][1:]}")


def _keys() -> list[str]:
    names = [*_Document.__dataclass_fields__, *_Log.__dataclass_fields__, *_Ingest.__dataclass_fields__]
    return [*names, *LlmConfig.__dataclass_fields__, *DiscoveryConfig.__dataclass_fields__]


def _nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
