"""`understand`: one query at the prompt, or a file of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from domain.errors import StageMissing, UserError
from domain.files import replace_atomically
from domain.understanding import Understanding, understanding_adapter
from querywise.options import JsonOption, ShopArgument, WorkOption, console, shop_at
from querywise.show import show_understanding
from release import Release, current_release, open_release, open_retriever

__all__ = ["open_current", "understand"]


def understand(
    shop: ShopArgument,
    query: Annotated[str | None, typer.Argument(help="The query.")] = None,
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
    with open_current(shop, work) as release:
        if input_ is not None and output is not None:
            answers = release.understand(list(_queries(input_)))
            _write(output, answers)
            console.print(f"{len(answers):,} understandings written to {output}")
            return
        [answer] = release.understand([query or ""])
    if as_json:
        sys.stdout.write(understanding_adapter.dump_json(answer, indent=1).decode() + "\n")
    else:
        show_understanding(answer)


def open_current(folder: Path, work: Path | None) -> Release:
    """Open the current release of a shop."""
    shop = shop_at(folder, work)
    current = current_release(shop.releases)
    if current is None:
        raise StageMissing("there is no release", hint=f"run `querywise run {folder}` first")
    return open_release(shop.releases / current, load_retriever=open_retriever)


def _queries(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        if "query" not in frame.columns:
            raise UserError(f"{path} has no column query")
        yield from frame["query"].cast(pl.String).fill_null("")
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                yield row if isinstance(row, str) else str(row["query"])
            except (ValueError, KeyError, TypeError, RecursionError):
                raise UserError(f"{path}, line {number}: not a JSON object with a query") from None


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
