"""`prompts improve`: a better wording of a prompt, searched for with labelled queries and within a budget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from evals import to_text
from prompts import open_provider
from prompts.improve import optimiser
from querywise.improvement import Found, Search
from querywise.label import ConcurrencyOption
from querywise.options import (
    ApiBaseOption,
    JsonOption,
    ModelOption,
    ShopArgument,
    WorkOption,
    console,
    model_name,
    status,
    work_on,
    write_json,
)

__all__ = ["improve"]


def improve(
    shop: ShopArgument,
    prompt: Annotated[str, typer.Argument(help="The prompt to begin with, as name@version.", metavar="PROMPT")],
    budget: Annotated[
        float, typer.Option(min=0, help="The most that the search may cost in all, in US dollars; never exceeded.")
    ],
    work: WorkOption = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="Labelled queries; the shop's gold unless given.")] = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    reflection_model: Annotated[
        str | None, typer.Option(help="The model that proposes prompts; the one that answers unless given.")
    ] = None,
    reflection_api_base: Annotated[
        str | None, typer.Option(help="Address of the server of --reflection-model, where it has one of its own.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="The most proposals.")] = 30,
    seed: Annotated[int, typer.Option(help="Parts the labelled queries, and decides every choice of the search.")] = 0,
    output: Annotated[Path, typer.Option(file_okay=False, help="The folder for the new prompt file.")] = Path(),
    concurrency: ConcurrencyOption = 64,
    as_json: JsonOption = False,
) -> None:
    """Search for a better wording of a prompt, and write it as a new version for a person to read.

    The labelled queries are parted in three: to learn from, to choose by, and to compare the old with the new on. Exit
    1 when nothing better is found. Completions are kept: the same call goes on where one was stopped.
    """
    optimiser()
    with work_on(shop, work) as opened:
        provider = open_provider(model_name(opened, model), api_base=api_base)
        reflector = open_provider(reflection_model, api_base=reflection_api_base) if reflection_model else provider
        search = Search(opened, prompt, provider, reflector, gold=gold, seed=seed, budget=budget)
        with status("improve") as step:
            found = search.run(rounds=rounds, output=output, concurrency=concurrency, progress=step)
    write_json(found.document()) if as_json else _show(found)
    if found.file is None:
        raise typer.Exit(1)


def _show(found: Found) -> None:
    search = found.improvement
    if found.comparison:
        sys.stdout.write(to_text(found.comparison) + "\n")
    counted = f"{search.rounds} rounds, {search.tried} prompts tried, {search.turned_away} turned away"
    console.print(f"{counted}; ended by: {search.ended}; ${found.spent:.4f} spent")
    if search.detail:
        console.print(search.detail, style="dim")
    if found.file is None:
        console.print(f"nothing better than {found.prompt} was found; its score is {search.before:.3f}")
        return
    console.print(
        f"score {search.before:.3f} -> {search.score:.3f} on the {found.sizes['validation']} queries it was chosen by"
    )
    if found.comparison is None:
        console.print("no money was left to compare the two on queries that were held back", style="yellow")
    file = str(found.file) if "/" in str(found.file) else f"./{found.file}"
    sys.stdout.write(f"{file}\n")
    console.print(f"no person has read it yet: querywise prompts diff {found.reference} {file}")
