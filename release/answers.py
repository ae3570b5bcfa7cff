"""The bytes of a precomputed answer.

An answer is ``{"query":<the text as sent>,`` and then a value which depends on the normalised query alone. The value
is stored; the echo is put in front of it when it is served.
"""

from __future__ import annotations

import dataclasses
import hashlib
from json.encoder import encode_basestring

from domain import Understanding
from domain.understanding import understanding_adapter

__all__ = ["echo", "entry_digest", "json_string", "parse", "render", "stamp", "unstamp"]

_OPENING = b'{"query":"",'
_UNSTAMPED = b'"release":""'


def render(understanding: Understanding) -> bytes:
    """Return the value of a precomputed answer, still without the id of a release."""
    precomputed = dataclasses.replace(understanding, query="", source="head", reason="precomputed", release="")
    return understanding_adapter.dump_json(precomputed).removeprefix(_OPENING)


def stamp(value: bytes, release_id: str) -> bytes:
    """Put the id of the release into a rendered value.

    The marker cannot occur inside a JSON string, where its quotes would be escaped, so the first one is the field.
    """
    return value.replace(_UNSTAMPED, _stamped(release_id), 1)


def unstamp(value: bytes, release_id: str) -> bytes:
    """Undo `stamp`."""
    return value.replace(_stamped(release_id), _UNSTAMPED, 1)


def entry_digest(key: bytes, unstamped: bytes) -> bytes:
    """Digest one answer under its key, before it is stamped."""
    return hashlib.sha256(len(key).to_bytes(4) + key + unstamped).digest()


def _stamped(release_id: str) -> bytes:
    return b'"release":' + json_string(release_id)


def json_string(text: str) -> bytes:
    """Return a text as a JSON string in UTF-8.

    Raises:
        UnicodeEncodeError: on a lone surrogate, which has no UTF-8 form.
    """
    return encode_basestring(text).encode()


def echo(raw: str, value: bytes) -> bytes:
    """Return the whole answer: the text as sent, then the value."""
    return b'{"query":' + encode_basestring(raw).encode() + b"," + value


def parse(raw: str, value: bytes) -> Understanding:
    """Return the answer as a value; `raw` may hold anything, lone surrogates too."""
    return dataclasses.replace(understanding_adapter.validate_json(_OPENING + value), query=raw)
