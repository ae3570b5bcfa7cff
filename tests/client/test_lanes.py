"""The connections of the client that blocks, over time."""

from __future__ import annotations

import threading

from querywise_client import Client, idle
from querywise_client.base import KEEPALIVE
from querywise_client.lanes import Lanes
from service.connections import listen
from tests.client.answering import understanding

MILK = understanding("milk")
THREADS = 5


def burst(client: Client, rogue) -> None:
    """Ask from all threads at once, so that each has a connection."""
    gate = threading.Barrier(THREADS)
    rogue.behaviours = [lambda connection, request: (gate.wait(30), connection.sendall(MILK))]
    threads = [threading.Thread(target=client.understand, args=("milk",)) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rogue.behaviours = [MILK]


def test_connections_that_nobody_uses_are_closed(rogue, monkeypatch):
    now = 0.0
    monkeypatch.setattr(idle, "monotonic", lambda: now)
    transport = Lanes(THREADS, verify=False, keepalive=1000)
    with Client(rogue.address, timeout=60, connect_timeout=30, retries=0, transport=transport) as client:
        burst(client, rogue)
        now = 990.0
        client.understand("milk")
        burst(client, rogue)
        assert rogue.connections == THREADS  # none was closed before its time
        now = 1980.0
        client.understand("milk")
        now = 1995.0
        client.understand("milk")
        for _ in range(THREADS - 1):
            assert rogue.ended.acquire(timeout=30)
        client.understand("milk")
        assert rogue.connections == THREADS  # the one that is used stayed
    assert rogue.ended.acquire(timeout=30)


def test_the_client_is_the_first_to_close():
    assert listen._OPTIONS["timeout_keep_alive"] > KEEPALIVE
