"""What the service writes about itself: a line an event, from a thread of its own: nobody waits for a reader."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal

__all__ = ["Lines", "LogFormat", "logging_as", "render_line", "timestamp"]

LogFormat = Literal["text", "json"]

_MOST: Final = 10_000
_LONGEST: Final = 16_384
_PATIENCE: Final = 2.0


class Lines:
    """Writes lines to a descriptor, in order, from a thread; what its reader leaves lying is bounded, and then lost.

    Args:
        descriptor: Where to; each line goes there in one piece, so that those of several processes do not mix.
        dropped: Told of each line that is lost.
        most: Lines that wait.
    """

    def __init__(self, descriptor: int, dropped: Callable[[], None], *, most: int = _MOST) -> None:
        self._descriptor = descriptor
        self._dropped = dropped
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._come = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Have a line written, its end included; never waits, from whatever thread."""
        if len(self._waiting) >= self._most or self._closed:
            self._dropped()
            return
        self._waiting.append(line)
        if not self._come.is_set():
            self._come.set()

    def close(self) -> None:
        """Write what waits, for two seconds at most."""
        self._closed = True
        self._come.set()
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        while True:
            self._come.wait()
            self._come.clear()
            while self._waiting:
                self._write(self._waiting.popleft())
            if self._closed:
                return

    def _write(self, line: bytes) -> None:
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError:  # nobody reads any more, or the disk is full
            self._dropped()


def render_line(fields: Mapping[str, Any], log_format: LogFormat) -> bytes:
    """Return fields as one line: a JSON object, or ``name=value`` with a space between; None is left out."""
    said = {name: value for name, value in fields.items() if value is not None}
    if log_format == "json":
        return json.dumps(said).encode() + b"\n"
    # In JSON a value can have no line break, and no escape sequence of a terminal.
    return " ".join(f"{name}={_plain(value)}" for name, value in said.items()).encode() + b"\n"


def _plain(value: Any) -> str:
    text = str(value)
    usual = text.isascii() and text.isprintable() and text and not set(text) & set(' "=')
    return text if usual else json.dumps(value if isinstance(value, str) else text)


def timestamp(seconds: float) -> str:
    """Return a time as RFC 3339 has it, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Handler(logging.Handler):
    """Hands records of the standard library's logging to `Lines`.

    Of an exception only its type and place are written: its text may quote what a client sent.
    """

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST],
            "pid": record.process,
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            fields["at"] = _place(record.exc_info[2])
        self._lines.put(render_line(fields, "json"))


def _place(traceback: Any) -> str | None:
    if traceback is None:
        return None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{os.path.basename(code.co_filename)}:{traceback.tb_lineno} {code.co_name}"


@contextmanager
def logging_as(log_format: LogFormat, lines: Lines) -> Iterator[None]:
    """Have everything that this process logs written as lines of JSON meanwhile; ``text`` leaves it as it is."""
    if log_format == "text":
        yield
        return
    handler, root = _Handler(lines), logging.getLogger()
    taken = {name: logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")}
    before = {name: (logger.handlers, logger.propagate) for name, logger in taken.items()}
    handlers = root.handlers
    root.handlers = [handler]
    for logger in taken.values():
        logger.handlers, logger.propagate = [], True
    try:
        yield
    finally:
        root.handlers = handlers
        for name, logger in taken.items():
            logger.handlers, logger.propagate = before[name]
