"""`release diff`: what one release answers otherwise than another, and whether that is better."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from domain.context import ContextStore
from domain.errors import UserError
from evals import Comparison, compare_sides, to_text, write_page
from evals.consistency import (
    Moved,
    RuleCount,
    contradictions_text,
    count_contradictions,
    moved,
    moved_text,
)
from querywise.gold import gold_of
from querywise.options import JsonOption, WorkOption, console, shop_at, write_json
from querywise.release_live import live_differences, say_live
from querywise.sides import asked_of, known_to, open_named, side_of

__all__ = ["diff"]

ReleaseArgument = Annotated[str | None, typer.Argument(help="A release's id, or current or previous.")]


def diff(
    shop: Annotated[Path | None, typer.Argument(metavar="SHOP", help="Folder of the shop.")] = None,
    a: ReleaseArgument = None,
    b: ReleaseArgument = None,
    work: WorkOption = None,
    html: Annotated[Path | None, typer.Option("--html", help="Also write a page with every query.")] = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="Labelled queries; the shop's gold unless given.")] = None,
    live: Annotated[
        str | None, typer.Option("--live", metavar="URL", help="Instead, what this service found in shadow.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two releases on every query that either has an answer of its own for, and on the labelled queries.

    Release A is the base. It says which is better where there are labels, what moved, with the searches behind it, and
    which answers contradict themselves. With --live it reads what a service with --shadow found on its own traffic.
    """
    if live is not None:
        if (shop, a, b, html, gold) != (None,) * 5:
            raise UserError("--live compares what the service has", hint="give no shop and no release with it")
        differences = live_differences(live)
        write_json(differences) if as_json else say_live(differences)
        return
    if shop is None or a is None or b is None:
        raise UserError("a shop and two releases are needed", hint="or --live URL")
    opened = shop_at(shop, work)
    with ExitStack() as held:
        first, second = (held.enter_context(open_named(opened, name)) for name in (a, b))
        labelled = gold_of(opened, gold, second.taxonomy)
        cases = {case.normalized: case for case in labelled.cases} if labelled else {}
        asked = asked_of(ContextStore(opened.context_file), {*known_to(first), *known_to(second)}, cases)
        sides = (side_of(first, asked), side_of(second, asked))
        made = {"shop": opened.config.name} | {
            f"{letter} made of": f"{', '.join(release.manifest.models)}; {', '.join(release.manifest.prompts)}"
            for letter, release in (("A", first), ("B", second))
        }
        found = compare_sides(asked, *sides, second.taxonomy, made=made)
        before, after = (
            [outcome.served(one.query) for outcome, one in zip(side.outcomes, asked, strict=True)] for side in sides
        )
        changes = moved(asked, before, after)
        broken = {
            "A": count_contradictions(asked, before, first.taxonomy),
            "B": count_contradictions(asked, after, second.taxonomy),
        }
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        write_page(html, found, *sides)
    if as_json:
        write_json({"comparison": found, "moved": changes, "contradictions": broken})
    else:
        _say(found, changes, broken)
        if html is not None:
            console.print(f"every query with both answers: {html}", style="dim")


def _say(found: Comparison, changes: Moved, broken: dict[str, tuple[RuleCount, ...]]) -> None:
    sys.stdout.write(f"{to_text(found)}\n## What moved\n\n{moved_text(changes)}")
    for letter, counts in broken.items():
        sys.stdout.write(f"\n## Contradictions within answers of {letter}\n\n{contradictions_text(counts)}")
