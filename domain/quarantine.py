"""Rows that were not accepted, and why: each is kept with its file, line and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from domain.errors import TooManyRejects
from domain.privacy import redact

__all__ = [
    "QUARANTINE_SCHEMA",
    "SAMPLES",
    "SAMPLE_LENGTH",
    "SET_ASIDE",
    "FileReport",
    "Reason",
    "Reject",
    "RejectWriter",
    "check_share",
]

SAMPLE_LENGTH: Final = 500
"""Characters of an offending row that are kept."""

SAMPLES: Final = 1000
"""Rows of each file and reason of which they are kept; of the others the line tells where they are."""


class Reason(StrEnum):
    """Why a row was quarantined."""

    MALFORMED_JSON = "malformed JSON"
    MALFORMED_CSV = "malformed CSV"
    NOT_UTF8 = "invalid UTF-8"
    NUL_BYTE = "NUL byte"
    LINE_TOO_LONG = "line too long"
    MISSING_ID = "missing id"
    BAD_ID = "bad id"
    DUPLICATE_ID = "duplicate id"
    MISSING_NAME = "missing name or title"
    UNKNOWN_PARENT = "unknown parent"
    CYCLE = "cycle in the tree"
    MISSING_CATEGORY = "missing category"
    UNKNOWN_CATEGORY = "unknown category"
    BAD_PRICE = "bad price"
    NEGATIVE_PRICE = "negative price"
    BAD_POPULARITY = "bad popularity"
    BAD_QUALITY = "quality outside 0..1"
    BAD_STOCK = "bad in_stock"
    BAD_TEXT = "bad text"
    BAD_ATTRIBUTES = "bad attributes"
    MISSING_TIMESTAMP = "missing timestamp"
    BAD_TIMESTAMP = "unreadable timestamp"
    TOO_OLD = "timestamp before 2000"
    FUTURE = "timestamp in the future"
    EMPTY_QUERY = "empty query"
    QUERY_TOO_LONG = "query too long"
    PERSONAL_DATA = "personal data in the query"
    BAD_HITS = "bad response list"
    MISSING_ACTION = "missing action name"
    EVENT_AMONG_QUERIES = "event in a file of queries"
    NO_QUERY = "event without a query"
    NO_OBJECT = "event without an object"
    BAD_POSITION = "bad position"
    UNKNOWN_PRODUCT = "unknown product"
    UNKNOWN_QUERY = "unknown query_id"


_BATCH: Final = 1000

SET_ASIDE: Final = frozenset({Reason.EMPTY_QUERY, Reason.PERSONAL_DATA, Reason.NO_QUERY, Reason.NO_OBJECT})
"""Rows that are well formed and of no use here; they do not count towards `max_reject_share`."""

QUARANTINE_SCHEMA: Final = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("row", pa.string())]
)


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One row that was not accepted; ``line`` is 1-based, in Parquet the number of the row."""

    file: str
    line: int
    reason: Reason
    row: str


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What became of the rows of one file: ``rows == accepted + sum(quarantined.values())``.

    ``skipped`` counts lines that are no rows: blank ones, and action lines of an OpenSearch bulk file.
    """

    file: str
    kind: str
    accepted: int
    quarantined: Mapping[Reason, int]
    skipped: int = 0

    @property
    def rows(self) -> int:
        """Rows read."""
        return self.accepted + sum(self.quarantined.values())

    @property
    def rejected_share(self) -> float:
        """Share of rows that were rejected for a fault, in [0, 1]; rows that are only of no use do not count."""
        faults = sum(count for reason, count in self.quarantined.items() if reason not in SET_ASIDE)
        return faults / self.rows if self.rows else 0.0


def check_share(reports: Iterable[FileReport], most: float) -> None:
    """Refuse a load in which a file has more than the share `most` of faulty rows.

    Raises:
        TooManyRejects: names the file, its share, and its most frequent reasons.
    """
    for report in reports:
        if report.rejected_share > most:
            faults = Counter({r: n for r, n in report.quarantined.items() if r not in SET_ASIDE})
            top = ", ".join(f"{reason} ({count:,})" for reason, count in faults.most_common(3))
            raise TooManyRejects(
                f"{report.file}: {report.rejected_share:.1%} of {report.rows:,} rows were rejected: {top}",
                hint=f"the rows are kept in quarantine.parquet; up to {most:.0%} is allowed, "
                "see [ingest] max_reject_share in shop.toml",
            )


class RejectWriter:
    """Writes rejects to a Parquet file as they come, without personal data, and counts them by file and reason.

    Args:
        path: The file.
        region: As `domain.privacy.redact` takes it.
    """

    def __init__(self, path: Path, *, region: str | None = None) -> None:
        self.counts: dict[str, Counter[Reason]] = {}
        self._region = region
        self._writer = pq.ParquetWriter(path, QUARANTINE_SCHEMA)
        self._pending: list[dict[str, Any]] = []

    def add(self, reject: Reject) -> None:
        """Keep one row."""
        counts = self.counts.setdefault(reject.file, Counter())
        counts[reject.reason] += 1
        sample = redact(reject.row, region=self._region) if counts[reject.reason] <= SAMPLES else None
        self._pending.append({**vars(reject), "reason": str(reject.reason), "row": sample})
        if len(self._pending) == _BATCH:
            self._flush()

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        if self._writer.is_open:
            self._flush()
            self._writer.close()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._pending, schema=QUARANTINE_SCHEMA))
        self._pending = []
