"""Writes an export of a release, and puts it in the place of the last one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from domain.errors import UserError
from domain.files import sync_folder
from release.exports.elasticsearch import write_elasticsearch
from release.exports.opensearch import write_opensearch
from release.exports.policy import Policy
from release.exports.querqy import write_querqy
from release.exports.selection import Selection, select_rules
from release.exports.settings import Engine, ExportSettings
from release.exports.sidecar import ABOUT, About, Tally, about_file, about_of, read_about, rules_file
from release.exports.solr import write_solr
from release.exports.written import File, Written

__all__ = ["Export", "save_export"]

_WRITERS: Final[Mapping[Engine, Callable[[Selection, ExportSettings], Written]]] = MappingProxyType(
    {
        "querqy": write_querqy,
        "elasticsearch": write_elasticsearch,
        "opensearch": write_opensearch,
        "solr": write_solr,
    }
)


@dataclass(frozen=True, kw_only=True)
class Export:
    """What to tell a search engine of a release; equal ones are written as equal bytes.

    Attributes:
        release: Its folder.
        engine: Whom it is for.
        today: What has expired by this day is left out.
        settings: What the index is like.
        policy: How sure a rule must be, and how long it lasts.
    """

    release: Path
    engine: Engine
    today: date
    settings: ExportSettings = field(default_factory=ExportSettings)
    policy: Policy = field(default_factory=Policy)


def save_export(export: Export, output: Path) -> About:
    """Write an export as a folder, in one step, in the place of the last one.

    The folder is whole at every moment: a process that is killed leaves the last export, or this one. What killed
    processes left beside it goes.

    Args:
        export: What to write.
        output: The folder. Where it is there, it is empty or holds an export and nothing else.

    Returns:
        What was written, in figures.

    Raises:
        ReleaseError: as `select_rules`.
        UserError: where it is a file, holds something else, or is the working folder or one above it; nothing is
            written then.
    """
    output = output.resolve()
    _check_free(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        select_rules(export.release, policy=export.policy, today=export.today) as selection,
        _alone_in(output.parent),
    ):
        for leftover in output.parent.glob(f".{output.name}.*.export"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = output.with_name(f".{output.name}.{os.getpid()}.export")
        fresh.mkdir()
        try:
            about = _write_all(export, selection, fresh)
            sync_folder(fresh)
            _check_free(output)  # again, for what is in it goes, and it may have been a while
            if output.is_dir():
                _exchange(fresh, output)
            else:
                fresh.rename(output)
            sync_folder(output.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return about


def _check_free(output: Path) -> None:
    """Raise UserError unless an export may take this place."""
    if Path.cwd().is_relative_to(output):
        raise UserError(f"{output} is in use as the working folder", hint="cd elsewhere, or give another --output")
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is not a folder", hint="--output takes a folder, which is made if needed")
    names = {path.name for path in output.iterdir()} if output.is_dir() else set()
    if names and (others := names - {ABOUT, *read_about(output).files}):
        raise UserError(
            f"{output} holds {min(others)!r}, which is no part of the export",
            hint="move it away, or give another --output: the whole folder is replaced",
        )


def _write_all(export: Export, selection: Selection, folder: Path) -> About:
    tally, written = Tally(), _WRITERS[export.engine](selection, export.settings)
    files = {file.name: _write(file, folder) for file in chain([rules_file(selection, tally)], written.files)}
    about = about_of(
        selection,
        tally,
        engine=export.engine,
        settings=export.settings,
        policy=export.policy,
        day=export.today,
        unwritable=written.unwritable,
        files=files,
    )
    _write(about_file(about), folder)
    return about


def _write(file: File, folder: Path) -> str:
    """Write a file to the disk, and return its SHA-256."""
    digest = hashlib.sha256()
    with (folder / file.name).open("wb") as out:
        for line in file.lines:
            data = f"{line}\n".encode()
            digest.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let nobody else save an export in a folder meanwhile; what is half done there is then nobody's."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _exchange(fresh: Path, output: Path) -> None:
    """Let two folders change names: in one step where the system can do that, else with a moment between two."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        at_work_folder, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
        if rename(at_work_folder, os.fsencode(fresh), at_work_folder, os.fsencode(output), exchange) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(code, os.strerror(code), os.fspath(output))
    last = fresh.with_suffix(".last.export")
    output.rename(last)
    try:
        fresh.rename(output)
    except OSError:
        last.rename(output)
        raise
    shutil.rmtree(last)
