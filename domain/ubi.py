"""User Behavior Insights logs (UBI 1.3) in every form they come in, as rows of one staging table.

Parquet is read by DuckDB; text goes through it as a stream of lines. Either way one SQL statement a file validates all
that can be seen in a row alone; what needs the whole log is checked in `domain.searchlog`.

https://github.com/o19s/ubi
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from domain.catalogue import MAX_ID_LENGTH
from domain.config import ShopConfig
from domain.csvfile import read_header, read_records
from domain.errors import ShopError
from domain.lines import LINES_SCHEMA, read_batches
from domain.parquetfile import iterate_rows, read_schema, unsound
from domain.quarantine import SAMPLE_LENGTH, Reason
from domain.tables import missing_column, parse_object, text_of
from domain.ubi_fields import Paths, fields_of_lines, fields_of_parquet, parquet_place

__all__ = ["MAX_RAW_QUERY", "LogFile", "prepare", "stage"]

MAX_RAW_QUERY: Final = 65_536
"""Bytes of a query as it was typed; a longer one is rejected without being normalised."""

_PATHS: Final[Paths] = {
    "action_name": ("action_name",),
    "query_id": ("query_id",),
    "user_query": ("user_query",),
    "client_id": ("client_id",),
    "session_id": ("session_id", "event_attributes.session_id"),
    "application": ("application",),
    "timestamp": ("timestamp",),
    "query_response_hit_ids": ("query_response_hit_ids",),
    "object_id": ("event_attributes.object.object_id",),
    "ordinal": ("event_attributes.position.ordinal",),
}
_REQUIRED: Final[Paths] = {
    "queries": ("query_id", "user_query", "client_id", "timestamp"),
    "events": ("action_name", "query_id", "client_id", "timestamp", "object_id"),
}
_BATCH: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class LogFile:
    """One file of the log; ``number`` stands for it in the staging table, ``kinds`` says which rows it may hold."""

    number: int
    path: Path
    kinds: tuple[str, ...]


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the staging table and the macros that reading uses."""
    blank = "E' \\t\\r\\n\\x0b\\x0c'"
    number = r"'-?\d+(\.\d*)?([eE]\+?\d+)?'"
    for statement in (
        "SET TimeZone = 'UTC'",
        "SET preserve_insertion_order = false",
        """CREATE TABLE log (file USMALLINT, line BIGINT, is_event BOOLEAN, reason VARCHAR, sample VARCHAR,
            query_id VARCHAR, user_query VARCHAR, client_id VARCHAR, session_id VARCHAR, application VARCHAR,
            seen_at TIMESTAMP, hits VARCHAR[], action VARCHAR, product_id VARCHAR, ordinal INTEGER)""",
        # Trimming is dear, and few values need it.
        f"""CREATE MACRO strip(x) AS CASE WHEN x < '!' OR x[-1] < '!' THEN nullif(trim(x, {blank}), '') ELSE x END""",
        r"""CREATE MACRO clean_id(x) AS CASE WHEN ends_with(x, '.0') THEN regexp_replace(strip(x), '^(\d+)\.0$', '\1')
            ELSE strip(x) END""",
        # Looking at a list as one text is five times cheaper than going through it, and most need nothing.
        r"""CREATE MACRO clean_ids(x) AS CASE
            WHEN len(x) > list_count(x) OR regexp_matches(concat(chr(31), array_to_string(x, chr(31)), chr(31)),
                '\x1f[\s\x1f]|\s\x1f|\.0\x1f')
            THEN list_filter(list_transform(x, lambda y: clean_id(y)), lambda y: y IS NOT NULL) ELSE x END""",
        f"""CREATE MACRO is_bad_id(x) AS length(x) > {MAX_ID_LENGTH} OR x[1] IN ('{{', '[')
            OR regexp_matches(x, '[\\x00-\\x1f\\x7f]')""",
        """CREATE MACRO epoch_moment(x) AS CASE WHEN x BETWEEN -1e14 AND 1e14 THEN
            make_timestamp((x * 1000)::BIGINT) END""",
        # Epoch milliseconds, or ISO 8601; without an offset it is UTC.
        f"""CREATE MACRO moment(x) AS CASE WHEN regexp_full_match(x, {number}) THEN epoch_moment(try_cast(x AS DOUBLE))
            ELSE TRY(try_cast(x AS TIMESTAMPTZ)::TIMESTAMP) END""",
        "CREATE MACRO list_of(x) AS CASE WHEN x[1] = '[' THEN TRY(from_json(x, '[\"VARCHAR\"]')) END",
    ):
        connection.execute(statement)


