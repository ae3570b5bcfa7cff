"""Rows of a small table in any format: CSV, JSON Lines, gzipped or not, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from domain.csvfile import read_header, read_records
from domain.errors import ShopError
from domain.lines import read_batches
from domain.parquetfile import iterate_rows, read_schema
from domain.quarantine import SAMPLE_LENGTH, Reason, Reject

__all__ = ["Row", "parse_object", "read_rows", "text_of"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row: its values by column of the file, or the problem it has; ``source`` is what it was read from."""

    file: str
    line: int
    values: Mapping[str, Any]
    problem: Reason | None
    source: str | Mapping[str, Any]

    def reject(self, reason: Reason) -> Reject:
        """Return this row as one that was not accepted."""
        return Reject(file=self.file, line=self.line, reason=reason, row=text_of(self.source))


def read_rows(path: Path, required: Sequence[str], *, file: str) -> Iterator[Row]:
    """Yield the rows of a file, which reports call `file`, in order; blank lines are none.

    Raises:
        ShopError: the file cannot be read, or a required column is missing: from the header of a CSV or Parquet file,
            or from every row of a JSON Lines file.
    """
    name = path.name.lower()
    if name.endswith(".parquet"):
        return _parquet_rows(path, required, file)
    if name.endswith((".csv", ".csv.gz")):
        return _csv_rows(path, required, file)
    return _json_rows(path, required, file)


def _csv_rows(path: Path, required: Sequence[str], file: str) -> Iterator[Row]:
    header = read_header(path)
    if not header:
        return
    _require(path, required, header)
    for record in read_records(path):
        values = {} if record.problem else dict(zip(header, record.fields, strict=True))
        yield Row(file=file, line=record.line, values=values, problem=record.problem, source=record.text)


def _json_rows(path: Path, required: Sequence[str], file: str) -> Iterator[Row]:
    absent = set(required)
    seen = False
    for batch in read_batches(path):
        for line, text, problem in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if not problem and not text.strip():
                continue
            values = None if problem else parse_object(text)
            if values:
                seen = True
                absent.difference_update(values)
            reason = Reason(problem) if problem else Reason.MALFORMED_JSON if values is None else None
            yield Row(file=file, line=line, values=values or {}, problem=reason, source=text)
    if seen:
        _require(path, required, set(required) - absent)


def _parquet_rows(path: Path, required: Sequence[str], file: str) -> Iterator[Row]:
    _require(path, required, read_schema(path).names)
    for row in iterate_rows(path):
        yield Row(file=file, line=row.line, values=row.values, problem=row.problem, source=row.values)


def _require(path: Path, required: Sequence[str], present: object) -> None:
    for column in required:
        if column not in present:  # type: ignore[operator]
            raise missing_column(path, column)


def missing_column(path: Path, column: str) -> ShopError:
    """Return the error for a file that lacks a column."""
    return ShopError(
        f"{path}: column {column!r} is missing", hint="a column of another name is mapped under [columns] in shop.toml"
    )


def parse_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object in a text, or None when there is none; NaN and infinities are no JSON."""
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def text_of(source: str | Mapping[str, Any]) -> str:
    """Return what the quarantine keeps of a row: text that UTF-8 can spell, at most `SAMPLE_LENGTH` characters."""
    text = source if isinstance(source, str) else json.dumps(source, ensure_ascii=False, default=str)
    return text[: SAMPLE_LENGTH * 2].encode(errors="replace").decode().strip()[:SAMPLE_LENGTH]
