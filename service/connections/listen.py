"""Where the service listens: one address for everybody and, where it is asked for, one for those who run it."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import sys
from contextlib import ExitStack
from types import FrameType
from typing import Any, Final

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from domain.errors import UserError
from service.settings import Settings

__all__ = ["bind", "listen"]

_OTHER_FILES: Final = 256
"""Descriptors that are no connections: the release, logs, the event loop."""

_HINT: Final = "pass --{0}port with another one, or --{0}host with an address of this machine"

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

    Raises:
        UserError: an address cannot be had, or both have one port.
    """
    if port == settings.admin_port:
        raise UserError(f"--port and --admin-port are both {port}", hint="pass --admin-port with another one")
    with ExitStack() as stack:
        sockets = [stack.enter_context(bind(host, port, hint=_HINT.format("")))]
        if settings.admin_port is not None:
            sockets.append(
                stack.enter_context(bind(settings.admin_host, settings.admin_port, hint=_HINT.format("admin-")))
            )
        _allow_files(settings.max_connections + _OTHER_FILES)
        config = uvicorn.Config(app, workers=workers, **_OPTIONS)
        if workers > 1:
            parent = _Workers(config, sockets=sockets)
            parent.run()
            started = all(process.exitcode != STARTUP_FAILURE for process in parent.processes)
        else:
            server = uvicorn.Server(config)
            try:
                server.run(sockets)
            except KeyboardInterrupt:
                pass
            started = server.started
    if not started:
        sys.exit(STARTUP_FAILURE)


def bind(host: str, port: int, *, hint: str, backlog: int | None = None) -> socket.socket:
    """Return a socket at an address; one of IPv6 takes IPv4 too where the address is that of all.

    Args:
        host: An address of this machine, or a name, of which the first of IPv4 is taken.
        port: The port; 0 takes a free one.
        hint: What to do where it cannot be had.
        backlog: Connections that may wait from now on; None: it does not listen yet, and refuses them.

    Raises:
        UserError: it cannot be had.
    """
    try:
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET))
            # Else a server that was killed keeps its port from the next one for a minute.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            if backlog is not None:
                listener.listen(backlog)
            stack.pop_all()  # it stays open
    except (OSError, TypeError) as error:  # the latter for what can be no name of a host
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise UserError(f"port {port} is taken", hint=hint) from None
        why = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"port {port} of {host} cannot be had: {why}", hint=hint) from None
    return listener


class _Workers(Multiprocess):
    """Notices at once that a worker died while it was asked whether it is well, and hears a second signal to stop."""

    def keep_subprocess_alive(self) -> None:
        # uvicorn keeps the worker's end of the pipe open in this process too: no end of file comes, and for five
        # seconds it waits for an answer while no other worker takes the place.
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()

    def join_all(self) -> None:
        # The workers were told to stop; from here on uvicorn hears nothing.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._pass_on)
        super().join_all()

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)


def _allow_files(wanted: int) -> None:
    """Let this process and its workers open as many files as they may need, as far as the system lets them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
