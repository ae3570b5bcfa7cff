"""Runs the service with uvicorn."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import uvicorn

from release import open_release, open_retriever
from service.app import Service, create_app
from service.settings import Settings, settings_adapter

__all__ = ["app_from_environment", "serve"]

RELEASE_VARIABLE = "QUERYWISE_RELEASE"
"""Environment variable with the folder of the release, for `app_from_environment`."""

SETTINGS_VARIABLE = "QUERYWISE_SERVICE_SETTINGS"
"""Environment variable with the settings as JSON, for `app_from_environment`; the defaults where it is absent."""


def app_from_environment() -> Service:
    """Make the service of a worker process; its parent has verified the release."""
    settings = settings_adapter.validate_json(os.environ.get(SETTINGS_VARIABLE, "{}"))
    folder = Path(os.environ[RELEASE_VARIABLE])
    app = create_app(folder, settings=settings, load_retriever=open_retriever, verify=False)
    # What is loaded by now stays for good, and the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    return app


def serve(
    release: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    settings: Settings | None = None,
) -> None:
    """Serve a release until the process is told to stop.

    A link such as ``current`` is followed once, now, so that all workers serve one release, also those that are
    started again later; to move to another release, start the service again.

    Nothing that a client sends is logged: there is no access log, and errors are logged by type.

    Args:
        release: The folder of the release, or a link to it.
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes; each maps the same files.
        settings: Limits on requests, and how the student works.

    Raises:
        QuerywiseError: where the release does not verify, its index cannot be opened, or its student cannot run where
            it should; nothing listens then.
    """
    folder, settings = release.resolve(), settings or Settings()
    open_release(folder, load_retriever=open_retriever, provider=settings.provider).close()
    os.environ[RELEASE_VARIABLE] = str(folder)
    os.environ[SETTINGS_VARIABLE] = settings_adapter.dump_json(settings).decode()
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
