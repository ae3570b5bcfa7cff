"""`judge`: verdicts of a model on what is served, and what they are worth by those of people."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from domain.errors import ModelError, PromptError, UserError
from domain.shop import Shop
from domain.verdict import JudgeTask
from evals.judge.panel import PanelMethod
from prompts import PromptFile, load_prompt, open_provider
from prompts.batch import export_batch, format_of
from prompts.judge import PERTURBATIONS, Judge, Perturbation, task_of
from prompts.recording import Recorded
from querywise.gold import gold_of
from querywise.judge_items import Chosen, choose_items
from querywise.judge_panel import panel_of
from querywise.judge_run import JudgeRun, JudgeSummary
from querywise.judge_worth import Worth, nothing_known, worth_of
from querywise.judges import People
from querywise.label import BudgetOption, ConcurrencyOption
from querywise.limits import Limits
from querywise.options import (
    ApiBaseOption,
    JsonOption,
    ModelOption,
    ShopArgument,
    TimeoutOption,
    WorkOption,
    console,
    model_name,
    progress_bar,
    shop_at,
    work_on,
    write_json,
)
from querywise.show import show_estimate

__all__ = ["MOST_UNSCORED", "judge"]

MOST_UNSCORED: Final = 0.05
"""Share of items without a verdict above which a run has failed: what is left is no longer a fair sample."""


def judge(
    shop: ShopArgument,
    task: Annotated[JudgeTask, typer.Option("--task", help="What is judged.")],
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    rubric: Annotated[
        str | None, typer.Option("--rubric", help="Its name@version, or a .md file; judge_TASK@1 unless given.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=1, max=100, help="Judge everything so many times, independently of each other.")
    ] = 1,
    audit: Annotated[
        bool, typer.Option("--audit", help="Judge it also with changes that should change no verdict.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many pairs of a query and a product, or queries by traffic.")
    ] = None,
    queries: Annotated[Path | None, typer.Option(help="Only queries of this file (JSON Lines, Parquet).")] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Of relevance: the pairs of this file, in the form of judgements.csv, in their place."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked and its price.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Ask nothing: write what has no answer yet as a batch input file.")
    ] = None,
    budget: BudgetOption = None,
    concurrency: ConcurrencyOption = 64,
    timeout: TimeoutOption = 120.0,
    panel: Annotated[
        PanelMethod | None,
        typer.Option(
            "--panel", help="Ask nothing: let the judges of the task whose verdicts are kept decide together."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a model judge by a rubric what is served. Exit 1 when over 5% of the items are left without a verdict.

    Verdicts are kept in the work folder, by task and judge, and held against what people say of the same items.
    Completions are kept too: run it again after a kill or a full budget, and none is paid for twice. The answers to an
    exported file are taken by `--model recorded:FILE`.
    """
    if panel:
        if model or rubric or repeat > 1 or audit or sample or queries or pairs or dry_run or export:
            raise UserError("a panel asks nothing", hint="leave out all options but --panel, --task, --work and --json")
        _show_panel(shop_at(shop, work), task, panel, as_json)
        return
    with work_on(shop, work) as opened:
        name = model_name(opened, model)
        if not name:
            raise ModelError("no model is named", hint="pass --model, or set [llm] model in shop.toml")
        loaded = _rubric(rubric or f"judge_{task}@1", task)
        replayed = name.startswith("recorded:")
        # What asks nothing needs no key.
        asks = not dry_run and export is None
        provider = open_provider(name, api_base=api_base, timeout=timeout) if asks or replayed else None
        chosen = choose_items(opened, task, sample=sample, queries=queries, pairs=pairs, seed=seed)
        judges = _judges(
            opened,
            loaded,
            model=provider.model if provider else name,
            api_base=provider.api_base if provider else api_base or "",
            repeat=repeat,
            audit=audit,
            chosen=chosen,
        )
        run = JudgeRun(
            opened, list(judges), chosen.exhibits, recording=provider if isinstance(provider, Recorded) else None
        )
        if dry_run:
            _show_price(run, as_json)
            return
        if export is not None:
            _export(run, export, as_json)
            return
        assert provider is not None
        with progress_bar() as bar:
            task_id = bar.add_task("judge", total=run.items)
            limits = Limits(concurrency=concurrency, budget=budget)
            summary = run.judge(provider, limits, progress=lambda done: bar.update(task_id, completed=done))
        worth = _worth(opened, task, summary.judges[0])
    if as_json:
        more = {"task": task, "left_out": chosen.left_out, "tally": vars(summary.tally)}
        write_json(asdict(summary) | more | {"worth": worth.document()})
    else:
        _show(summary, chosen)
        sys.stdout.write(worth.text())
    if summary.unscored_share > MOST_UNSCORED:
        raise typer.Exit(1)


