"""Who may ask what, and how often."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, Final, Literal, get_args

from starlette.types import Scope

from service.access.rate import AddressBuckets, Bucket, Rate
from service.access.ring import KeyRing
from service.problems import Problem
from service.settings import Settings

__all__ = ["Access", "AccessOutcome", "charge", "path_of"]

AccessOutcome = Literal["no_key", "wrong_key", "wrong_role", "key_rate", "address_rate"]
"""Why a request was turned away: no key, one that is none, one that opens less, or too many of a key or an address."""

_OPEN: Final = frozenset({"/", "/docs", "/openapi.json", "/favicon.ico", "/healthz", "/readyz"})
_ADMIN: Final = "/v1/admin"
_METRICS: Final = "/metrics"
_HOLDER: Final = "querywise.key"
_CHARGE: Final = "querywise.charge"
_READ_KEY: Final = "This key has the role read; this needs the role admin."
_UNKNOWN_KEY: Final = "This is no key of this service: it was mistyped, revoked, or has expired."


class Access:
    """Decides on each request before anything of it is read but its head.

    Whatever is not known to be open needs a key, where there are keys: the pages, their files and the two probes are
    open, ``/v1/admin`` needs the role admin, everything else the role read. Without keys everything is open but
    ``/v1/admin``, which is shut.

    Args:
        settings: Of which it takes the keys, the rates, and where administration is.
        clock: Monotonic, in seconds.

    Attributes:
        outcomes: How many requests were turned away, by why.

    Raises:
        UserError: the keys cannot be read.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.outcomes: dict[AccessOutcome, int] = dict.fromkeys(get_args(AccessOutcome), 0)
        self._clock = clock
        self._ring = None if settings.keys is None else KeyRing(settings.keys)
        self._rate: Rate | None = None
        if settings.rate is not None:
            self._rate = Rate(settings.rate, settings.rate_burst or max(1, math.ceil(settings.rate)))
        self._addresses = AddressBuckets() if settings.rate_by_address and self._rate is not None else None
        self._admin_port = settings.admin_port
        self._open = _OPEN | {_METRICS} if settings.open_metrics else _OPEN

    @property
    def on_every_request(self) -> bool:
        """Whether requests about queries must be admitted too; else only those of `shut`."""
        return self._ring is not None or self._addresses is not None

    def admit(self, scope: Scope) -> Problem | None:
        """Return the problem with a request, or None where it may go on; counts it towards its client's rate.

        Afterwards the scope has the name of the key as ``querywise.key``.
        """
        path = path_of(scope)
        if path in self._open or path.startswith("/static/"):
            return None
        now = self._clock()
        bucket: Bucket | None = None
        if self._ring is not None:
            authorization = _authorization(scope)
            if authorization is None:
                return self._turn_away("no_key", "unauthorized", "Send a key, as Authorization: Bearer KEY.")
            holder = self._ring.holder(authorization, now)
            if holder is None:
                return self._turn_away("wrong_key", "forbidden", _UNKNOWN_KEY)
            if holder.role != "admin" and _is_admin(path):
                return self._turn_away("wrong_role", "forbidden", _READ_KEY)
            scope[_HOLDER] = holder.name
            bucket = holder.bucket
        elif self._addresses is not None:
            client = scope.get("client")
            bucket = self._addresses.of(client[0] if client else "", now)
        if self._rate is None or bucket is None:
            return None
        wait = self._rate.take(bucket, now)
        if wait:
            self.outcomes["address_rate" if self._ring is None else "key_rate"] += 1
            return _too_many(self._rate, wait)
        scope[_CHARGE] = (self._rate, bucket, now)
        return None

    def shut(self, scope: Scope) -> Problem | None:
        """Return the problem with a request for what is elsewhere or off: administration and metrics."""
        path = path_of(scope)
        is_admin = _is_admin(path)
        if self._admin_port is not None and (is_admin or path == _METRICS):
            server = scope.get("server")
            if not server or server[1] != self._admin_port:
                return Problem("not-found", "There is nothing at this address.")
        if is_admin and self._ring is None:
            detail = "Administration needs a key: make one with `querywise keys add`, and serve with --keys."
            return Problem("forbidden", detail)
        return None

    def _turn_away(self, outcome: AccessOutcome, kind: Any, detail: str) -> Problem:
        self.outcomes[outcome] += 1
        return Problem(kind, detail, field="authorization")


def _too_many(rate: Rate, wait: float) -> Problem:
    seconds = math.ceil(wait)
    headers = {
        "retry-after": str(seconds),
        # draft-ietf-httpapi-ratelimit-headers-10
        "ratelimit-policy": f'"default";q={rate.burst};w={rate.window}',
        "ratelimit": f'"default";r=0;t={seconds}',
    }
    return Problem("too-many-requests", f"Ask again in {seconds} s.", headers=headers)


def charge(scope: Scope, count: int) -> None:
    """Count what else came with a request that was admitted, such as all queries of a batch but the first."""
    charged = scope.get(_CHARGE)
    if charged is not None and count > 0:
        rate, bucket, now = charged
        rate.charge(bucket, now, count)


def path_of(scope: Scope) -> str:
    """Return the path of a request within the service, also where that is mounted under a prefix."""
    path: str = scope["path"]
    root = scope.get("root_path")
    return path.removeprefix(root) if root else path


def _is_admin(path: str) -> bool:
    return path.startswith(_ADMIN) and path[len(_ADMIN) : len(_ADMIN) + 1] in ("", "/")


def _authorization(scope: Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            found: bytes = value
            return found
    return None
