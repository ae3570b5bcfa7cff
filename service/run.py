"""Runs the service with uvicorn."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from domain.errors import ReleaseError, UserError
from release import open_retriever
from service.access.front import check_front
from service.app import Service, create_app
from service.connections.listen import listen
from service.following.following import Followed
from service.following.opening import Opener, place_of
from service.following.source import first_fetch, followed, source_of
from service.memory import give_back_large_blocks
from service.seen.board import Board
from service.seen.instruments import BOARD_VARIABLE
from service.seen.traces import check_traces
from service.settings import Settings, settings_adapter
from service.split.split import open_other

__all__ = ["app_from_environment", "serve"]

_YOUNG: Final = 10_000
"""Objects made, less those freed, after which the garbage collector looks at the young ones."""

_PAUSE: Final = 1.0
_log = logging.getLogger(__name__)

RELEASE_VARIABLE = "QUERYWISE_RELEASE"
"""Environment variable with the folder of the release, for `app_from_environment`."""

LINK_VARIABLE: Final = "QUERYWISE_RELEASES"
"""Environment variable with the link or the URL that `app_from_environment` follows, in the place of the other one."""

SETTINGS_VARIABLE = "QUERYWISE_SERVICE_SETTINGS"
"""Environment variable with the settings as JSON, for `app_from_environment`; the defaults where it is absent."""


def app_from_environment() -> Service:
    """Make the service of a worker process; its parent has verified the release."""
    give_back_large_blocks()
    settings = settings_adapter.validate_json(os.environ.get(SETTINGS_VARIABLE, "{}"))
    link = os.environ.get(LINK_VARIABLE)
    source = followed(link, settings) if link else Path(os.environ[RELEASE_VARIABLE])
    app = create_app(source, settings=settings, load_retriever=open_retriever, verify=False)
    if app.following is not None and multiprocessing.parent_process() is not None:
        app.following.in_vain = _start_again
    # What is loaded by now stays for good, and the garbage collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    # An answer of the student makes hundreds of objects and no cycle: by default a search would follow every other one.
    gc.set_threshold(_YOUNG, 10, 10)
    return app


def _start_again(error: ReleaseError) -> None:
    """End this worker with a status on which its parent starts another; on that of a failed start it would end all.

    That is for files that are gone under a running service: those who have them open answer on.
    """
    _log.error("a worker has no release to open, and tries again: %s", error)
    time.sleep(_PAUSE)
    os._exit(os.EX_TEMPFAIL)


def serve(
    release: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    workers: int = 1,
    settings: Settings | None = None,
) -> None:
    """Serve a release until the process is told to stop.

    A link such as ``current`` is followed as long as the service runs, unless the settings say otherwise: then it is
    followed once, now, and all workers serve one release, also those that are started again later.

    Nothing that a client sends is logged: there is no access log, and errors are logged by type.

    Args:
        release: The folder of the release, a link to it, a folder with ``current`` in it, or the URL of such a folder.
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes; each maps the same files.
        settings: Limits on requests, and how the student works.

    Raises:
        QuerywiseError: where the release does not verify, its index cannot be opened, its student cannot run where it
            should, or the keys cannot be read; nothing listens then.
    """
    settings = settings or Settings()
    check_front(settings)
    give_back_large_blocks()
    if settings.otel:
        check_traces()
    source = source_of(str(release), settings)
    with _shared_folder() as shared:
        Board.create(shared, workers)
        os.environ[BOARD_VARIABLE] = str(shared)
        os.environ[SETTINGS_VARIABLE] = settings_adapter.dump_json(settings).decode()
        os.environ.pop(LINK_VARIABLE, None)
        if isinstance(source, Followed):
            first_fetch(source)
            os.environ[LINK_VARIABLE] = str(release) if source.source is not None else str(source.link)
        else:
            os.environ[RELEASE_VARIABLE] = str(source)
        opener = Opener(provider=settings.provider, load_retriever=open_retriever, shared=shared)
        path = source.link if isinstance(source, Followed) else source
        with opener.open(place_of(path)) as opened:
            beside, shop = path.parent, opened.manifest.shop
        other = open_other(settings, beside=beside, shop=shop, load_retriever=open_retriever)
        if other is not None:
            other.close()
        listen("service.run:app_from_environment", host=host, port=port, workers=workers, settings=settings)


@contextmanager
def _shared_folder() -> Iterator[Path]:
    """Make a folder that the workers of this service share, and remove it however the service ends in order."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="querywise-"))
    except OSError as error:
        hint = "give the service some writable place: a tmpfs on /tmp, or TMPDIR=/dev/shm"
        raise UserError(f"there is no folder for what the workers share: {error.strerror}", hint=hint) from None

    def end(number: int, _: FrameType | None) -> None:
        # uvicorn raises the signal that ended it once more when it is done, and that ends the process where it stands.
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield folder
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(folder, ignore_errors=True)