def _rubric(reference: str, task: JudgeTask) -> PromptFile:
    found = load_prompt(reference)
    if task_of(found) != task:
        raise PromptError(f"{found.id} judges {task_of(found)}, not {task}", hint="--task and --rubric have to agree")
    return found


def _judges(
    shop: Shop,
    rubric: PromptFile,
    *,
    model: str,
    api_base: str,
    repeat: int,
    audit: bool,
    chosen: Chosen,
) -> Iterator[Judge]:
    """Yield the judge, its independent repeats, and for an audit once with each change."""
    plain: list[tuple[str, Perturbation | None]] = [("" if n == 1 else str(n), None) for n in range(1, repeat + 1)]
    changed: list[tuple[str, Perturbation | None]] = [("", change) for change in PERTURBATIONS] if audit else []
    for nonce, perturbation in plain + changed:
        yield Judge(
            shop=shop.config.name,
            locale=shop.config.locale,
            model=model,
            rubric=rubric,
            api_base=api_base,
            repeat=nonce,
            perturbation=perturbation,
            brands=chosen.brands,
        )


def _people(shop: Shop) -> People:
    return People(shop, gold_of(shop, None, shop.load_taxonomy()))


def _worth(shop: Shop, task: JudgeTask, judge: str) -> Worth:
    try:
        return worth_of(shop, task, judge, _people(shop))
    except UserError as error:
        # The verdicts are kept, and have been paid for: the run has not failed.
        return nothing_known(task, judge, f"What these verdicts are worth could not be computed: {error}. {error.hint}")


def _show_panel(shop: Shop, task: JudgeTask, method: PanelMethod, as_json: bool) -> None:
    found = panel_of(shop, task, method, _people(shop))
    if as_json:
        write_json(asdict(found))
    else:
        sys.stdout.write(found.text())


def _show_price(run: JudgeRun, as_json: bool) -> None:
    found = run.price()
    if as_json:
        write_json({"model": run.model, "items": run.items} | asdict(found))
        return
    console.print(f"{run.items:,} verdicts to ask for")
    show_estimate(run.model, found)


def _export(run: JudgeRun, path: Path, as_json: bool) -> None:
    files = export_batch(path, run.missing(), form=format_of(run.model))
    count = sum(len(file.keys) for file in files)
    if as_json:
        write_json({"requests": count, "items": run.items, "output": path, "files": [str(f.path) for f in files]})
        return
    named = str(path) if files[0].path == path else f"{files[0].path} to {files[-1].path.name}"
    console.print(f"{count:,} requests for {run.items:,} verdicts written to {named}")


def _show(summary: JudgeSummary, chosen: Chosen) -> None:
    if chosen.left_out:
        flaws = ", ".join(f"{flaw.replace('_', ' ')} {count:,}" for flaw, count in chosen.left_out.items())
        console.print(f"judgements left out: {flaws}", style="dim")
    missing = sum(summary.unscored.values())
    console.print(f"{summary.items:,} items: {summary.verdicts:,} verdicts, {missing:,} unscored")
    grades = ", ".join(f"{grade}: {count:,}" for grade, count in summary.grades.items())
    if grades:
        console.print(f"grades: {grades}")
    for kind, count in summary.unscored.items():
        first = summary.examples[kind]
        # In the words of provider or model, which may hold what moves a terminal's cursor.
        detail = "".join(char if char.isprintable() else " " for char in f"{first.item.query}: {first.detail}")
        console.print(f"  {kind.replace('_', ' ')} {count:,}, for instance {detail}")
    tally = summary.tally
    if tally.repaired:
        console.print(f"{tally.repaired:,} answers were incomplete and were mended by the model")
    if tally.completions:
        tokens = f"{tally.tokens_in:,} tokens in, {tally.tokens_out:,} out"
        unknown = f" and the unknown price of {tally.unpriced:,}" if tally.unpriced else ""
        paid = f"{tally.completions:,} completions, {tally.from_cache:,} from the cache"
        console.print(f"{paid}; {tokens}, ${tally.price:,.4f}{unknown}")
    for path in summary.files:
        console.print(f"verdicts: {path}", style="dim")
    if summary.unscored_share > MOST_UNSCORED:
        share = f"{summary.unscored_share:.1%} of the items have no verdict"
        console.print(f"{share}; with more than {MOST_UNSCORED:.0%} the verdicts are no fair sample", style="red")
