"""Rows of a Parquet file, one at a time; text that is not UTF-8 costs its own row only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import ShopError
from domain.quarantine import Reason

__all__ = ["ParquetRow", "iterate_rows", "read_schema"]

_BATCH: Final = 4096


@dataclass(frozen=True, kw_only=True)
class ParquetRow:
    """One row by its 1-based number; what is not UTF-8 has become replacement characters where there is a problem."""

    line: int
    values: dict[str, Any]
    problem: Reason | None


def read_schema(path: Path) -> pa.Schema:
    """Return the columns of a file.

    Raises:
        ShopError: it is no Parquet file, or a cut one.
    """
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise unsound(path, error) from None


def iterate_rows(path: Path) -> Iterator[ParquetRow]:
    """Yield the rows in order; columns of bytes are taken for text.

    Raises:
        ShopError: the file is damaged.
    """
    line = 1
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=_BATCH):
            sound = _is_sound(batch)
            for values in (batch if sound else _in_bytes(batch)).to_pylist(maps_as_pydicts="lossy"):
                yield ParquetRow(line=line, values=values, problem=None) if sound else _decoded(line, values)
                line += 1
    except (pa.ArrowException, OSError) as error:
        raise unsound(path, error) from None


def unsound(path: Path, error: Exception) -> ShopError:
    """Return the error for a Parquet file that cannot be read."""
    return ShopError(f"{path} is not a sound Parquet file: {error}", hint="write it again")


def _is_sound(batch: pa.RecordBatch) -> bool:
    if any(_in_bytes_type(field.type) == field.type and _holds_bytes(field.type) for field in batch.schema):
        return False
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _in_bytes(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = [column.cast(_in_bytes_type(column.type)) for column in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def _in_bytes_type(kind: pa.DataType) -> pa.DataType:
    """The same type with bytes in place of text, at any depth."""
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_dictionary(kind):
        return _in_bytes_type(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _in_bytes_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_in_bytes_type(kind.key_type), _in_bytes_type(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_in_bytes_type(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_in_bytes_type(kind.value_type))
    return kind


def _decoded(line: int, values: dict[str, Any]) -> ParquetRow:
    try:
        return ParquetRow(line=line, values=_decode(values, "strict"), problem=None)
    except UnicodeDecodeError:
        return ParquetRow(line=line, values=_decode(values, "replace"), problem=Reason.NOT_UTF8)


def _decode(value: Any, errors: str) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors=errors)
    if isinstance(value, dict):
        return {_decode(key, errors): _decode(item, errors) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item, errors) for item in value]
    return value
