"""Requests from bytes: bodies with a limit, JSON without its traps, and the query string."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any
from urllib.parse import unquote_to_bytes

from starlette.types import Receive, Scope

from service.problems import Problem

__all__ = ["ClientGone", "json_fields", "json_object", "json_query", "query_parameter", "read_json_body"]

_QUOTED = 80  # characters of a client's own text that a problem repeats


class ClientGone(Exception):
    """The client closed the connection before its request was whole; there is nobody to answer."""


async def read_json_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the body of a request that says it is JSON.

    Raises:
        Problem: on another content type, or on more than `limit` bytes, announced or sent.
        ClientGone: when the client leaves.
    """
    media_type = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value
        elif name == b"content-length" and len(value) > 4 and (not value.isdigit() or int(value[:20]) > limit):
            raise _too_large(limit)
    if media_type != b"application/json" and media_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Problem("unsupported-media-type", "Send the body as application/json.", field="content-type")
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or message["type"] != "http.request":
        return await _read_rest(message, body, receive, limit)
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _read_rest(message: Any, body: bytes, receive: Receive, limit: int) -> bytes:
    parts, size = [body], len(body)
    while True:
        if message["type"] != "http.request":
            raise ClientGone
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])


def _too_large(limit: int) -> Problem:
    return Problem("body-too-large", f"The body may have {limit:,} bytes.", field="body")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Problem("invalid-field", "The field is there twice.", field=twice[:_QUOTED])
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# The usual body: one field, a string without escapes. Reading it so takes a third of the time of the decoder, which
# reads all others and would read this one to the same value.
_S = r"[ \t\n\r]*"
_usual_query = re.compile(rf'{_S}{{{_S}"query"{_S}:{_S}"([^"\\\x00-\x1f]*)"{_S}}}{_S}'.encode()).fullmatch

_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


def json_query(body: bytes) -> Any:
    """Return the value of the field ``query``, as `json_object` does, and fast where it is a plain string."""
    usual = _usual_query(body)
    if usual is not None:
        try:
            return usual[1].decode()
        except UnicodeDecodeError:
            pass  # the decoder says where
    return json_object(body, "query")


def json_object(body: bytes, field: str) -> Any:
    """Return the value of the one field of a JSON object, read as `json_fields` does."""
    return json_fields(body, (field,))[field]


def json_fields(body: bytes, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the fields of a JSON object: all that are needed, any that are optional, and no others.

    Stricter than `json.loads`: UTF-8 only, no NaN, no name twice.

    Raises:
        Problem: naming the field where the text is JSON, and the place where it is not.
    """
    try:
        document = _decode(body.decode())
    except UnicodeDecodeError as error:
        raise Problem("invalid-encoding", f"Byte {error.start} of the body is not UTF-8.", field="body") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem("malformed-json", f"The body is not valid JSON: {error.msg}, {where}.", field="body") from error
    except RecursionError as error:
        raise Problem("malformed-json", "The body is nested too deeply.", field="body") from error
    except ValueError as error:
        # Python reads no integer of more than 4,300 digits, and _constant refuses NaN and Infinity.
        raise Problem("malformed-json", "The body has a number that cannot be read.", field="body") from error
    if type(document) is not dict:
        raise Problem("invalid-field", "The body must be a JSON object.", field="body")
    for name in document:
        if name not in needed and name not in optional:
            known = ", ".join(map(repr, (*needed, *optional)))
            raise Problem("unknown-field", f"There is {known}, and no other field.", field=name[:_QUOTED])
    for name in needed:
        if name not in document:
            raise Problem("missing-field", f"The field {name!r} is missing.", field=name)
    return document


def query_parameter(query_string: bytes, limit: int) -> str:
    """Return the value of ``q``, the one parameter of a query string, decoded; ``+`` is a space.

    A percent sign that starts no escape stands for itself, as browsers have it.

    Raises:
        Problem: where it is absent, there twice, not UTF-8, or not alone, or the query string has over `limit` bytes.
    """
    if len(query_string) > limit:
        raise Problem("uri-too-long", f"A query string may have {limit:,} bytes.", field="q")
    try:
        text = query_string.decode()
    except UnicodeDecodeError:
        text = "%"  # read below, where it is said what is wrong
    # The usual one: nothing but the parameter, and nothing escaped in it but spaces.
    if text.startswith("q=") and "%" not in text and "&" not in text:
        return text[2:].replace("+", " ")
    value = unquote_to_bytes(_only_q(query_string).replace(b"+", b" "))
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Problem("invalid-encoding", "The parameter 'q' is not UTF-8.", field="q") from error


def _only_q(query_string: bytes) -> bytes:
    values = []
    for part in query_string.split(b"&"):
        key, _, value = part.partition(b"=")
        if part and key != b"q":
            readable = unquote_to_bytes(key).decode("utf-8", "replace")
            raise Problem("unknown-field", "The only parameter is 'q'.", field=readable[:_QUOTED])
        if part:
            values.append(value)
    if not values:
        raise Problem("missing-field", "The parameter 'q' is missing.", field="q")
    if len(values) > 1:
        raise Problem("invalid-field", "The parameter is there twice.", field="q")
    return values[0]
