"""The program: its command groups, and what an error looks like to a person."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer
from rich.text import Text

from domain.errors import QuerywiseError, UserError
from querywise import (
    batch,
    distill,
    evaluate,
    export,
    judge,
    keys,
    label,
    match,
    prompts,
    releases,
    review,
    run,
    serve,
    stages,
    understand,
)
from querywise.options import console

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Query understanding for product search: what shoppers of one shop mean by their queries.",
)

app.command("run")(run.run)
app.command("ingest")(stages.ingest)
app.command("context")(stages.context)
app.command("index")(stages.index)
app.command("label")(label.label)
app.add_typer(batch.app, name="batch")
app.command("distill")(distill.distill)
app.add_typer(match.app, name="match")
app.command("content")(stages.content)
app.command("evaluate")(evaluate.evaluate)
app.command("judge")(judge.judge)
app.command("understand")(understand.understand)
app.command("serve")(serve.serve)
app.command("review")(review.review)
app.add_typer(export.app, name="export")
app.add_typer(releases.app, name="release")
app.add_typer(keys.app, name="keys")
app.add_typer(prompts.app, name="prompts")


@app.callback()
def _program(
    show_version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version and exit.")] = False,
) -> None:
    if show_version:
        sys.stdout.write(f"querywise {version('querywise')}\n")
        raise typer.Exit


def main() -> None:
    """Run the program. Exit status: 0 success, 1 a check or gate says no, 2 a user's mistake, 130 stopped by Ctrl-C."""
    try:
        app()
    except SystemExit as end:
        if end.code == 130:
            console.print("querywise: stopped; what was finished is kept")
        raise
    except QuerywiseError as error:
        _complain(str(error), error.hint)
        sys.exit(2 if isinstance(error, UserError) else 1)
    except OSError as error:
        # A full disk, a missing right, a folder where a file should be: nothing that the place in the code explains.
        if error.strerror is None:
            raise
        # Of a rename, the second name is the one that was asked for.
        name = error.filename2 or error.filename
        _complain(f"{name}: {error.strerror}" if name else error.strerror, "")
        sys.exit(2)


def _complain(message: str, hint: str) -> None:
    console.print(Text(f"querywise: {' '.join(message.split())}", style="red"))
    if hint:
        console.print(f"  hint: {hint}")
