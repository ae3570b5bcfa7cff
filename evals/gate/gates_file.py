"""`gates.toml`, read strictly: a bound that is misspelt is a bound that nobody keeps."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.types import StringConstraints

from domain.errors import UserError
from domain.verdict import JudgeTask
from evals.gate.gates import ZEROS, Absolute, Gates, JudgeBound, NoRegression, ServiceBound, ZeroName
from evals.measures import MEASURES

__all__ = ["read_gates"]

_STRICT = ConfigDict(extra="forbid", strict=True)
_Inside = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Slice = Annotated[str, StringConstraints(min_length=1, max_length=120)]
_Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")
]
_SLICE = re.compile(r"all|[^\x00-\x1f\x7f:,]+:[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f,]")


@dataclass(frozen=True, kw_only=True)
class _Absolute:
    __pydantic_config__ = _STRICT
    measure: str
    slice: _Slice = "all"
    at_least: _Inside | None = None
    at_most: _Inside | None = None


@dataclass(frozen=True, kw_only=True)
class _NoRegression:
    __pydantic_config__ = _STRICT
    measure: str
    slices: Annotated[list[_Slice], Field(min_length=1)]
    margin: _Inside


@dataclass(frozen=True, kw_only=True)
class _Off:
    __pydantic_config__ = _STRICT
    off: _Line


@dataclass(frozen=True, kw_only=True)
class _Service:
    __pydantic_config__ = _STRICT
    student_p99_ms: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    coverage: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None


@dataclass(frozen=True, kw_only=True)
class _Judge:
    __pydantic_config__ = _STRICT
    task: JudgeTask
    quadratic_kappa: _Inside
    max_unscored: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.05


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The shape of `gates.toml`."""

    __pydantic_config__ = _STRICT
    alpha: Annotated[float, Field(gt=0, le=0.2, allow_inf_nan=False)] = 0.05
    absolute: list[_Absolute] = field(default_factory=list)
    no_regression: list[_NoRegression] = field(default_factory=list)
    zeros: dict[ZeroName, _Off] = field(default_factory=dict)
    service: _Service = field(default_factory=_Service)
    judge: list[_Judge] = field(default_factory=list)


_SHAPES: dict[str, type[_Absolute | _NoRegression | _Off | _Service | _Judge | _Document]] = {
    "absolute": _Absolute,
    "no_regression": _NoRegression,
    "zeros": _Off,
    "service": _Service,
    "judge": _Judge,
}
_document: TypeAdapter[_Document] = TypeAdapter(_Document)


def read_gates(path: Path) -> Gates:
    """Read a shop's gates; where there is no such file, the hard zeros alone are asked for.

    Slices are looked up later, when it is known which attributes the labelled queries have.

    Raises:
        UserError: the file cannot be read, or says what cannot be meant: an unknown key or measure, a wrong type, a
            number out of range, a bound given twice.
    """
    try:
        toml = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return Gates()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    try:
        # As JSON, because strict mode takes a mapping for a dataclass only there; a TOML date fits nowhere.
        document = _document.validate_json(json.dumps(toml, default=lambda _: {"date": 0}))
    except ValidationError as error:
        raise _complaint(error, path) from None
    gates = Gates(
        alpha=document.alpha,
        absolute=tuple(_absolute(entry, f"{path}: absolute.{i}") for i, entry in enumerate(document.absolute)),
        no_regression=tuple(
            NoRegression(measure=entry.measure, slice=part, margin=entry.margin)
            for i, entry in enumerate(document.no_regression)
            for part in _checked(entry.measure, entry.slices, f"{path}: no_regression.{i}")
        ),
        zeros_off={name: off.off for name, off in document.zeros.items()},
        service=tuple(_service(document.service)),
        judges=tuple(
            JudgeBound(task=entry.task, quadratic_kappa=entry.quadratic_kappa, max_unscored=entry.max_unscored)
            for entry in document.judge
        ),
    )
    _refuse_twice(gates, path)
    return gates


def _absolute(entry: _Absolute, where: str) -> Absolute:
    (part,) = _checked(entry.measure, [entry.slice], where)
    if entry.at_least is not None and entry.at_most is None:
        return Absolute(measure=entry.measure, slice=part, side="at_least", bound=entry.at_least)
    if entry.at_most is not None and entry.at_least is None:
        return Absolute(measure=entry.measure, slice=part, side="at_most", bound=entry.at_most)
    raise UserError(f"{where} needs at_least or at_most, and not both", hint="write one [[absolute]] for each bound")


def _service(entry: _Service) -> Iterator[ServiceBound]:
    if entry.student_p99_ms is not None:
        yield ServiceBound(name="student_p99_ms", bound=entry.student_p99_ms)
    if entry.coverage is not None:
        yield ServiceBound(name="coverage", bound=entry.coverage)


def _checked(measure: str, parts: Sequence[str], where: str) -> Sequence[str]:
    if measure not in MEASURES:
        raise UserError(f"{where}.measure: there is no measure {measure[:50]!r}", hint=_nearest(measure, MEASURES))
    for part in parts:
        if not _SLICE.fullmatch(part):
            raise UserError(
                f"{where}: {part[:50]!r} names no slice",
                hint='a slice is "all", "tier:tail", or "tier:tail,specificity:broad"',
            )
    return parts


def _refuse_twice(gates: Gates, path: Path) -> None:
    """A bound given twice would be corrected for twice."""
    given = [
        *(f"{one.measure} of {one.slice} {one.side}" for one in gates.absolute),
        *(f"{one.measure} of {one.slice} in no_regression" for one in gates.no_regression),
        *(f"the judge of {one.task}" for one in gates.judges),
    ]
    for bound in given:
        if given.count(bound) > 1:
            raise UserError(f"{path}: {bound} is there twice", hint="keep one of the two bounds")


def _complaint(error: ValidationError, path: Path) -> UserError:
    first = error.errors()[0]
    kept = [str(part) for part in first["loc"] if part != "[key]"]
    where = ".".join(kept)
    if first["type"] == "unexpected_keyword_argument":
        shape = _SHAPES.get(kept[0], _Document) if len(kept) > 1 else _Document
        known = [one.name for one in fields(shape)]
        return UserError(f"{path}: unknown key {where[:100]}", hint=_nearest(kept[-1], known))
    if first["type"].startswith("missing"):
        return UserError(f"{path}: {where} is missing")
    if kept[0] == "zeros":
        return UserError(f"{path}: {where[:100]} cannot be used", hint=_zeros_hint(kept))
    hint = "a sample cannot show a bound of exactly 0 or 1" if first["type"] in ("greater_than", "less_than") else ""
    if kept[-1] == "task":
        hint = f"known are {', '.join(get_args(JudgeTask))}"
    return UserError(f"{path}: {where}: {first['msg'][0].lower()}{first['msg'][1:]}", hint=hint)


def _zeros_hint(kept: Sequence[str]) -> str:
    if len(kept) > 1 and kept[1] in ZEROS:
        return f'all zeros are on; to turn one off write {kept[1]} = {{ off = "the reason" }}'
    return f"known are {', '.join(ZEROS)}"


def _nearest(word: str, known: Iterable[str]) -> str:
    names: list[str] = list(known)
    close = difflib.get_close_matches(word[:100], names, n=1)
    also = f"known are {', '.join(names)}"
    return f"did you mean {close[0]}? {also}" if close else also
