"""The event loop of a worker: uvloop's, which takes on every connection that waits.

libuv accepts one connection in a turn of the loop (libuv 1.45, pull request 3696). While turns are short nobody feels
that; where one takes 60 ms, sixteen connections a second are taken on, and all others wait where nothing measures them
and nobody turns them away.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

import uvloop
from uvicorn.config import STARTUP_FAILURE

__all__ = ["Loop"]

_EVERY: Final = 0.010
_AT_ONCE: Final = 64
"""Connections taken on between two turns; what is left is taken on after the next, or by another worker."""

_log = logging.getLogger(__name__)


class Loop(uvloop.Loop):
    """Takes on, a hundred times a second, the connections that wait, beside the one of each turn."""

    async def create_server(
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *args: Any, **options: Any
    ) -> Any:
        """Listen as uvloop does; plain TCP is taken on in numbers."""
        given = options.get("sock")
        address = given.getsockname() if given is not None else None
        server: Any = await super().create_server(protocol_factory, *args, **options)
        if None in server.sockets:
            # Another program had bound it too, and was the first to listen; uvloop raises nothing.
            _log.error("the address %s is taken", address)
            logging.disable()  # uvicorn has a traceback for the application that ends with the process
            sys.exit(STARTUP_FAILURE)
        if options.get("ssl") is None:
            for listening in server.sockets:
                # A descriptor of our own: the number of the server's may be another file's as soon as it is closed.
                self._accept(server, socket.socket(fileno=os.dup(listening.fileno())), protocol_factory)
        return server

    def _accept(
        self,
        server: asyncio.AbstractServer,
        listening: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        if not server.is_serving():
            listening.close()
            return
        try:
            for _ in range(_AT_ONCE):
                connection, _ = listening.accept()
                connection.setblocking(False)
                task = self.create_task(self.connect_accepted_socket(protocol_factory, connection))
                task.add_done_callback(_look)
        except OSError:
            pass  # nobody waits; or there are no descriptors left, of which libuv tells
        self.call_later(_EVERY, self._accept, server, listening, protocol_factory)


def _look(task: asyncio.Task[Any]) -> None:
    """Let a connection that broke as it was taken on go, as libuv does."""
    if not task.cancelled():
        task.exception()
