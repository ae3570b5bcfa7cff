"""The ledger: a line for every completion that a provider charged for, and for every request that it may have.

Lines are appended to a journal, on disk before the completion is used, and packed into a Parquet part when the run
ends. A run that was killed leaves its journal, which is read as it is and packed by whoever writes next.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import polars as pl
from pydantic import TypeAdapter, ValidationError

from domain.files import replace_atomically, sync_folder
from prompts.prices import Route

__all__ = ["Ledger", "LedgerLine", "most_spent", "read_charges", "read_ledger"]

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "at": pl.Datetime("us", "UTC"),
    "run": pl.String,
    "shop": pl.String,
    "prompt": pl.String,
    "model": pl.String,
    "key": pl.String,
    "route": pl.String,
    "tokens_in": pl.Int64,
    "tokens_cached": pl.Int64,
    "tokens_out": pl.Int64,
    "price": pl.Float64,
    "price_source": pl.String,
    "reserved": pl.Float64,
    "answered": pl.Boolean,
}


@dataclass(frozen=True, kw_only=True)
class LedgerLine:
    """What one completion cost. Tokens and price (US dollars) are None where they are not known, never nought.

    `tokens_cached` are those of `tokens_in` that the provider had in its cache; `key` is the request's hash. `reserved`
    is an estimate where there is no price: the most that it may have been. Where `answered` is false the request timed
    out, and nobody says whether it was billed.
    """

    run: str
    shop: str
    prompt: str
    model: str
    key: str
    route: Route
    tokens_in: int | None
    tokens_cached: int | None
    tokens_out: int | None
    price: float | None
    price_source: str | None
    reserved: float | None = None
    answered: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


_adapter: TypeAdapter[LedgerLine] = TypeAdapter(LedgerLine)


class Ledger:
    """The ledger of a work folder, open for one process to write to; a context manager.

    Args:
        folder: Where its parts and journals are; made if needed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._journal: IO[bytes] | None = None

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, lines: Iterable[LedgerLine]) -> None:
        """Write lines; they are on disk when this returns."""
        text = b"".join(_adapter.dump_json(line) + b"\n" for line in lines)
        if not text:
            return
        if self._journal is None:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.jsonl"
            hidden = self._folder / f".{name}.tmp"
            self._journal = hidden.open("ab")
            # Locked before it has its name: nobody takes it for the journal of a process that is gone.
            fcntl.flock(self._journal, fcntl.LOCK_EX)
            hidden.rename(self._folder / name)
            sync_folder(self._folder)
        self._journal.write(text)
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def close(self) -> None:
        """Pack the journal, and those that killed processes left, into Parquet parts."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        for journal in sorted(self._folder.glob("*.jsonl")):
            _pack(journal)


def _pack(journal: Path) -> None:
    """Turn a journal that nobody writes any more into a part of the same name; twice gives the same as once."""
    with journal.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        lines = _lines(file)
        if lines:
            with replace_atomically(journal.with_suffix(".parquet")) as out:
                _frame(lines).write_parquet(out)
        journal.unlink(missing_ok=True)


def read_ledger(folder: Path) -> pl.DataFrame:
    """Return the line of every completion in a work folder's ledger, oldest first; runs still going included."""
    return read_charges(folder).filter(pl.col("answered"))


def most_spent(folder: Path, run: str) -> float:
    """Return the most that a run can have cost so far, in US dollars: what has no price counts as what was reserved."""
    lines = read_charges(folder).filter(pl.col("run") == run)
    return float(lines.select(pl.coalesce("price", "reserved").sum()).item())


def read_charges(folder: Path) -> pl.DataFrame:
    """Return every line, also of requests that were not answered; otherwise as `read_ledger`."""
    parts = {path.stem: pl.read_parquet(path) for path in folder.glob("*.parquet")}
    for journal in folder.glob("*.jsonl"):
        # A journal beside its own part was packed and not yet removed.
        if journal.stem not in parts:
            with journal.open("rb") as file:
                parts[journal.stem] = _frame(_lines(file))
    # Parts of earlier versions lack the last two columns; what they hold was answered.
    lines = pl.concat([_frame([]), *parts.values()], how="diagonal")
    return lines.with_columns(pl.col("answered").fill_null(True)).sort("at", maintain_order=True)


def _lines(file: IO[bytes]) -> list[LedgerLine]:
    """Read a journal; what follows a line that was cut short was never promised to anybody."""
    found = []
    for text in file:
        try:
            found.append(_adapter.validate_json(text))
        except ValidationError:
            break
    return found


def _frame(lines: Sequence[LedgerLine]) -> pl.DataFrame:
    columns = {name: [getattr(line, name) for line in lines] for name in _SCHEMA}
    return pl.DataFrame(columns, schema=_SCHEMA)
