"""Queries that a run is about besides those of its tiers: a file of them, and how many of the tail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from domain.errors import UserError
from domain.lines import read_batches
from domain.privacy import MOST_READ, personal_data, region_of
from domain.quarantine import Reason
from domain.shop import Shop
from domain.text import MAX_QUERY_LENGTH, normalise
from querywise.marks import digest
from querywise.options import console

__all__ = [
    "Addition",
    "QueriesOption",
    "QueryFile",
    "Skip",
    "SkippedLine",
    "TailOption",
    "read_addition",
    "read_query_file",
]

QueriesOption = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        help="Also the queries of this file, one a line or JSON Lines of {query, searches}; or a miss log's folder.",
    ),
]
TailOption = Annotated[
    int | None,
    typer.Option("--tail", min=1, help="Also the N most valuable queries of the tail; with --queries, of these too."),
]

Skip = Literal[
    "empty query",
    "query too long",
    "personal data",
    "malformed JSON",
    "no query",
    "bad searches",
    "NUL byte",
    "line too long",
]
"""Why a line of a file of queries is not taken."""

_SHOWN: Final = 10
_MOST_SEARCHES: Final = 10**12
_FORM: Final = 'a line is a query, or in JSON Lines {"query": "1% milk", "searches": 3}'
_UNREADABLE: Final[Mapping[str, Skip]] = {Reason.NUL_BYTE: "NUL byte", Reason.LINE_TOO_LONG: "line too long"}


@dataclass(frozen=True, kw_only=True)
class SkippedLine:
    """A line that was not taken: its number, from 1, and why."""

    line: int
    reason: Skip


@dataclass(frozen=True, kw_only=True)
class QueryFile:
    """A file of queries as it was read.

    Attributes:
        path: Where it lies.
        searches: How often each normalised query was searched, over all its lines; a line that does not say counts one.
        lines: How many lines there are.
        skipped: How many of them were not taken, by reason.
        first_skipped: The first of those.
    """

    path: Path
    searches: Mapping[str, int]
    lines: int
    skipped: Mapping[Skip, int]
    first_skipped: tuple[SkippedLine, ...]


@dataclass(frozen=True, kw_only=True)
class Addition:
    """What was asked for besides the tiers: a file's queries, or the `tail` most valuable of these and the tail."""

    file: QueryFile | None = None
    tail: int | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """What decides the queries, log and catalogue aside; empty where nothing was asked for."""
        if self.file is None and self.tail is None:
            return ()
        return (digest(self.file.searches) if self.file else "", str(self.tail or ""))

    @property
    def skipped(self) -> Mapping[Skip, int]:
        """How many lines of the file were not taken, by reason."""
        return self.file.skipped if self.file else {}


def read_addition(shop: Shop, queries: Path | None, tail: int | None) -> Addition:
    """Read what `--queries` and `--tail` ask of a shop, and say what of the file was taken.

    Raises:
        UserError: as `read_query_file`.
    """
    file = read_query_file(queries, region=region_of(shop.config.locale)) if queries is not None else None
    if file is not None:
        _show(file)
    return Addition(file=file, tail=tail)


def read_query_file(path: Path, *, region: str | None = None) -> QueryFile:
    """Read a file of queries, also one that ends in .gz, or a folder such as the service's miss log: all its files.

    Lines that hold no query are counted.

    A line that begins with ``{`` is JSON, and so is every line of a file named .jsonl, .ndjson or .json: an object with
    `query` and perhaps `searches`, or a text.

    Args:
        path: The file or folder.
        region: The shop's country, as `personal_data` takes it.

    Raises:
        UserError: when the file cannot be read, is not UTF-8 or no text, or of its lines none holds a query.
    """
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".csv", ".tsv", ".parquet")):
        raise UserError(f"{path} is no list of queries", hint=_FORM)
    is_json = path.is_dir() or name.endswith((".jsonl", ".ndjson", ".json"))
    searches: Counter[str] = Counter()
    skipped: Counter[Skip] = Counter()
    first: list[SkippedLine] = []
    lines = 0
    try:
        for batch in (batch for part in _parts(path) for batch in read_batches(part)):
            for row in batch.to_pylist():
                lines += 1
                if row["problem"] == Reason.NOT_UTF8:
                    raise UserError(f"{path}, line {row['line']}: not UTF-8", hint="save it as UTF-8")
                found = _skip_or_line(row, is_json=is_json, region=region)
                if isinstance(found, _Line):
                    searches[found.query] += found.searches
                    continue
                skipped[found] += 1
                if len(first) < _SHOWN:
                    first.append(SkippedLine(line=row["line"], reason=found))
    except UserError as error:
        raise UserError(str(error), hint=error.hint or f"--queries takes a file of text: {_FORM}") from None
    if lines and not searches:
        raise UserError(f"{path}: no line holds a query ({_counts(skipped)})", hint=_FORM)
    return QueryFile(path=path, searches=dict(searches), lines=lines, skipped=skipped, first_skipped=tuple(first))


def _parts(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    parts = sorted(part for part in path.iterdir() if part.name.endswith((".jsonl", ".jsonl.gz")))
    if not parts:
        raise UserError(f"{path} cannot be read: it is a folder without a .jsonl file", hint=_FORM)
    return parts


@dataclass(frozen=True, kw_only=True)
class _Line:
    query: str
    searches: int


def _skip_or_line(row: Mapping[str, Any], *, is_json: bool, region: str | None) -> _Line | Skip:
    if row["problem"]:
        return _UNREADABLE[row["problem"]]
    return _parse(row["text"], is_json=is_json, region=region)


def _parse(text: str, *, is_json: bool, region: str | None) -> _Line | Skip:
    counted: int | None = 1
    if (is_json and text.strip()) or text.lstrip().startswith("{"):
        try:
            row: Any = json.loads(text)
        except (ValueError, RecursionError):
            return "malformed JSON"
        fields = row if isinstance(row, dict) else {"query": row}
        if not isinstance(fields.get("query"), str):
            return "no query"
        text, counted = fields["query"], _whole(fields.get("searches"))
    if len(text) > MOST_READ:
        return "query too long"
    if personal_data(text, region=region):
        return "personal data"
    query = normalise(text)
    if not query:
        return "empty query"
    if len(query) > MAX_QUERY_LENGTH:
        return "query too long"
    return "bad searches" if counted is None else _Line(query=query, searches=counted)


def _whole(value: object) -> int | None:
    """Return a whole number that is not negative; 3.0 is one, for so a data frame writes a column with gaps.

    Nothing said is one search.
    """
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST_SEARCHES:
        return None
    return int(value) if value == int(value) else None


def _show(file: QueryFile) -> None:
    skipped = sum(file.skipped.values())
    left_out = f"; {skipped:,} skipped: {_counts(file.skipped)}" if skipped else ""
    console.print(f"{file.path}: {len(file.searches):,} queries in {file.lines:,} lines{left_out}")
    for one in file.first_skipped:
        console.print(f"  line {one.line:,}: {one.reason}", style="dim")
    if skipped > len(file.first_skipped):
        console.print(f"  and {skipped - len(file.first_skipped):,} more", style="dim")


def _counts(skipped: Mapping[Skip, int]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in sorted(skipped.items()))
