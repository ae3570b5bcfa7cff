"""The SQL that finds the fields of a log, wherever a file keeps them.

Every query gives the columns line, source (of which a quarantine keeps some), problem, action, query_id, user_query,
client_id, session_id, application, stamp (the timestamp as text), seen_at, hits, has_list, product_id and ordinal (as
text).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from domain.quarantine import Reason

__all__ = ["SKIPPED", "Paths", "fields_of_lines", "fields_of_parquet", "parquet_place", "quote"]

Paths = Mapping[str, tuple[str, ...]]
"""Field -> where it may stand: dotted paths, each a chain of objects or one name with dots in it."""

SKIPPED: Final = "skipped"
"""In place of a reason: the line is no row."""

_BULK: Final = ("index", "create", "update", "delete")


def fields_of_lines(paths: Paths) -> str:
    """Return the query over `lines`, a relation of `LINES_SCHEMA`: JSON documents and bulk actions."""
    shape: dict[str, Any] = {action: "JSON" for action in _BULK}
    documents = [shape, shape.setdefault("_source", {})]
    for field, places in paths.items():
        for document in documents:
            for path in places:
                for keys in _spellings(path):
                    _plant(document, keys, "JSON" if field == "query_response_hit_ids" else "VARCHAR")

    def read(field: str) -> str:
        found = [
            "".join(f"[{quote(key)}]" for key in keys)
            for path in paths[field]
            for spelling in _spellings(path)
            for keys in (spelling, ("_source", *spelling))
            if _leaf(shape, keys)
        ]
        return "coalesce(" + ", ".join(f"f{place}" for place in found) + ")"

    bulk = " OR ".join(f"json_type(f['{action}']) = 'OBJECT'" for action in _BULK)
    blank = "E' \\t\\r\\n'"
    return f"""
        WITH parsed AS (
            SELECT line, text, problem, CASE WHEN problem IS NULL AND ltrim(text, {blank})[1] = '{{'
                THEN TRY(from_json(text, {quote(json.dumps(shape))})) END AS f
            FROM lines
        ), read AS (
            SELECT *, {read("action_name")} AS action, {read("query_id")} AS query_id,
                {read("user_query")} AS user_query, {read("client_id")} AS client_id,
                {read("session_id")} AS session_id, {read("application")} AS application,
                {read("timestamp")} AS stamp, {read("query_response_hit_ids")} AS list,
                {read("object_id")} AS product_id, {read("ordinal")} AS ordinal
            FROM parsed
        ), listed AS (
            SELECT *, CASE json_type(list) WHEN 'ARRAY' THEN list::VARCHAR WHEN 'VARCHAR' THEN strip(list ->> '$')
                WHEN 'NULL' THEN NULL ELSE list::VARCHAR END AS list_text
            FROM read
        )
        SELECT line, text AS source, CASE
                WHEN problem IS NOT NULL THEN problem
                WHEN f IS NULL AND trim(text, {blank}) = '' THEN '{SKIPPED}'
                WHEN f IS NULL THEN '{Reason.MALFORMED_JSON}'
                WHEN action IS NULL AND query_id IS NULL AND user_query IS NULL AND ({bulk}) THEN '{SKIPPED}'
            END AS problem,
            strip(action) AS action, clean_id(query_id) AS query_id, user_query, clean_id(client_id) AS client_id,
            clean_id(session_id) AS session_id, strip(application) AS application, strip(stamp) AS stamp,
            moment(strip(stamp)) AS seen_at, list_of(list_text) AS hits, list_text IS NOT NULL AS has_list,
            clean_id(product_id) AS product_id, strip(ordinal) AS ordinal
        FROM listed"""


def _plant(shape: dict[str, Any], keys: tuple[str, ...], leaf: str) -> None:
    for key in keys[:-1]:
        inner = shape.setdefault(key, {})
        if not isinstance(inner, dict):
            return
        shape = inner
    shape.setdefault(keys[-1], leaf)


def _leaf(shape: Mapping[str, Any], keys: tuple[str, ...]) -> bool:
    at: Any = shape
    for key in keys:
        at = at.get(key) if isinstance(at, dict) else None
    return isinstance(at, str)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a field stands in a Parquet file: an SQL expression and its Arrow type."""

    sql: str
    type: pa.DataType


def parquet_place(schema: pa.Schema, path: str) -> _Place | None:
    """Return where a path leads in a file, or None."""
    for keys in _spellings(path):
        if schema.get_field_index(keys[0]) < 0:
            continue
        sql, kind = f'src."{keys[0]}"', schema.field(keys[0]).type
        for position, key in enumerate(keys[1:], start=1):
            if pa.types.is_string(kind) or pa.types.is_large_string(kind):
                inner = "".join(f'."{rest}"' for rest in keys[position:])
                return _Place(sql=f"TRY(json_extract_string({sql}, {quote('$' + inner)}))", type=pa.string())
            if not pa.types.is_struct(kind) or kind.get_field_index(key) < 0:
                break
            sql, kind = f"{sql}[{quote(key)}]", kind.field(key).type
        else:
            return _Place(sql=sql, type=kind)
    return None


def fields_of_parquet(path: Path, schema: pa.Schema, paths: Paths) -> str:
    """Return the query over a Parquet file."""
    places = {
        field: [place for name in names if (place := parquet_place(schema, name)) is not None]
        for field, names in paths.items()
    }

    def text(field: str) -> str:
        found = [_as_text(place) for place in places[field]]
        return f"coalesce({', '.join(found)})" if found else "NULL::VARCHAR"

    stamp = places["timestamp"][0] if places["timestamp"] else None
    hits = places["query_response_hit_ids"][0] if places["query_response_hit_ids"] else None
    return f"""
        SELECT file_row_number + 1 AS line, src AS source, NULL AS problem,
            strip({text("action_name")}) AS action, clean_id({text("query_id")}) AS query_id,
            {text("user_query")} AS user_query, clean_id({text("client_id")}) AS client_id,
            clean_id({text("session_id")}) AS session_id, strip({text("application")}) AS application,
            {f"strip({stamp.sql}::VARCHAR)" if stamp else "NULL"} AS stamp,
            {_as_moment(stamp) if stamp else "NULL::TIMESTAMP"} AS seen_at,
            {_as_list(hits) if hits else "NULL::VARCHAR[]"} AS hits,
            {f"strip({hits.sql}::VARCHAR) IS NOT NULL" if hits and not _is_list(hits.type) else "false"} AS has_list,
            clean_id({text("object_id")}) AS product_id, strip({text("ordinal")}) AS ordinal
        FROM read_parquet({quote(str(path))}, file_row_number = true) AS src"""


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_list_view(kind))


def _as_text(place: _Place) -> str:
    if pa.types.is_floating(place.type):
        whole = f"{place.sql} = trunc({place.sql})"
        return f"CASE WHEN {whole} THEN TRY({place.sql}::HUGEINT)::VARCHAR ELSE {place.sql}::VARCHAR END"
    if pa.types.is_binary(place.type) or pa.types.is_large_binary(place.type):
        return f"TRY(decode({place.sql}))"
    if pa.types.is_struct(place.type) or _is_list(place.type):
        return f"to_json({place.sql})::VARCHAR"
    return f"{place.sql}::VARCHAR"


def _as_moment(place: _Place) -> str:
    if pa.types.is_timestamp(place.type) and place.type.tz:
        return f"TRY({place.sql}::TIMESTAMPTZ::TIMESTAMP)"  # nanoseconds with a zone have no direct cast
    if pa.types.is_timestamp(place.type) or pa.types.is_date(place.type):
        return f"TRY({place.sql}::TIMESTAMP)"
    if pa.types.is_integer(place.type) or pa.types.is_floating(place.type):
        return f"epoch_moment({place.sql}::DOUBLE)"
    return f"moment(strip({place.sql}::VARCHAR))"


def _as_list(place: _Place) -> str:
    if not _is_list(place.type):
        return f"list_of(strip({place.sql}::VARCHAR))"
    kind = place.type.value_type
    return (
        place.sql
        if _is_text(kind)
        else f"list_transform({place.sql}, lambda x: {_as_text(_Place(sql='x', type=kind))})"
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _spellings(path: str) -> list[tuple[str, ...]]:
    """A path is a chain of objects, or one key with dots in it."""
    return [tuple(path.split(".")), (path,)] if "." in path else [(path,)]


def quote(text: str | Path) -> str:
    """Return an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"
