"""JSON into the types of `querywise_client.answers`: unknown fields are left, needed ones insisted on."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from querywise_client.errors import BadAnswer

__all__ = ["read_as"]

T = TypeVar("T")
_Read = Callable[[Any, str], Any]


def read_as(kind: type[T], document: Any) -> T:
    """Return a JSON document as a value of one of the types of `querywise_client.answers`.

    Raises:
        BadAnswer: naming the place, where a needed field is absent or a value has another type.
    """
    described: Any = kind
    value: T = _reader(described)(document, "")
    return value


@cache
def _reader(kind: Any) -> _Read:
    origin = get_origin(kind)
    if is_dataclass(kind):
        return _object_reader(kind)
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(kind) if get_origin(member) is not Literal]
        return _optional_reader(members) if type(None) in members else _reader(members[0])
    if origin is tuple:
        return _list_reader(_reader(get_args(kind)[0]))
    if origin is dict:
        return _map_reader(_reader(get_args(kind)[1]))
    return _SCALARS[kind]


def _object_reader(kind: Any) -> _Read:
    hints = get_type_hints(kind)
    # A field with a default may be left out by a service of before it.
    members = [
        (f.name, _reader(hints[f.name]), f.default is MISSING and f.default_factory is MISSING) for f in fields(kind)
    ]

    def read(value: Any, where: str) -> Any:
        if type(value) is not dict:
            raise _wrong("an object", where)
        found = {}
        for name, reader, needed in members:
            if name in value:
                found[name] = reader(value[name], f"{where}.{name}")
            elif needed:
                raise BadAnswer(f"The answer lacks {(where + '.' + name).lstrip('.')}.")
        return kind(**found)

    return read


def _optional_reader(members: list[Any]) -> _Read:
    [member] = [member for member in members if member is not type(None)]
    reader = _reader(member)
    return lambda value, where: None if value is None else reader(value, where)


def _list_reader(reader: _Read) -> _Read:
    def read(value: Any, where: str) -> Any:
        if type(value) is not list:
            raise _wrong("a list", where)
        return tuple([reader(item, f"{where}[{i}]") for i, item in enumerate(value)])

    return read


def _map_reader(reader: _Read) -> _Read:
    def read(value: Any, where: str) -> Any:
        if type(value) is not dict:
            raise _wrong("an object", where)
        return {name: reader(item, f"{where}.{name}") for name, item in value.items()}

    return read


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise _wrong("text", where)
    return value


def _truth(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise _wrong("true or false", where)
    return value


def _whole(value: Any, where: str) -> int:
    if type(value) is not int:
        raise _wrong("a whole number", where)
    return value


def _number(value: Any, where: str) -> float:
    if type(value) is not float and type(value) is not int:
        raise _wrong("a number", where)
    try:
        return float(value)
    except OverflowError as error:
        raise _wrong("a number", where) from error


def _time(value: Any, where: str) -> datetime:
    try:
        # Python 3.10 reads no Z.
        return datetime.fromisoformat(_text(value, where).replace("Z", "+00:00"))
    except ValueError as error:
        raise _wrong("a time", where) from error


_SCALARS: Final[dict[Any, _Read]] = {str: _text, bool: _truth, int: _whole, float: _number, datetime: _time}


def _wrong(wanted: str, where: str) -> BadAnswer:
    return BadAnswer(f"{where.lstrip('.') or 'The answer'} is not {wanted}.")
