"""Runs the service with a review, on this machine alone."""

from __future__ import annotations

import socket

import uvicorn

from service.app import Service
from service.connections.listen import bind

__all__ = ["listen", "serve_review"]

HOST = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1; port 0 takes a free one.

    Raises:
        UserError: when the port cannot be had.
    """
    return bind(HOST, port, hint="pass --port with another one, or --port 0 for any", backlog=128)


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
