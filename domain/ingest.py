"""Load a shop folder into the warehouse: every row is accepted, or quarantined with its file, line and reason."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb

from domain.errors import ShopError, TooManyRejects
from domain.files import sync_folder
from domain.privacy import redact, region_of
from domain.quarantine import SAMPLES, FileReport, RejectWriter, check_share
from domain.searchlog import SearchLog, load_log
from domain.shop import Shop
from domain.ubi_fields import SKIPPED, quote
from domain.warehouse import load_catalogue

__all__ = ["IngestReport", "ingest"]


@dataclass(frozen=True, kw_only=True)
class IngestReport:
    """What ingest accepted, quarantined and why.

    Attributes:
        files: One report a file, in the order of reading.
        categories: Categories accepted.
        products: Products accepted.
        searches: Searches accepted.
        events: Events accepted.
        first_ordinal: What the log calls the first position, as set or as found.
        fingerprints: Of ``catalogue`` (taxonomy and products) and ``shop`` (that and the log): the same content gives
            the same ones, whatever its order or format.
        seconds: Wall time.
    """

    files: tuple[FileReport, ...]
    categories: int
    products: int
    searches: int
    events: int
    first_ordinal: Literal[0, 1]
    fingerprints: Mapping[Literal["catalogue", "shop"], str]
    seconds: float

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a file, for a table or JSON: file, kind, rows, accepted, quarantined, skipped, reasons and counts."""
        return [
            {
                "file": report.file,
                "kind": report.kind,
                "rows": report.rows,
                "accepted": report.accepted,
                "quarantined": report.rows - report.accepted,
                "skipped": report.skipped,
                "reasons": {str(reason): n for reason, n in sorted(report.quarantined.items(), key=lambda i: -i[1])},
            }
            for report in self.files
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the report in the form of `ingest.json`."""
        return vars(self) | {"files": self.rows}


def ingest(
    shop: Shop,
    *,
    progress: Callable[[str], None] | None = None,
    memory_limit: str = "2GB",
    now: datetime | None = None,
) -> IngestReport:
    """Validate a shop folder and load it into the warehouse of its work folder, which is replaced as a whole.

    Args:
        shop: The shop.
        progress: Is told what is being done.
        memory_limit: What DuckDB may hold in memory; beyond it, it spills to the work folder.
        now: The present, for the check of timestamps; the clock's unless given.

    Raises:
        ShopError: a file is missing, cannot be read or lacks a column, or nothing of a kind was accepted.
        TooManyRejects: more of a file than `max_reject_share` was rejected; `quarantine.parquet` in the work folder
            holds the rows.
    """
    started = time.monotonic()
    tell = progress or (lambda _: None)
    shop.need("queries")
    with _scratch(shop.work) as scratch:
        folder = scratch / "warehouse"
        folder.mkdir()
        region = region_of(shop.config.locale)
        rejects = RejectWriter(scratch / "rejects.parquet", region=region)
        try:
            catalogue = load_catalogue(shop, folder, rejects, tell)
        except TooManyRejects:
            rejects.close()
            (scratch / "rejects.parquet").replace(shop.work / "quarantine.parquet")
            raise
        finally:
            rejects.close()
        with _database(scratch, memory_limit) as connection:
            log = load_log(connection, shop, folder, now or datetime.now(UTC), tell)
            _write_quarantine(connection, scratch / "rejects.parquet", log, folder / "quarantine.parquet", region)
        try:
            check_share(log.reports, shop.config.max_reject_share)
        except TooManyRejects:
            (folder / "quarantine.parquet").replace(shop.work / "quarantine.parquet")
            raise
        if not log.searches:
            raise ShopError(f"{shop.folder}: no search was accepted", hint="the files of queries are empty or unusable")
        report = IngestReport(
            files=catalogue.reports + log.reports,
            categories=catalogue.categories,
            products=catalogue.products,
            searches=log.searches,
            events=log.events,
            first_ordinal=log.first_ordinal,
            fingerprints={"catalogue": _sha256(catalogue.digest), "shop": _sha256(f"{catalogue.digest} {log.digest}")},
            seconds=round(time.monotonic() - started, 3),
        )
        (folder / "ingest.json").write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False), "utf-8")
        _replace_folder(folder, shop.warehouse)
    (shop.work / "quarantine.parquet").unlink(missing_ok=True)
    return report


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _scratch(work: Path) -> Iterator[Path]:
    """Make a folder beside the warehouse, so that what is in it can be renamed, and take it away at the end."""
    scratch = work / f".ingest.{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _database(scratch: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(scratch / "spill"),
    }
    with duckdb.connect(str(scratch / "staging.duckdb"), config=settings) as connection:
        yield connection


def _write_quarantine(
    connection: duckdb.DuckDBPyConnection, catalogue: Path, log: SearchLog, path: Path, region: str | None
) -> None:
    """Put the rejects of the log beside those of the catalogue, which have had their personal data taken out."""

    def redacted(row: str) -> str:
        return redact(row, region=region)

    connection.create_function("redacted", redacted)
    connection.execute("CREATE TABLE files (file USMALLINT, name VARCHAR)")
    for number, report in enumerate(log.reports):
        connection.execute("INSERT INTO files VALUES (?, ?)", [number, report.file])
    connection.execute(f"""
        COPY (
            SELECT file, line, reason, row FROM read_parquet({quote(catalogue)})
            UNION ALL
            SELECT name, line, reason, CASE WHEN place <= {SAMPLES} THEN redacted(sample) END
            FROM (
                SELECT name, line, reason, sample, row_number() OVER (PARTITION BY file, reason ORDER BY line) AS place
                FROM outcomes JOIN files USING (file) WHERE reason IS NOT NULL AND reason <> '{SKIPPED}'
            )
            ORDER BY 1, 2
        ) TO {quote(path)} (FORMAT parquet, COMPRESSION zstd)""")


def _replace_folder(new: Path, place: Path) -> None:
    """Put a finished folder in the place of the old one: between the two renames there is none, never half of one."""
    for file in new.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    sync_folder(new)
    old = new.with_name("old")
    if place.exists():
        place.rename(old)
    new.rename(place)
    sync_folder(place.parent)
