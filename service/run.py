"""Runs the service with uvicorn."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import uvicorn

from release import open_release, open_retriever
from service.app import Service, create_app

__all__ = ["app_from_environment", "serve"]

RELEASE_VARIABLE = "QUERYWISE_RELEASE"
"""Environment variable with the folder of the release, for `app_from_environment`."""


def app_from_environment() -> Service:
    """Make the service of a worker process; its parent has verified the release."""
    app = create_app(Path(os.environ[RELEASE_VARIABLE]), load_retriever=open_retriever, verify=False)
    # What is loaded by now stays for good, and the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return app


def serve(release: Path, *, host: str = "127.0.0.1", port: int = 8080, workers: int = 1) -> None:
    """Serve a release until the process is told to stop.

    A link such as ``current`` is followed once, now, so that all workers serve one release, also those that are
    started again later; to move to another release, start the service again.

    Nothing that a client sends is logged: there is no access log, and errors are logged by type.

    Args:
        release: The folder of the release, or a link to it.
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes; each maps the same files.

    Raises:
        QuerywiseError: where the release does not verify, or its index cannot be opened; nothing listens then.
    """
    folder = release.resolve()
    open_release(folder, load_retriever=open_retriever).close()
    os.environ[RELEASE_VARIABLE] = str(folder)
    uvicorn.run(
        "service.run:app_from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        # No answer depends on the client's address, and each of these costs a few microseconds a request.
        proxy_headers=False,
        server_header=False,
        # Longer than balancers keep idle connections, so that the service is never the one to close first.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
    )
