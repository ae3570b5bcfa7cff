"""What may keep an answer, for how long, and how it asks whether the answer still holds (RFC 9110, RFC 9111).

An answer depends on the release and the address alone, so that the tag is of the release and the normalised query:
whoever has an answer of the release that is served has nothing to be sent.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from zlib import crc32

from starlette.types import Scope

from release import Release
from service.connections.one_write import Header
from service.seen.seen import outcome_of
from service.settings import Settings

__all__ = ["NO_STORE", "cache_control", "is_degraded", "is_held", "tag_of"]

NO_STORE: Final[Header] = (b"cache-control", b"no-store")

# Commas may stand inside a tag.
_tags = re.compile(rb'(?:W/)?("[^"]*")').findall


def cache_control(settings: Settings) -> Header:
    """Return the header that says how long an answer may be kept, and whether only by the client."""
    fresh = f"max-age={settings.cache_seconds}" if settings.cache_seconds else "no-cache"
    return b"cache-control", (fresh if settings.keys is None else f"private, {fresh}").encode()


def tag_of(release: Release, normalised: str) -> bytes:
    """Return the entity tag of an answer to a GET, quotes included; a query with half a surrogate pair has none."""
    return b'"%b-%08x"' % (_opaque(release.id), crc32(normalised.encode()))


@lru_cache(maxsize=8)
def _opaque(release_id: str) -> bytes:
    """Return an id with nothing in it that may not stand in a tag."""
    return re.sub(r"[^!#-~]", "_", release_id).encode()


def is_degraded(answer: bytes) -> bool:
    """Whether an answer lacks a part that the next one to the same query may have, so that no one may keep it."""
    return outcome_of(answer).reason == "degraded"


def is_held(scope: Scope, tag: bytes) -> bool:
    """Whether the client says, in ``If-None-Match``, that it has the answer; tags are compared weakly."""
    for name, value in scope["headers"]:
        if name == b"if-none-match" and (value.strip() == b"*" or tag in _tags(value)):
            return True
    return False
