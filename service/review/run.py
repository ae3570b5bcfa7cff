"""Runs the service with a review, on this machine alone."""

from __future__ import annotations

import errno
import socket

import uvicorn

from domain import UserError
from service.app import Service

__all__ = ["listen", "serve_review"]

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1; port 0 takes a free one.

    Raises:
        UserError: when the port cannot be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Else a server that was killed keeps its port from the next one for a minute.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had: {error.strerror}"
        raise UserError(f"port {port} {why}", hint="pass --port with another one, or --port 0 for any") from None
    return listener


def serve_review(app: Service, listener: socket.socket) -> None:
    """Serve until the process is told to stop; nothing that a rater sends is logged."""
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    uvicorn.Server(config).run(sockets=[listener])
