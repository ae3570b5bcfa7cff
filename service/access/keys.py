"""API keys: made once, kept as digests in a file, and looked up there by whoever is asked.

A key is 256 random bits, so its digest is a plain SHA-256: slow hashes protect what people choose, for that can be
guessed, and here each request would pay for them. Nobody finds a key from its digest at any speed.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from domain.errors import UserError
from domain.files import replace_atomically

__all__ = ["Key", "MadeKey", "Role", "digest_of", "make_secret", "read_keys", "write_keys"]

Role = Literal["read", "admin"]
"""What a key opens: ``read`` all that answers about the shop, ``admin`` that and what changes the service."""

_START: Final = "qw_"
_SHOWN: Final = 6
_NAMES: Final = "a name has up to 64 letters, digits, '.', '_' and '-', and begins with a letter or digit"
_WRITABLE_BY_OTHERS: Final = 0o022

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as it is kept.

    Attributes:
        name: Whose it is, as logs have it.
        role: What it opens.
        prefix: How it begins, so that people tell keys apart: 36 of its 256 bits.
        digest: Its SHA-256, in hexadecimal.
        created: When the first key of this name was made.
        rotated: When this one took the place of another, or None.
        expires: From when on it is none, or None.
        previous: The digest of the one before, or None.
        previous_expires: From when on that is none.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    role: Role
    prefix: Annotated[str, Field(max_length=16)]
    digest: Digest
    created: datetime
    rotated: datetime | None = None
    expires: datetime | None = None
    previous: Digest | None = None
    previous_expires: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class MadeKey:
    """A new key, as it is shown once; what is kept is ``prefix`` and ``digest``."""

    secret: str
    prefix: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class _File:
    __pydantic_config__ = ConfigDict(extra="forbid")

    keys: tuple[Key, ...]


_file: Final[TypeAdapter[_File]] = TypeAdapter(_File)


def make_secret() -> MadeKey:
    """Make a key of 256 random bits."""
    secret = _START + secrets.token_urlsafe(32)
    return MadeKey(secret=secret, prefix=secret[: len(_START) + _SHOWN], digest=digest_of(secret.encode()))


def digest_of(secret: bytes) -> str:
    """Return the digest under which a key is kept."""
    return hashlib.sha256(secret).hexdigest()


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a file of keys.

    Raises:
        UserError: it cannot be read, is not what `write_keys` writes, or others than its owner may write to it.
    """
    hint = f"`querywise keys add --file {path}` makes one"
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read()
    except OSError as error:
        raise UserError(f"{path}: the keys cannot be read: {error.strerror}", hint=hint) from None
    if mode & _WRITABLE_BY_OTHERS:
        raise UserError(f"{path}: others may write to this file of keys", hint=f"chmod 600 {path}")
    return _parse(path, content, hint)


def _parse(path: Path, content: bytes, hint: str) -> tuple[Key, ...]:
    try:
        keys = _file.validate_json(content).keys
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{path}: {f'{where}: ' if where else ''}{first['msg']}", hint=hint) from None
    if len({key.name for key in keys}) < len(keys) or len({key.digest for key in keys}) < len(keys):
        raise UserError(f"{path}: a key is there twice", hint="each has a name of its own")
    if any(each is not None and each.tzinfo is None for key in keys for each in (key.expires, key.previous_expires)):
        raise UserError(f"{path}: a time has no offset from UTC", hint="write it as 2027-01-01T00:00:00Z")
    return keys


def write_keys(path: Path, keys: Iterable[Key]) -> None:
    """Write a file of keys that its owner alone may read; the one that is there is replaced as a whole.

    Raises:
        UserError: a key is not one that could be read again: its name is no name.
        OSError: it cannot be written, and the old one is as it was.
    """
    content = _file.dump_json(_File(keys=tuple(keys)), indent=1, exclude_none=True)
    _parse(path, content, _NAMES)
    with replace_atomically(path) as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content + b"\n")
