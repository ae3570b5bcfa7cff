"""Options that several commands share, and how they print."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from domain.errors import UserError
from domain.shop import Shop, open_shop

__all__ = [
    "DEFAULT_PROMPT",
    "ApiBaseOption",
    "JsonOption",
    "ModelOption",
    "PromptOption",
    "ShopArgument",
    "TimeoutOption",
    "WithoutContextOption",
    "WorkOption",
    "console",
    "model_name",
    "progress_bar",
    "results",
    "shop_at",
    "status",
    "work_on",
    "write_json",
]

ShopArgument = Annotated[Path, typer.Argument(help="The shop folder, which holds shop.toml.", metavar="SHOP")]
WorkOption = Annotated[
    Path | None, typer.Option("--work", help="Where the shop's work lives; .querywise/<shop name> unless given.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="A litellm model name, or recorded:FILE. Else shop.toml, else QUERYWISE_MODEL."),
]
ApiBaseOption = Annotated[str | None, typer.Option("--api-base", help="Address of an OpenAI-compatible server.")]
PromptOption = Annotated[
    str,
    typer.Option(
        "--prompt",
        help="Prompts as name@version or a .md file, with commas between; understand@1 alone asks for no ideas.",
    ),
]
DEFAULT_PROMPT = "understand@1,discover@1"
"""What a run asks unless told otherwise: what a query means, and what else to show for it.

A new version is a choice; docs/quality.md and docs/discovered.md say what each is worth.
"""

TimeoutOption = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for an answer.")]
WithoutContextOption = Annotated[
    bool, typer.Option("--without-context", help="Show the model no evidence of the log; for comparison.")
]


def _console(*, stderr: bool) -> Console:
    # What is printed names files and holds text of shoppers: brackets and colons in it are no markup.
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = 160
    return made


console = _console(stderr=True)
"""Where people read: standard error, so that standard output holds results alone."""

results = _console(stderr=False)
"""Results that people asked for, on standard output."""


def shop_at(folder: Path, work: Path | None) -> Shop:
    """Open a shop and make its work folder.

    Raises:
        UserError: when the work folder cannot be made, or would lie in the shop folder.
    """
    shop = open_shop(folder, work=work)
    if shop.work.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"the work folder {shop.work} lies in the shop folder, which is only read",
            hint="pass --work with a folder elsewhere",
        )
    try:
        shop.work.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"{shop.work} is not a folder", hint="--work takes a folder, which is made if needed") from None
    except OSError as error:
        raise UserError(
            f"the work folder {shop.work} cannot be made: {error.strerror}",
            hint="pass --work with a folder that you can write to",
        ) from None
    return shop


@contextmanager
def work_on(folder: Path, work: Path | None) -> Iterator[Shop]:
    """Open a shop for a command that writes: no other such command runs meanwhile, and what a killed one left goes.

    Raises:
        UserError: when the work folder cannot be written, or another command is at work in it.
    """
    shop = shop_at(folder, work)
    try:
        lock = (shop.work / ".lock").open("wb")
    except OSError as error:
        raise UserError(
            f"the work folder {shop.work} cannot be written: {error.strerror}",
            hint="pass --work with a folder that you can write to",
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another querywise is at work in {shop.work}", hint="wait for it to end, or pass another --work"
            ) from None
        for pattern in (".*.tmp", ".ingest.*", ".context-*", "labels/.*.tmp"):
            for leftover in shop.work.glob(pattern):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield shop


def model_name(shop: Shop, given: str | None) -> str | None:
    """Return the model by order of precedence: the option, shop.toml, the environment."""
    return given or shop.config.llm.model or os.environ.get("QUERYWISE_MODEL")


def write_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


@contextmanager
def status(name: str) -> Iterator[Callable[[str], None]]:
    """Show what is being done while the block runs; yields what takes each step."""
    with console.status(Text(name)) as shown:
        yield lambda step: shown.update(Text(f"{name}: {step}"))


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress display on standard error; silent where nobody looks."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress
