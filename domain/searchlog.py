"""What can only be judged by the whole log: normal form, duplicates, unknown ids, the first position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from domain.config import ShopConfig
from domain.privacy import personal_data, redact, region_of
from domain.quarantine import SAMPLE_LENGTH, FileReport, Reason
from domain.shop import Shop
from domain.tables import missing_column
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.ubi import LogFile, prepare, stage
from domain.ubi_fields import SKIPPED, quote

__all__ = ["SearchLog", "load_log"]

_TEXTS: Final = pa.schema([("raw", pa.string()), ("query", pa.string()), ("reason", pa.string())])
_WRITTEN: Final[Mapping[str, Mapping[str, str]]] = {
    "searches": {name: name for name in ("query_id", "client_id", "session_id", "application")}
    | {"seen_at": "epoch_us(seen_at)", "raw_query": "raw_query", "query": "query"}
    | {"hit_ids": "array_to_string(hit_ids, chr(30))"},
    "events": {name: name for name in ("query_id", "client_id", "session_id")}
    | {"seen_at": "epoch_us(seen_at)", "action": "action", "product_id": "product_id", "position": "position"},
}
"""Columns of the warehouse by table, each with the expression that stands for it in the fingerprint."""

_SAMPLED: Final = 100_000
_MIN_ZEROS: Final = 0.01
"""Share of zeros among the ordinals from which on a log without response lists is taken to count from 0."""


@dataclass(frozen=True, kw_only=True)
class SearchLog:
    """What became of the log's files; ``digest`` does not depend on the order of rows."""

    reports: tuple[FileReport, ...]
    searches: int
    events: int
    first_ordinal: Literal[0, 1]
    digest: str


def load_log(
    connection: duckdb.DuckDBPyConnection, shop: Shop, folder: Path, now: datetime, tell: Callable[[str], None]
) -> SearchLog:
    """Write `searches.parquet` and `events.parquet` into a folder that holds `products.parquet`.

    Afterwards the connection has the view `outcomes`: file, line, reason and sample (or NULL) of every row of the log.

    Raises:
        ShopError: a file is missing, cannot be read or lacks a column.
    """
    files = _log_files(shop)
    prepare(connection)
    for file in files:
        tell(f"reading {shop.display(file.path)}")
        stage(connection, file, shop.config, now=now)
    _check_columns(connection, files)
    tell("normalising queries")
    _judge_searches(connection, folder.parent, region_of(shop.config.locale))
    first_ordinal = _find_first_ordinal(connection, shop.config)
    tell("checking events")
    _judge_events(connection, shop.config, folder / "products.parquet", first_ordinal=first_ordinal)
    _make_outcomes(connection)
    tell("writing searches and events")
    digest = _write(connection, folder)
    return SearchLog(
        reports=_reports(connection, shop, files),
        searches=_count(connection, "searches"),
        events=_count(connection, "events"),
        first_ordinal=first_ordinal,
        digest=digest,
    )


def _log_files(shop: Shop) -> list[LogFile]:
    """A file named as both kinds holds both."""
    queries, events = shop.need("queries"), shop.files("events")
    return [
        LogFile(
            number=number,
            path=path,
            kinds=tuple(kind for kind, paths in (("queries", queries), ("events", events)) if path in paths),
        )
        for number, path in enumerate(dict.fromkeys((*queries, *events)))
    ]


def _reports(connection: duckdb.DuckDBPyConnection, shop: Shop, files: Sequence[LogFile]) -> tuple[FileReport, ...]:
    counts: dict[int, dict[str | None, int]] = {file.number: {} for file in files}
    for number, reason, count in connection.execute(
        "SELECT file, reason, count(*) FROM outcomes GROUP BY file, reason"
    ).fetchall():
        counts[number][reason] = count
    return tuple(
        FileReport(
            file=shop.display(file.path),
            kind="+".join(file.kinds),
            accepted=counts[file.number].pop(None, 0),
            skipped=counts[file.number].pop(SKIPPED, 0),
            quarantined={Reason(reason): count for reason, count in counts[file.number].items() if reason},
        )
        for file in files
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table} WHERE reason IS NULL").fetchall()[0][0])


def _check_columns(connection: duckdb.DuckDBPyConnection, files: Sequence[LogFile]) -> None:
    """Refuse a log in which a required field stands in no row at all: then a column has another name.

    Raises:
        ShopError: names a file and the field.
    """
    for is_event, kind, fields in (
        (False, "queries", {"query_id": "query_id", "user_query": "user_query"}),
        (True, "events", {"action_name": "action", "query_id": "query_id", "object_id": "product_id"}),
    ):
        fields |= {
            "client_id": "coalesce(client_id, session_id)",
            "timestamp": f"coalesce(seen_at, {_had_timestamp()})",
        }
        counts = ", ".join(f"count({column})" for column in fields.values())
        found = connection.execute(f"SELECT count(*), {counts} FROM log WHERE is_event = {is_event}").fetchall()[0]
        named = next((file.path for file in files if kind in file.kinds), None)
        for field, count in zip(fields, found[1:], strict=True):
            if found[0] and named and not count:
                raise missing_column(named, field)


def _had_timestamp() -> str:
    return f"CASE WHEN reason IN ('{Reason.BAD_TIMESTAMP}', '{Reason.BAD_ID}') THEN TIMESTAMP '2000-01-01' END"


def _judge_searches(connection: duckdb.DuckDBPyConnection, scratch: Path, region: str | None) -> None:
    """Make the view `searches` of all well-formed searches; `reason` says why one is rejected.

    Of usable searches with the same query_id the earliest is kept. Past this view nobody reads what a person typed
    with personal data in it: neither the context of a query, nor a prompt, nor the quarantine.
    """
    texts = quote(_normalise_all(connection, scratch / "texts.parquet", region))
    # A view, because the response lists make up most of a log and would be copied.
    connection.execute(f"""
        CREATE VIEW worded AS
        SELECT log.* EXCLUDE (reason), texts.query, texts.reason
        FROM log JOIN read_parquet({texts}) AS texts ON log.user_query = texts.raw
        WHERE NOT is_event AND log.reason IS NULL""")
    connection.execute("""
        CREATE TABLE repeated AS
        SELECT file, line FROM (
            SELECT file, line, row_number() OVER (PARTITION BY query_id ORDER BY seen_at, file, line) AS place
            FROM worded SEMI JOIN (
                SELECT query_id FROM worded WHERE reason IS NULL GROUP BY query_id HAVING count(*) > 1
            ) USING (query_id)
            WHERE reason IS NULL
        ) WHERE place > 1""")
    connection.execute(f"""
        CREATE VIEW searches AS
        SELECT worded.file, worded.line, query_id, coalesce(client_id, session_id, query_id) AS client_id,
            coalesce(session_id, client_id, query_id) AS session_id, application, seen_at,
            CASE WHEN reason = '{Reason.PERSONAL_DATA}' THEN query ELSE user_query END AS raw_query,
            query, hits AS hit_ids,
            coalesce(reason, CASE WHEN repeated.line IS NOT NULL THEN '{Reason.DUPLICATE_ID}' END) AS reason
        FROM worded LEFT JOIN repeated ON repeated.file = worded.file AND repeated.line = worded.line""")


def _normalise_all(connection: duckdb.DuckDBPyConnection, path: Path, region: str | None) -> Path:
    """Write the normal form of every distinct text, or why it has none; of one with personal data, what is left."""
    found = connection.execute("SELECT DISTINCT user_query FROM log WHERE NOT is_event AND reason IS NULL")
    with pq.ParquetWriter(path, _TEXTS) as writer:
        while rows := found.fetchmany(50_000):
            raws = [raw for (raw,) in rows]
            personal = [bool(personal_data(raw, region=region)) for raw in raws]
            queries = [
                redact(raw, region=region) if is_personal else normalise(raw)
                for raw, is_personal in zip(raws, personal, strict=True)
            ]
            reasons = [
                Reason.PERSONAL_DATA
                if is_personal
                else Reason.EMPTY_QUERY
                if not query
                else Reason.QUERY_TOO_LONG
                if len(query) > MAX_QUERY_LENGTH
                else None
                for query, is_personal in zip(queries, personal, strict=True)
            ]
            writer.write_table(pa.table([raws, queries, [r and str(r) for r in reasons]], schema=_TEXTS))
    return path


def _find_first_ordinal(connection: duckdb.DuckDBPyConnection, config: ShopConfig) -> Literal[0, 1]:
    """Return what the log calls the first position, unless the shop says.

    Where there are response lists, ordinals are held against them; else enough zeros mean that it counts from 0: a
    stray zero does not shift a log that counts from 1.
    """
    if config.first_ordinal is not None:
        return config.first_ordinal
    from_one, from_zero, zeros, known = connection.execute(f"""
        SELECT count(*) FILTER (hit_ids[ordinal] = product_id AND ordinal > 0),
            count(*) FILTER (hit_ids[ordinal + 1] = product_id), count(*) FILTER (ordinal = 0), count(*)
        FROM (
                SELECT * FROM log WHERE is_event AND log.reason IS NULL AND ordinal IS NOT NULL LIMIT {_SAMPLED}
            ) AS events
            LEFT JOIN searches ON searches.query_id = events.query_id AND searches.reason IS NULL""").fetchall()[0]
    if from_one != from_zero:
        return 1 if from_one > from_zero else 0
    return 0 if zeros and zeros >= known * _MIN_ZEROS else 1


def _judge_events(
    connection: duckdb.DuckDBPyConnection, config: ShopConfig, products: Path, *, first_ordinal: Literal[0, 1]
) -> None:
    """Make the table `events` of all well-formed events; `reason` says why one is rejected."""
    connection.execute("CREATE TABLE actions (name VARCHAR, canonical VARCHAR)")
    for name, canonical in config.actions.items():
        connection.execute("INSERT INTO actions VALUES (?, ?)", [name, canonical])
    connection.execute(f"""
        CREATE TABLE events AS
        SELECT log.file, log.line, log.query_id, coalesce(log.client_id, log.session_id, log.query_id) AS client_id,
            log.session_id, log.seen_at, coalesce(actions.canonical, log.action) AS action, log.product_id,
            (ordinal - {first_ordinal} + 1)::INTEGER AS position,
            CASE WHEN products.product_id IS NULL THEN '{Reason.UNKNOWN_PRODUCT}'
                WHEN searches.query_id IS NULL THEN '{Reason.UNKNOWN_QUERY}'
                WHEN ordinal < {first_ordinal} THEN '{Reason.BAD_POSITION}' END AS reason
        FROM log
            LEFT JOIN actions ON actions.name = log.action
            LEFT JOIN read_parquet({quote(products)}) AS products ON products.product_id = log.product_id
            LEFT JOIN searches ON searches.query_id = log.query_id AND searches.reason IS NULL
        WHERE is_event AND log.reason IS NULL""")


def _make_outcomes(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the view `outcomes`: file, line, reason and sample or NULL, for every row of the log."""
    seen = {name: ", ".join(f"{column} := {column}" for column in columns) for name, columns in _WRITTEN.items()}
    judged = " UNION ALL ".join(
        f"""SELECT file, line, reason, CASE WHEN reason IS NOT NULL
            THEN left(to_json(struct_pack({packed}))::VARCHAR, {SAMPLE_LENGTH}) END AS sample
        FROM {table}"""
        for table, packed in seen.items()
    )
    connection.execute(f"""
        CREATE VIEW outcomes AS
        SELECT file, line, reason, sample FROM log WHERE reason IS NOT NULL UNION ALL {judged}""")


def _write(connection: duckdb.DuckDBPyConnection, folder: Path) -> str:
    """Write `searches.parquet` and `events.parquet`; return a digest of both, the same for any order of rows."""
    digests = []
    for table, columns in _WRITTEN.items():
        names = ", ".join(columns).replace("seen_at", 'seen_at AS "at"')
        connection.execute(f"""
            COPY (SELECT {names} FROM {table} WHERE reason IS NULL)
            TO {quote(folder / f"{table}.parquet")} (FORMAT parquet, COMPRESSION zstd)""")
        digests.append(_digest(connection, table, columns.values()))
    return " ".join(digests)


def _digest(connection: duckdb.DuckDBPyConnection, table: str, columns: Iterable[str]) -> str:
    """Sum the MD5 numbers of the rows: a sum is the same in any order, and needs no sorting."""
    parts = ", ".join(f"coalesce(({column})::VARCHAR, chr(0))" for column in columns)
    found = connection.execute(f"""
        SELECT count(*), coalesce(sum(md5_number_lower(concat_ws(chr(31), {parts}))), 0)
        FROM {table} WHERE reason IS NULL""").fetchall()[0]
    return ":".join(map(str, found))
