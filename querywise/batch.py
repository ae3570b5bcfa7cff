"""`batch`: requests out as a provider's batch files, its output back in."""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from domain.context import ContextStore
from domain.errors import UserError
from domain.files import replace_atomically
from prompts import Completion
from prompts.batch import BatchFormat, BatchRecords, export_batch, format_of, import_batch
from prompts.cache import CompletionCache
from prompts.completion import to_line
from prompts.prices import price_of
from prompts.teacher import turns_of
from querywise.batch_poll import poll, show_import
from querywise.batch_submit import submit
from querywise.further import find_further
from querywise.label import AnewOption, TierOption, tiers_of
from querywise.options import (
    DEFAULT_PROMPT,
    ApiBaseOption,
    JsonOption,
    ModelOption,
    PromptOption,
    ShopArgument,
    WithoutContextOption,
    WorkOption,
    console,
    shop_at,
    work_on,
    write_json,
)
from querywise.plan import plan_labels
from querywise.queries import QueriesOption, TailOption, read_addition
from querywise.questions import Missing, NonceOption, Selection, unanswered
from querywise.show import show_plan

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Batch files and batches of a provider, at about half the price.")


@app.command("export")
def export(
    shop: ShopArgument,
    output: Annotated[Path, typer.Option("--output", help="The batch input file to write (JSON Lines).")],
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = DEFAULT_PROMPT,
    tiers: TierOption = "head,torso",
    queries: QueriesOption = None,
    tail: TailOption = None,
    without_context: WithoutContextOption = False,
    nonce: NonceOption = "",
    form: Annotated[
        BatchFormat | None, typer.Option("--format", help="Whose format; by the model's name unless given.")
    ] = None,
    anew: AnewOption = False,
    all_requests: Annotated[
        bool, typer.Option("--all", help="Every request, also what is answered or under way: to look at, not to pay.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write what `label` would ask and the cache does not hold as batch input files, within the provider's limits.

    As `batch submit` does, it leaves out what is under way. A query whose completion cannot be read is asked once more,
    with what was wrong.
    """
    opened = shop_at(shop, work)
    addition, wanted = read_addition(opened, queries, tail), tiers_of(tiers)
    chosen = Selection(
        model=model,
        api_base=api_base,
        prompt=prompt,
        tiers=tiers,
        with_context=not without_context,
        nonce=nonce,
    )
    teacher = chosen.teacher(opened)
    further = find_further(opened, addition, tiers=wanted)
    plan = plan_labels(opened, teacher, tiers=wanted, further=further, nonce=nonce, anew=anew or all_requests)
    asked = chosen.questions(opened, teacher, plan.ask)
    under_way = BatchRecords(opened.work / "batches").under_way()
    with CompletionCache(opened.cache) as cache:
        missing = Missing(asked, cache=cache, under_way=under_way)
        parts = (part for question in asked for part in question.parts) if all_requests else missing
        files = export_batch(output, (part.request for part in parts), form=form or format_of(teacher.model))
    count = sum(len(file.keys) for file in files)
    if as_json:
        counts = {"requests": count, "in_cache": missing.answered, "under_way": missing.waiting}
        write_json(counts | {"output": output, "files": [str(file.path) for file in files]})
        return
    show_plan(plan)
    named = str(output) if files[0].path == output else f"{files[0].path} to {files[-1].path.name}"
    left_out = f"; {missing.answered:,} are answered already, {missing.waiting:,} under way in a batch"
    console.print(f"{count:,} requests written to {named}{'' if all_requests else left_out}")


@app.command("import")
def import_(
    shop: ShopArgument,
    input_: Annotated[list[Path], typer.Option("--input", help="An output or error file, also .gz; may be repeated.")],
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = DEFAULT_PROMPT,
    tiers: TierOption = "head,torso",
    queries: QueriesOption = None,
    tail: TailOption = None,
    without_context: WithoutContextOption = False,
    nonce: NonceOption = "",
    anew: Annotated[bool, typer.Option("--anew", help="Of requests that were exported with --anew or --all.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take the completions of batch output files into the cache. Exit 1 while what `label` would ask is unanswered."""
    chosen = Selection(
        model=model,
        api_base=api_base,
        prompt=prompt,
        tiers=tiers,
        with_context=not without_context,
        nonce=nonce,
    )
    with work_on(shop, work) as opened:
        addition, wanted = read_addition(opened, queries, tail), tiers_of(tiers)
        teacher = chosen.teacher(opened)
        further = find_further(opened, addition, tiers=wanted)
        with CompletionCache(opened.cache) as cache:
            plan = plan_labels(opened, teacher, tiers=wanted, further=further, nonce=nonce, anew=anew)
            questions = list(chosen.questions(opened, teacher, plan.ask))
            asked = {part.request.key: part.prompt.id for question in questions for part in question.parts}
            asked |= {part.request.key: part.prompt.id for q in questions for part in unanswered(q, cache)}
            report = import_batch(
                input_,
                wanted=asked,
                model=teacher.model,
                shop=opened.config.name,
                cache=cache,
                ledger=opened.ledger,
                price=price_of(teacher.model, override=opened.config.llm.price),
            )
            left = {part.request.key for question in questions for part in unanswered(question, cache)}
    again = len(left - asked.keys())
    if as_json:
        write_json(asdict(report) | {"unreadable": again})
    else:
        show_import(report)
        if again:
            console.print(f"  {again:,} completions cannot be read; `querywise batch export` asks for them again")
    if report.missing or again:
        raise typer.Exit(1)


@app.command("record")
def record(
    shop: ShopArgument,
    output: Annotated[Path, typer.Option("--output", help="The recording to write: .jsonl or .jsonl.gz.")],
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = DEFAULT_PROMPT,
    tiers: TierOption = "head,torso",
    queries: QueriesOption = None,
    tail: TailOption = None,
    nonce: NonceOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write the completions that the shop's requests have, with context and without, as a recording to replay."""
    opened = shop_at(shop, work)
    addition, wanted = read_addition(opened, queries, tail), tiers_of(tiers)
    further = find_further(opened, addition, tiers=wanted)
    asked = [c.query for c in further.contexts(ContextStore(opened.context_file)) if further.is_asked(c, wanted)]
    kept: dict[str, Completion] = {}
    with CompletionCache(opened.cache) as cache:
        for with_context in (True, False):
            chosen = Selection(
                model=model, api_base=api_base, prompt=prompt, tiers=tiers, with_context=with_context, nonce=nonce
            )
            for question in chosen.questions(opened, chosen.teacher(opened), asked):
                for turn in turns_of(question, cache.get):
                    if turn.completion is not None:
                        # A recording is replayed from no server in particular.
                        key = replace(turn.request, api_base="").key
                        kept[key] = replace(turn.completion, key=key)
        name = chosen.name(opened)
    if not kept:
        raise UserError(f"no completion of {name} is kept", hint="`querywise label` or `batch import` first")
    with replace_atomically(output) as file:
        # No time stamp in the gzip header: the same completions give the same file.
        packed = gzip.GzipFile(fileobj=file, mode="wb", mtime=0) if output.suffix == ".gz" else file
        for completion in kept.values():
            packed.write(json.dumps(to_line(completion), ensure_ascii=False).encode() + b"\n")
        if packed is not file:
            packed.close()
    if as_json:
        write_json({"completions": len(kept), "output": output})
    else:
        console.print(f"{len(kept):,} completions written to {output}")


app.command("submit")(submit)
app.command("poll")(poll)
