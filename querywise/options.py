"""Options that several commands share, and how they print."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from domain.shop import Shop, open_shop

__all__ = [
    "ApiBaseOption",
    "JsonOption",
    "ModelOption",
    "PromptOption",
    "ShopArgument",
    "WithoutContextOption",
    "WorkOption",
    "console",
    "model_name",
    "progress_bar",
    "shop_at",
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
PromptOption = Annotated[str, typer.Option("--prompt", help="The prompt, as name or name@version.")]
WithoutContextOption = Annotated[
    bool, typer.Option("--without-context", help="Show the model no evidence of the log; for comparison.")
]

console = Console(stderr=True, highlight=False)
"""Where people read: standard error, so that standard output holds results alone."""


def shop_at(folder: Path, work: Path | None) -> Shop:
    """Open a shop and make its work folder."""
    shop = open_shop(folder, work=work)
    shop.work.mkdir(parents=True, exist_ok=True)
    return shop


def model_name(shop: Shop, given: str | None) -> str | None:
    """Return the model by order of precedence: the option, shop.toml, the environment."""
    return given or shop.config.model or os.environ.get("QUERYWISE_MODEL")


def write_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


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
