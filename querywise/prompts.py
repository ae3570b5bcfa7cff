"""`prompts`: what is said to the model."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from prompts import list_prompts, load_prompt
from querywise.options import JsonOption, write_json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The prompt files.")


@app.command("list")
def list_(as_json: JsonOption = False) -> None:
    """List the prompts by name and version."""
    prompts = list_prompts()
    if as_json:
        write_json([{"id": p.id, "task": p.task, "parameters": p.parameters} for p in prompts])
    else:
        for prompt in prompts:
            sys.stdout.write(f"{prompt.id}  {prompt.task}\n")


@app.command("show")
def show(prompt: Annotated[str, typer.Argument(help="name or name@version")], as_json: JsonOption = False) -> None:
    """Show a prompt as it is before anything is filled in."""
    found = load_prompt(prompt)
    if as_json:
        write_json(found)
    else:
        sys.stdout.write(f"{found.id}\n\n=== system ===\n{found.system}\n\n=== user ===\n{found.user}\n")
