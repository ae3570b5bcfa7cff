"""Lines of a text file as Arrow batches: bounded memory, exact line numbers, nothing trusted."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
import pyarrow as pa

from domain.errors import ShopError
from domain.quarantine import SAMPLE_LENGTH, Reason

__all__ = ["LINES_SCHEMA", "MAX_LINE", "open_bytes", "read_batches"]

LINES_SCHEMA: Final = pa.schema([("line", pa.int64()), ("text", pa.string()), ("problem", pa.string())])
"""One line: its 1-based number, its text with the line end, and the reason to reject it; then `text` is a sample."""

MAX_LINE: Final = 1 << 24
"""Bytes of a line; a longer one is rejected without being held in memory."""

_CHUNK: Final = 1 << 22
_BOM: Final = b"\xef\xbb\xbf"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked if its name ends in .gz, past a byte order mark.

    Raises:
        ShopError: the file cannot be read, is UTF-16, or is a damaged or truncated gzip: what is missing from that
            cannot be counted, so none of it is taken.
    """
    try:
        with cast(BinaryIO, gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb") as file:
            start = file.read(3)
            if start[:2] in _UTF16:
                raise ShopError(f"{path} is UTF-16", hint="save it as UTF-8")
            if start != _BOM:
                file.seek(0)
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ShopError(f"{path} is a damaged gzip file: {error}", hint="copy or export it again") from None
    except OSError as error:
        raise ShopError(f"{path} cannot be read: {error.strerror or error}") from None


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Yield the lines of a file in order, as batches of `LINES_SCHEMA`."""
    with open_bytes(path) as file:
        line = 1
        held = b""
        while chunk := file.read(_CHUNK):
            whole = held + chunk
            cut = whole.rfind(b"\n") + 1
            held = whole[cut:]
            if cut:
                batch = _batch(whole[:cut], line)
                line += batch.num_rows
                yield batch
            if len(held) > MAX_LINE:
                yield _rejected(held[: SAMPLE_LENGTH * 4], line, Reason.LINE_TOO_LONG)
                line += 1
                held = _skip_line(file)
        if held:
            yield _batch(held, line)


def _skip_line(file: BinaryIO) -> bytes:
    """Read past the end of the line and return what was read beyond it."""
    while chunk := file.read(_CHUNK):
        if cut := chunk.find(b"\n") + 1:
            return chunk[cut:]
    return b""


def _batch(block: bytes, first: int) -> pa.RecordBatch:
    """Cut a block at its line ends, without a copy when all of it is valid."""
    ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == 10).astype(np.int32) + 1
    if not ends.size or ends[-1] != len(block):
        ends = np.append(ends, np.int32(len(block)))
    if b"\0" in block or not _is_utf8(block):
        return _careful(block, first, ends)
    offsets = np.concatenate((np.zeros(1, dtype=np.int32), ends))
    text = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block))
    numbers = pa.array(np.arange(first, first + len(ends), dtype=np.int64))
    return pa.record_batch([numbers, text, pa.nulls(len(ends), pa.string())], schema=LINES_SCHEMA)


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True


def _careful(block: bytes, first: int, ends: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.RecordBatch:
    texts, problems = [], []
    start = 0
    for end in ends.tolist():
        raw = block[start:end]
        problem = Reason.NUL_BYTE if b"\0" in raw else None if _is_utf8(raw) else Reason.NOT_UTF8
        problems.append(problem and str(problem))
        texts.append(_sample(raw) if problem else raw.decode())
        start = end
    numbers = pa.array(range(first, first + len(texts)), pa.int64())
    return pa.record_batch(
        [numbers, pa.array(texts, pa.string()), pa.array(problems, pa.string())], schema=LINES_SCHEMA
    )


def _rejected(raw: bytes, line: int, reason: Reason) -> pa.RecordBatch:
    return pa.record_batch(
        [pa.array([line], pa.int64()), pa.array([_sample(raw)]), pa.array([str(reason)])], schema=LINES_SCHEMA
    )


def _sample(raw: bytes) -> str:
    return raw[: SAMPLE_LENGTH * 4].decode(errors="replace").replace("\0", "\ufffd").rstrip("\r\n")[:SAMPLE_LENGTH]
