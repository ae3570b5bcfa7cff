"""Makes an export of a release, and puts it in the place of the last one."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

from domain.errors import UserError
from domain.files import sync_folder
from release.exports.elasticsearch import write_elasticsearch
from release.exports.opensearch import write_opensearch
from release.exports.policy import Policy
from release.exports.querqy import write_querqy
from release.exports.rule import Rule
from release.exports.selection import Selection, select_rules
from release.exports.settings import Engine, ExportSettings
from release.exports.sidecar import ABOUT, RULES, About, about_json, about_of, read_about, rules_file
from release.exports.solr import write_solr
from release.exports.written import Written

__all__ = ["Export", "make_export", "save_export"]

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
    """The files of an export by name, what they say, and its rules."""

    about: About
    rules: tuple[Rule, ...]
    files: Mapping[str, bytes]


def make_export(release: Path, engine: Engine, *, settings: ExportSettings, policy: Policy, today: date) -> Export:
    """Return what a release tells a search engine; equal arguments give equal bytes.

    Args:
        release: Its folder.
        engine: Whom it is for.
        settings: What the index is like.
        policy: How sure a rule must be, and how long it lasts.
        today: What has expired by this day is left out.

    Raises:
        ReleaseError: as `select_rules`.
    """
    selection = select_rules(release, policy=policy, today=today)
    written = _WRITERS[engine](selection, settings)
    full = Written(files={**written.files, RULES: rules_file(selection)}, unwritable=written.unwritable)
    about = about_of(selection, full, engine=engine, settings=settings, policy=policy, day=today)
    return Export(about=about, rules=selection.rules, files={**full.files, ABOUT: about_json(about)})


def save_export(export: Export, output: Path) -> None:
    """Write an export as a folder, in one step, in the place of the last one.

    The folder is whole at every moment: a process that is killed leaves the last export, or this one. What killed
    processes left beside it goes.

    Args:
        export: What to write.
        output: The folder. Where it is there, it is empty or holds an export.

    Raises:
        UserError: where it is a file, or holds something else; nothing is written then.
    """
    if output.is_symlink():
        output = output.resolve()
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is not a folder", hint="--output takes a folder, which is made if needed")
    if output.is_dir() and any(output.iterdir()):
        read_about(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(output.parent):
        for leftover in output.parent.glob(f".{output.name}.*.export"):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh = output.with_name(f".{output.name}.{os.getpid()}.export")
        fresh.mkdir()
        try:
            for name, data in export.files.items():
                with (fresh / name).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            sync_folder(fresh)
            if output.is_dir():
                _exchange(fresh, output)
            else:
                fresh.rename(output)
            sync_folder(output.parent)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


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
