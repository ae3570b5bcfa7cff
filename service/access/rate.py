"""How often a client may ask: the generic cell rate algorithm (ITU-T I.371), one number a client.

The number is the time at which the client will have used up nothing. Each request moves it on by the interval between
two requests; one that would move it further ahead than the burst is refused. Only the monotonic clock counts, so that
a clock that is set neither frees anybody nor shuts anybody out.
"""

from __future__ import annotations

import ipaddress
import math
from typing import Final

__all__ = ["AddressBuckets", "Bucket", "Rate"]

_MOST_ADDRESSES: Final = 65_536
_IPV6_SITE: Final = 64
"""Bits of an IPv6 address that one client cannot choose at will."""


class Bucket:
    """What one client has used; ``due`` is when it will have used nothing, on the monotonic clock."""

    __slots__ = ("due",)

    def __init__(self) -> None:
        self.due = 0.0


class Rate:
    """Requests a second, and how many may come at once.

    Args:
        per_second: Above 0.
        burst: At least 1.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self.burst = burst
        self.window = max(1, math.ceil(burst / per_second))
        self._interval = 1 / per_second
        self._ahead = (burst - 1) * self._interval

    def take(self, bucket: Bucket, now: float) -> float:
        """Count one request; return 0, or the seconds to wait where it is one too many and was not counted."""
        due = bucket.due
        if due < now:
            due = now
        wait = due - now - self._ahead
        # What is left of a sum of intervals is no reason to refuse.
        if wait > 1e-9:
            return wait
        bucket.due = due + self._interval
        return 0.0

    def charge(self, bucket: Bucket, now: float, count: int) -> None:
        """Count further requests that came with one which was admitted: who asks many at once waits after it."""
        bucket.due = max(bucket.due, now) + count * self._interval


class AddressBuckets:
    """Buckets by client address, of IPv6 by its first 64 bits; at most 65,536, and beyond that one for all others.

    IPv4 in the form of IPv6, as a socket that takes both has it, counts as IPv4.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._others = Bucket()
        self._next_sweep = 0.0

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, address: str, now: float) -> Bucket:
        """Return the bucket of an address."""
        site = address if ":" not in address else _site(address)
        bucket = self._buckets.get(site)
        if bucket is None:
            if len(self._buckets) >= _MOST_ADDRESSES:
                self._sweep(now)
            if len(self._buckets) >= _MOST_ADDRESSES:
                return self._others
            bucket = self._buckets[site] = Bucket()
        return bucket

    def _sweep(self, now: float) -> None:
        if now >= self._next_sweep:
            self._next_sweep = now + 1
            # One that is empty is as good as a new one.
            self._buckets = {site: bucket for site, bucket in self._buckets.items() if bucket.due > now}


def _site(address: str) -> str:
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, _IPV6_SITE), strict=False))
