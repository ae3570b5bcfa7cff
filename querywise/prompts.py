"""`prompts`: what is said to the model, and which wording is better."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer
from rich.text import Text

from domain.errors import UserError
from domain.label import read_labels
from domain.shop import Shop
from domain.understanding import Category, Understanding
from prompts import list_prompts, load_prompt
from prompts.difference import Difference, diff_prompts
from prompts.examples import accepted, write_examples
from querywise.compare import compare
from querywise.gold import gold_to_ask
from querywise.improve import improve
from querywise.options import JsonOption, ShopArgument, WorkOption, console, results, work_on, write_json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The prompt files, and which wording is better.")
app.command("compare")(compare)
app.command("improve")(improve)

PromptArgument = Annotated[str, typer.Argument(help="name, name@version, or a .md file")]
_STYLES = {"same": "", "removed": "red strike", "added": "green"}
_MARKS = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}


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
def show(prompt: PromptArgument, as_json: JsonOption = False) -> None:
    """Show a prompt as it is before anything is filled in."""
    found = load_prompt(prompt)
    if as_json:
        write_json(found)
    else:
        sys.stdout.write(f"{found.id}\n\n=== system ===\n{found.system}\n\n=== user ===\n{found.user}\n")


@app.command("diff")
def diff(a: PromptArgument, b: PromptArgument, as_json: JsonOption = False) -> None:
    """Show what differs between two prompts, in text, schema and parameters.

    Where there are no colours, [-words-] are only in the first and {+words+} only in the second.
    """
    old, new = load_prompt(a), load_prompt(b)
    found = diff_prompts(old, new)
    if as_json:
        write_json({"a": old.id, "b": new.id, "differences": found})
        return
    results.print(f"{old.id} -> {new.id}")
    part = None
    for difference in found:
        if difference.part != part:
            part = difference.part
            results.print(f"\n=== {part} ===")
        results.print(_line(difference))
    if not found:
        results.print("no difference")


@app.command("examples")
def examples(
    shop: ShopArgument,
    work: WorkOption = None,
    source: Annotated[
        Literal["labels", "gold"], typer.Option("--from", help="Accepted labels of the last run, or labels by people.")
    ] = "labels",
    as_json: JsonOption = False,
) -> None:
    """Choose the answered queries that prompts show as examples, until this is called again.

    Of labels those are taken that the log bears out and the checks left whole. A query is never shown its own.
    """
    with work_on(shop, work) as opened:
        answers = _gold(opened) if source == "gold" else _accepted(opened)
        count = write_examples(opened.examples, answers)
    if as_json:
        write_json({"examples": count, "path": opened.examples})
    else:
        console.print(f"{count:,} examples written to {opened.examples}")


def _line(difference: Difference) -> Text:
    coloured = results.is_terminal
    line = Text("  ")
    for piece in difference.pieces:
        before, after = ("", "") if coloured else _MARKS[piece.kind]
        line.append(f"{before}{piece.text}{after}", style=_STYLES[piece.kind] if coloured else "")
    return line


def _accepted(shop: Shop) -> list[Understanding]:
    if not shop.labels_file.is_file():
        raise UserError("there are no labels to choose from", hint=f"run `querywise label {shop.folder}` first")
    return accepted(read_labels(shop.labels_file))


def _gold(shop: Shop) -> list[Understanding]:
    taxonomy = shop.load_taxonomy()
    return [
        Understanding(
            query=case.query,
            normalized=case.normalized,
            source="head",
            reason="precomputed",
            release="",
            categories=tuple(Category(id=i, path=taxonomy.path(i), confidence=None) for i in case.categories),
            specificity=case.specificity,
        )
        for case in gold_to_ask(shop, None, taxonomy).cases
        if case.categories is not None
    ]
