"""Requests that are sent when they are due, whatever has been answered, as by many clients who do not know each other.

A wait runs from when a request was due, so that one which had to wait for a free connection counts that too.
"""

from __future__ import annotations

import math
import random
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence

__all__ = ["waits_at"]


def waits_at(port: int, requests: Sequence[bytes], *, rate: float, seconds: float, connections: int) -> list[float]:
    """Send requests in turn to a server of this machine, at random times, and return their waits in seconds, sorted.

    A request is sent some 0.1 ms after it is due, as exact as a sleep is. To look at the clock again and again would be
    more exact, and take the server's time: two cores of a virtual machine are often one of a real one.

    Args:
        port: Of the server.
        requests: Whole HTTP requests.
        rate: Requests a second, as a Poisson process.
        seconds: For which they fall due.
        connections: How many are under way at most.

    Raises:
        RuntimeError: when an answer is no 200.
    """
    sockets = {made.fileno(): made for made in (_connected(port) for _ in range(connections))}
    idle = list(sockets)
    read = dict.fromkeys(sockets, b"")
    due, sent = deque[float](), dict[int, float]()
    waits: list[float] = []
    times = _times(rate, seconds)
    following = next(times)
    while following < math.inf or due or sent:
        while following <= time.perf_counter():
            due.append(following)
            following = next(times)
        while due and idle:
            number = idle.pop()
            sockets[number].sendall(requests[(len(waits) + len(sent)) % len(requests)])
            sent[number] = due.popleft()
        left = None if following == math.inf else max(0.0, following - time.perf_counter())
        for number in select.select(list(sent), (), (), left)[0]:
            read[number] += sockets[number].recv(1 << 16)
            if _is_whole(read[number]):
                waits.append(time.perf_counter() - sent.pop(number))
                read[number] = b""
                idle.append(number)
    for made in sockets.values():
        made.close()
    return sorted(waits)


def _connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _times(rate: float, seconds: float) -> Iterator[float]:
    draw = random.Random(3)
    at = start = time.perf_counter()
    while (at := at + draw.expovariate(rate)) < start + seconds:
        yield at
    while True:
        yield math.inf


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"the server answered {answer[:200]!r}")
    return bool(end) and len(body) >= int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
