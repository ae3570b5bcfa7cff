"""The program: its command groups, and what an error looks like to a person."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from domain.errors import QuerywiseError, UserError
from querywise import batch, evaluate, label, prompts, releases, run, serve, stages, understand

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
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
app.command("evaluate")(evaluate.evaluate)
app.command("understand")(understand.understand)
app.command("serve")(serve.serve)
app.add_typer(releases.app, name="release")
app.add_typer(prompts.app, name="prompts")


def main() -> None:
    """Run the program. Exit status: 0 success, 1 a check or gate says no, 2 a user's mistake."""
    errors = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        app()
    except QuerywiseError as error:
        errors.print(f"querywise: {error}", style="red")
        if error.hint:
            errors.print(f"  hint: {error.hint}")
        sys.exit(2 if isinstance(error, UserError) else 1)
    except KeyboardInterrupt:
        errors.print("querywise: stopped; what was finished is kept")
        sys.exit(130)