def stage(connection: duckdb.DuckDBPyConnection, file: LogFile, config: ShopConfig, *, now: datetime) -> None:
    """Read one file into the table `log`, each row with the reason to reject it, if any.

    Raises:
        ShopError: the file cannot be read or lacks a required column.
    """
    paths = _paths(file.kinds, config)
    name = file.path.name.lower()
    if name.endswith(".parquet"):
        _stage_parquet(connection, file, paths, now)
    elif name.endswith((".csv", ".csv.gz")):
        header = read_header(file.path)
        if header:
            _require(file, paths, lambda path: path in header or path.split(".")[0] in header)
            _stage_lines(connection, file, paths, _csv_batches(file.path, header), now)
    else:
        _stage_lines(connection, file, paths, read_batches(file.path), now)


def _paths(kinds: tuple[str, ...], config: ShopConfig) -> dict[str, tuple[str, ...]]:
    """Where each field may stand, most likely first."""
    renames = [config.columns.get("queries", {}), config.columns.get("events", {})]
    used = [names for names, kind in zip(renames, ("queries", "events"), strict=True) if kind in kinds]
    return {
        field: tuple(dict.fromkeys(names[field] for names in used if field in names)) or paths
        for field, paths in _PATHS.items()
    }


def _require(file: LogFile, paths: Paths, present: Any) -> None:
    for kind in file.kinds:
        for field in _REQUIRED[kind]:
            if not any(present(path) for path in paths[field]):
                raise missing_column(file.path, paths[field][0])


def _stage_lines(
    connection: duckdb.DuckDBPyConnection,
    file: LogFile,
    paths: Paths,
    batches: Iterator[pa.RecordBatch],
    now: datetime,
) -> None:
    failure: list[ShopError] = []

    def watched() -> Iterator[pa.RecordBatch]:
        # DuckDB turns whatever a stream raises into an error of its own.
        try:
            yield from batches
        except ShopError as error:
            failure.append(error)
            raise

    connection.register("lines", pa.RecordBatchReader.from_batches(LINES_SCHEMA, watched()))
    try:
        connection.execute(_insert(file, fields_of_lines(paths), "source", now))
    except duckdb.Error:
        if failure:
            raise failure[0] from None
        raise
    finally:
        connection.unregister("lines")


def _csv_batches(path: Path, header: list[str]) -> Iterator[pa.RecordBatch]:
    """Turn records into JSON lines, so that there is one way to read a log; nested columns hold JSON."""
    records = read_records(path)
    while batch := list(itertools.islice(records, _BATCH)):
        texts = [text_of(record.text) if record.problem else _as_json(header, record.fields) for record in batch]
        yield _lines([record.line for record in batch], texts, [record.problem for record in batch])


def _as_json(header: list[str], fields: list[str]) -> str:
    pairs = zip(header, fields, strict=True)
    return json.dumps({name: _cell(name, value) for name, value in pairs if value}, ensure_ascii=False)


def _cell(name: str, value: str) -> object:
    nested = parse_object(value) if name == "event_attributes" else None
    return value if nested is None else nested


def _stage_parquet(connection: duckdb.DuckDBPyConnection, file: LogFile, paths: Paths, now: datetime) -> None:
    schema = read_schema(file.path)
    _require(file, paths, lambda path: parquet_place(schema, path) is not None)
    try:
        connection.execute(_insert(file, fields_of_parquet(file.path, schema, paths), "to_json(source)::VARCHAR", now))
    except duckdb.Error as error:
        if "not valid UTF8" not in str(error):
            raise unsound(file.path, error) from error
        # DuckDB gives up on a file for one such value; row by row only the row is lost.
        _stage_lines(connection, file, paths, _parquet_batches(file.path), now)


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    rows = iterate_rows(path)
    while batch := list(itertools.islice(rows, _BATCH)):
        texts = [
            text_of(row.values) if row.problem else json.dumps(row.values, ensure_ascii=False, default=_json_value)
            for row in batch
        ]
        yield _lines([row.line for row in batch], texts, [row.problem for row in batch])


def _json_value(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _lines(numbers: list[int], texts: list[str], problems: list[Reason | None]) -> pa.RecordBatch:
    reasons = pa.array([problem and str(problem) for problem in problems], pa.string())
    return pa.record_batch([pa.array(numbers, pa.int64()), pa.array(texts, pa.string()), reasons], schema=LINES_SCHEMA)


def _insert(file: LogFile, fields: str, sample: str, now: datetime) -> str:
    """Return the statement that stages a file; `sample` turns a source into text, and only for rejected rows."""
    is_event = "true" if file.kinds == ("events",) else "action IS NOT NULL"
    latest = (now + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S")
    return f"""
        INSERT INTO log
        WITH fields AS ({fields}
        ), sorted AS (
            SELECT *, CASE WHEN problem IS NULL THEN {is_event} END AS is_event, TRY_CAST(ordinal AS DOUBLE) AS rank
            FROM fields
        ), judged AS (
            SELECT *, CASE
                WHEN problem IS NOT NULL THEN problem
                WHEN is_event AND NOT {str("events" in file.kinds).lower()} THEN '{Reason.EVENT_AMONG_QUERIES}'
                WHEN is_event AND action IS NULL THEN '{Reason.MISSING_ACTION}'
                WHEN query_id IS NULL AND is_event THEN '{Reason.NO_QUERY}'
                WHEN query_id IS NULL THEN '{Reason.MISSING_ID}'
                WHEN is_event AND product_id IS NULL THEN '{Reason.NO_OBJECT}'
                WHEN is_bad_id(query_id) OR (is_event AND (is_bad_id(product_id) OR length(action) > {MAX_ID_LENGTH}))
                    OR length(client_id) > {MAX_ID_LENGTH} OR length(session_id) > {MAX_ID_LENGTH}
                    OR length(application) > {MAX_ID_LENGTH} THEN '{Reason.BAD_ID}'
                WHEN stamp IS NULL THEN '{Reason.MISSING_TIMESTAMP}'
                WHEN seen_at IS NULL THEN '{Reason.BAD_TIMESTAMP}'
                WHEN seen_at < TIMESTAMP '2000-01-01' THEN '{Reason.TOO_OLD}'
                WHEN seen_at > TIMESTAMP '{latest}' THEN '{Reason.FUTURE}'
                WHEN is_event AND ordinal IS NOT NULL AND (rank IS NULL OR rank <> trunc(rank) OR rank < 0
                    OR rank > 1000000) THEN '{Reason.BAD_POSITION}'
                WHEN is_event THEN NULL
                WHEN strlen(user_query) > {MAX_RAW_QUERY} THEN '{Reason.QUERY_TOO_LONG}'
                WHEN strip(user_query) IS NULL THEN '{Reason.EMPTY_QUERY}'
                WHEN hits IS NULL AND has_list THEN '{Reason.BAD_HITS}'
            END AS reason
            FROM sorted
        )
        SELECT {file.number}, line, is_event, reason,
            CASE WHEN reason IS NOT NULL THEN left(strip({sample}), {SAMPLE_LENGTH}) END,
            query_id, CASE WHEN reason IS NULL AND NOT is_event THEN user_query WHEN user_query IS NOT NULL THEN '' END,
            client_id, session_id, application, seen_at,
            CASE WHEN reason IS NULL AND NOT is_event THEN
                clean_ids(hits) END,
            action, product_id,
            CASE WHEN reason IS NULL AND is_event THEN rank::INTEGER END
        FROM judged"""
