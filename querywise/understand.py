"""`understand`: one query at the prompt, or a file of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from domain.errors import StageMissing, UserError
from domain.files import replace_atomically
from domain.understanding import Understanding, understanding_adapter
from querywise.options import JsonOption, ShopArgument, WorkOption, console, shop_at, write_json
from querywise.show import show_understanding
from release import Release, current_release, open_release, open_retriever

__all__ = ["QueryLine", "open_current", "read_queries", "read_query_lines", "understand"]


@dataclass(frozen=True, kw_only=True)
class QueryLine:
    """A query as a file has it; ``line`` is 1-based, in Parquet the number of the row."""

    line: int
    query: str


def understand(
    shop: ShopArgument,
    query: Annotated[str | None, typer.Argument(help="The query.", metavar="QUERY")] = None,
    work: WorkOption = None,
    input_: Annotated[
        Path | None, typer.Option("--input", help="Many queries: JSON Lines of {query}, or Parquet with that column.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where their understandings go: .jsonl or .parquet.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a query from the current release, as the service would."""
    if (query is None) == (input_ is None) or (input_ is None) != (output is None):
        raise UserError("give one query, or --input and --output", hint='querywise understand SHOP "1% milk"')
    if output is not None and output.suffix not in (".jsonl", ".ndjson", ".parquet"):
        raise UserError(f"{output} is of no known format", hint="--output takes a file .jsonl or .parquet")
    if query is not None and not _is_text(query):
        raise UserError("the query is not valid UTF-8")
    queries = [query or ""] if input_ is None else list(read_queries(input_))
    with open_current(shop, work) as release:
        answers = release.understand(queries)
    if output is not None:
        _write(output, answers)
        if as_json:
            write_json({"understandings": len(answers), "output": output})
        else:
            console.print(f"{len(answers):,} understandings written to {output}")
    elif as_json:
        sys.stdout.write(understanding_adapter.dump_json(answers[0], indent=1).decode() + "\n")
    else:
        show_understanding(answers[0])


def open_current(folder: Path, work: Path | None) -> Release:
    """Open the current release of a shop."""
    shop = shop_at(folder, work)
    current = current_release(shop.releases)
    if current is None:
        raise StageMissing("there is no release", hint=f"run `querywise run {folder}` first")
    return open_release(shop.releases / current, load_retriever=open_retriever)


def read_queries(path: Path) -> Iterator[str]:
    """Yield the queries of a file: JSON Lines of texts or of objects with `query`, or Parquet with that column.

    Raises:
        UserError: naming the line that holds no query.
    """
    return (found.query for found in read_query_lines(path))


def read_query_lines(path: Path) -> Iterator[QueryLine]:
    """Yield the queries of a file with their lines, as `read_queries` does.

    Raises:
        UserError: as `read_queries`.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}", hint="--input takes JSON Lines or Parquet")
    yield from _parquet_queries(path) if path.suffix == ".parquet" else _json_queries(path)


def _parquet_queries(path: Path) -> Iterator[QueryLine]:
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise UserError(f"{path} is not Parquet: {str(error).splitlines()[0]}") from None
    if frame.schema.get("query") != pl.String:
        raise UserError(f"{path} has no column query of text", hint=f"its columns are {', '.join(frame.columns)}")
    for number, query in enumerate(frame["query"].fill_null(""), 1):
        yield QueryLine(line=number, query=query)


def _json_queries(path: Path) -> Iterator[QueryLine]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                query = row["query"] if isinstance(row, dict) else row
            except (ValueError, KeyError, RecursionError):
                query = None
            if not isinstance(query, str) or not _is_text(query):
                raise UserError(
                    f"{path}, line {number}: no query", hint='a line looks like {"query": "1% milk"} or "1% milk"'
                )
            yield QueryLine(line=number, query=query)


def _is_text(query: str) -> bool:
    """Whether a query is text that UTF-8 can write; half a surrogate pair is not."""
    return not any("\ud800" <= char <= "\udfff" for char in query)


def _write(path: Path, answers: list[Understanding]) -> None:
    lines = [understanding_adapter.dump_json(answer) for answer in answers]
    with replace_atomically(path) as file:
        if path.suffix == ".parquet":
            frame = pl.DataFrame(
                {"query": [a.query for a in answers], "understanding": [line.decode() for line in lines]}
            )
            frame.write_parquet(file)
        else:
            file.writelines(line + b"\n" for line in lines)
