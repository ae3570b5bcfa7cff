"""The keys of a running service: looked up by what a client sends, and read anew when their file changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from domain.errors import UserError
from service.access.keys import Key, Role, read_keys
from service.access.rate import Bucket

__all__ = ["Holder", "KeyRing"]

_SECONDS: Final = 1.0
_LONGEST: Final = 200
"""Bytes of an ``Authorization`` that are hashed; a key has 43 after its prefix."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Whose key was sent, what it opens, and what is left of its rate."""

    name: str
    role: Role
    bucket: Bucket


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    digest: bytes
    holder: Holder
    expires: datetime | None


_Stamp = tuple[int, int, int] | None


class KeyRing:
    """The keys of a file, which is looked at once a second.

    A file that cannot be read any more leaves the keys as they were, is complained of once, and is tried again at each
    look: a slip of the operator must lock nobody out. A key that has expired is none, whatever the file.

    Args:
        path: The file.
        now: The clock that tells when a key expires.

    Raises:
        UserError: the file cannot be read at the start.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now
        self._next_look = 0.0
        self._complaint = ""
        self._stamp = self._stat()
        self._keys = read_keys(path)
        self._buckets: dict[str, Bucket] = {}
        # What was sent and found right, whole header values. Looking one up leaks nothing: the table compares hashes
        # under a secret of this process first, and bytes only where all 64 bits of these agree.
        self._known: dict[bytes, Holder] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._soonest: datetime | None = None
        self._arrange()

    def holder(self, authorization: bytes, now: float) -> Holder | None:
        """Return who sends this ``Authorization``, or None where it is no key of ours.

        Args:
            authorization: The value of the header.
            now: Of the monotonic clock, in seconds.
        """
        if now >= self._next_look:
            self.look(now)
        return self._known.get(authorization) or self._find(authorization)

    def look(self, now: float | None = None) -> None:
        """Read the file again if it has changed, and let go of what has expired."""
        self._next_look = (time.monotonic() if now is None else now) + _SECONDS
        stamp = self._stat()
        if stamp != self._stamp:
            try:
                self._keys = read_keys(self._path)
            except UserError as error:
                if str(error) != self._complaint:
                    self._complaint = str(error)
                    _log.error("%s; the keys stay as they were", error)
            else:
                self._stamp, self._complaint = stamp, ""
                _log.warning("the keys were read again: %d", len(self._keys))
                self._arrange()
        if self._soonest is not None and self._now() >= self._soonest:
            self._arrange()

    def _find(self, authorization: bytes) -> Holder | None:
        scheme, _, secret = authorization[:_LONGEST].partition(b" ")
        secret = secret.strip()
        if scheme.lower() != b"bearer" or not secret:
            return None
        # Nobody can aim at a digest, so that the time of finding one tells nothing of the key.
        digest = hashlib.sha256(secret).digest()
        kept = self._kept.get(digest)
        if kept is None or not hmac.compare_digest(kept.digest, digest):
            return None
        if authorization == b"Bearer " + secret:  # one spelling alone, so that there are never more than keys
            self._known[authorization] = kept.holder
        return kept.holder

    def _arrange(self) -> None:
        now = self._now()
        kept = [each for key in self._keys for each in self._both(key) if each.expires is None or each.expires > now]
        self._kept = {each.digest: each for each in kept}
        self._soonest = min((each.expires for each in kept if each.expires is not None), default=None)
        self._known = {}
        names = {key.name for key in self._keys}
        self._buckets = {name: bucket for name, bucket in self._buckets.items() if name in names}

    def _both(self, key: Key) -> list[_Kept]:
        """Return the key, and the one before it while that is still good."""
        bucket = self._buckets.setdefault(key.name, Bucket())
        holder = Holder(name=key.name, role=key.role, bucket=bucket)
        both = [_Kept(digest=bytes.fromhex(key.digest), holder=holder, expires=key.expires)]
        if key.previous is not None and key.previous_expires is not None:
            expires = min(filter(None, (key.previous_expires, key.expires)))
            both.append(_Kept(digest=bytes.fromhex(key.previous), holder=holder, expires=expires))
        return both

    def _stat(self) -> _Stamp:
        try:
            stat = os.stat(self._path)
        except OSError:
            return None
        # Of its times the one that nobody can set, and that a change of its mode or its owner moves too.
        return stat.st_ctime_ns, stat.st_size, stat.st_ino
