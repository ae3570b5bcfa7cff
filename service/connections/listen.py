"""Where the service listens: one address for everybody and, where it is asked for, one for those who run it."""

from __future__ import annotations

import resource
import socket
import sys
from typing import Any, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from service.settings import Settings

__all__ = ["listen"]

_OTHER_FILES: Final = 256
"""Descriptors that are no connections: the release, logs, the event loop."""

_OPTIONS: Final[dict[str, Any]] = {
    "factory": True,
    "http": "service.connections.protocol:Connection",
    "loop": "service.connections.loop:Loop",
    "ws": "none",
    "lifespan": "on",
    "log_level": "warning",
    "access_log": False,
    # No answer depends on the client's address, and each of these costs a few microseconds a request.
    "proxy_headers": False,
    "server_header": False,
    # Longer than balancers keep idle connections, so that the service is never the one to close first.
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": 10,
}


def listen(app: str, *, host: str, port: int, workers: int, settings: Settings) -> None:
    """Run an application that a factory makes, until the process is told to stop.

    Both addresses are bound here, once, and every worker accepts from both: the service tells them apart by the port
    that a connection came in by, which no client chooses.

    Args:
        app: The factory, as ``module:name``.
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes.
        settings: Of which it takes the second address, and how many connections there may be.
    """
    _allow_files(settings.max_connections + _OTHER_FILES)
    config = uvicorn.Config(app, host=host, port=port, workers=workers, **_OPTIONS)
    sockets: list[socket.socket] = []
    if workers > 1 or settings.admin_port is not None:
        sockets.append(config.bind_socket())
    if settings.admin_port is not None:
        sockets.append(
            uvicorn.Config(app, host=settings.admin_host, port=settings.admin_port, **_OPTIONS).bind_socket()
        )
    if workers > 1:
        _Workers(config, sockets=sockets).run()
        return
    server = uvicorn.Server(config)
    try:
        server.run(sockets or None)
    except KeyboardInterrupt:
        pass
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _Workers(Multiprocess):
    """Notices at once that a worker died while it was asked whether it is well.

    uvicorn keeps the worker's end of the pipe open in this process too: no end of file comes, and for five seconds
    it waits for an answer while no other worker takes the place.
    """

    def keep_subprocess_alive(self) -> None:
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()


def _allow_files(wanted: int) -> None:
    """Let this process and its workers open as many files as they may need, as far as the system lets them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
