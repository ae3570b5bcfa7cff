"""The key that verdicts are signed with.

It is the text of ``QUERYWISE_GATE_KEY``, or else of ``gate.key`` in the shop's work folder; the text of the file may be
put into the variable of another machine, which then signs and checks alike.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from domain.errors import UserError
from domain.files import sync_folder

__all__ = ["GATE_KEY", "GATE_KEY_VARIABLE", "find_gate_key", "gate_key"]

GATE_KEY_VARIABLE = "QUERYWISE_GATE_KEY"
GATE_KEY = "gate.key"
_RANDOM_BYTES = 32
_SHORTEST = 32
_LONGEST = 4096


def gate_key(work: Path) -> bytes:
    """Return the key, and make the file where there is neither variable nor file.

    The file appears whole and only for its owner to read; processes that come at once get one key.

    Args:
        work: The shop's work folder, which is there.

    Raises:
        UserError: where what is set, or in the file, is no key.
    """
    while (key := find_gate_key(work)) is None:
        _make(work / GATE_KEY)
    return key


def find_gate_key(work: Path) -> bytes | None:
    """Return the key, or None where none is at hand.

    Raises:
        UserError: as `gate_key`.
    """
    if (text := os.environ.get(GATE_KEY_VARIABLE)) is not None:
        hint = "`openssl rand -hex 32` makes a key; unset the variable to use the one of the work folder"
        return _checked(os.fsencode(text), GATE_KEY_VARIABLE, hint=hint)
    path = work / GATE_KEY
    try:
        with path.open("rb") as file:
            text_of_file = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return None
    hint = "put it back; or remove the file, and a new one is made, with which every release needs a new verdict"
    return _checked(text_of_file, str(path), hint=hint)


def _checked(text: bytes, where: str, *, hint: str) -> bytes:
    key = text.strip()
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise UserError(f"{where} is no key: a key has {_SHORTEST} to {_LONGEST:,} characters", hint=hint)
    return key


def _make(path: Path) -> None:
    """Make the file, unless another process has made it meanwhile."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)  # its mode is 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secrets.token_hex(_RANDOM_BYTES)}\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link does not replace what is there. A command that starts on the work folder may sweep the
        # temporary file away before this; then there is a next time.
        with suppress(FileExistsError, FileNotFoundError):
            os.link(name, path)
            sync_folder(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)
