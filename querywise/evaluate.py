"""`evaluate`: what a release is worth, what it harms, and whether it may be served."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.context import ContextStore
from domain.errors import UserError
from domain.shop import Shop
from evals.evaluation import to_text
from evals.evaluation.words import plain
from evals.replay import Replay
from querywise.evaluation import Evaluated, evaluate_release
from querywise.marks import report_of
from querywise.options import JsonOption, ShopArgument, WorkOption, console, status, work_on
from querywise.pipeline import fingerprints
from querywise.replay import Withholding, replay_shop, write_withheld
from release import current_release, list_releases

__all__ = ["evaluate"]


def evaluate(
    shop: ShopArgument,
    release: Annotated[
        str | None, typer.Option("--release", help="The release's id; the one built last unless given.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="The release to compare with; the one that is served unless given.")
    ] = None,
    work: WorkOption = None,
    gold: Annotated[Path | None, typer.Option("--gold", help="Labelled queries; the shop's gold unless given.")] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Put the answers to work on the judged lists of judgements.csv.")
    ] = False,
    judged: Annotated[
        bool, typer.Option("--judged", help="In the replay, let the shop's judge grade the products that nobody rated.")
    ] = False,
    withhold: Annotated[
        bool, typer.Option("--withhold", help="Put what the replay finds to do harm on the list that builds obey.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a release and decide whether it may be served. Exit 1 unless the gate says PASS.

    It is held against labelled queries, against the release that is served, and against what gates.toml in the shop
    folder asks; without such a file the hard zeros alone are asked for. The verdict is signed into the release.
    """
    if (withhold or judged) and not replay:
        raise UserError("nothing was replayed", hint="--judged and --withhold go with --replay")
    with work_on(shop, work) as opened, status("evaluate") as tell:
        chosen = release or _built_last(opened)
        withheld: Withholding | None = None
        replayed: Replay | None = None
        if replay:
            tell("replay")
            replayed = replay_shop(opened, gold=gold, judged=judged)
            if withhold:
                withheld = write_withheld(opened, replayed, today=datetime.now(UTC).date())
        tell("measures")
        done = evaluate_release(opened, chosen, against=against, gold=gold, replayed=replayed)
    if as_json:
        sys.stdout.write((done.folder / "report.json").read_text(encoding="utf-8"))
    else:
        _say(done, replayed, withheld)
    if done.evaluation.decision.verdict != "PASS":
        raise typer.Exit(1)


def _built_last(shop: Shop) -> str:
    """Return the release that was built last, or else the one that is served.

    Raises:
        StageMissing: when the shop was not ingested, or has no contexts.
        UserError: when there is none.
    """
    fingerprints(shop)
    ContextStore(shop.context_file)
    built = str(report_of(shop, "release").get("release"))
    chosen = built if built in list_releases(shop.releases) else current_release(shop.releases)
    if chosen is None:
        raise UserError("there is no release", hint="`querywise run` or `querywise release build` makes one")
    return chosen


def _say(done: Evaluated, replayed: Replay | None, withheld: Withholding | None) -> None:
    sys.stdout.write(to_text(done.evaluation))
    if replayed and "judge" in replayed.made:
        console.print(f"in the replay a judge graded {plain(replayed.made['judge'])}")
    if withheld:
        console.print(
            f"{len(withheld.added):,} parts of answers put on the list {withheld.path}, {withheld.total:,} in all; "
            "`querywise release build` obeys it"
        )
    console.print(f"report: {done.folder / 'report.html'}", style="dim")
    console.print(f"per query, worst first: {done.folder / 'queries.jsonl'}", style="dim")
