"""`batch submit`: requests to a provider's batch API."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import ModelError, UserError
from domain.shop import Shop
from prompts.batch import (
    BatchAPI,
    BatchFile,
    BatchRecord,
    BatchRecords,
    export_batch,
    provider_of,
    submit_batch,
    take_batch,
)
from prompts.cache import CompletionCache
from prompts.estimate import RunEstimate, estimate
from prompts.ledger import read_ledger
from prompts.prices import price_of
from prompts.teacher import Part
from querywise.batch_poll import about
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
    model_name,
    shop_at,
    work_on,
    write_json,
)
from querywise.plan import plan_labels
from querywise.queries import Addition, QueriesOption, TailOption, read_addition
from querywise.questions import Missing, NonceOption, Selection
from querywise.show import show_estimate

__all__ = ["submit"]


def submit(
    shop: ShopArgument,
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = DEFAULT_PROMPT,
    tiers: TierOption = "head,torso",
    queries: QueriesOption = None,
    tail: TailOption = None,
    without_context: WithoutContextOption = False,
    nonce: NonceOption = "",
    input_: Annotated[
        list[Path] | None,
        typer.Option("--input", help="A batch file to submit as it is, in place of what is missing; may be repeated."),
    ] = None,
    anew: AnewOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be submitted and its price.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit what `label` would ask and the cache does not hold, as batches that end within a day.

    What was submitted before and is not back yet is left out. A submission that was killed is finished first.
    """
    chosen = Selection(
        model=model,
        api_base=api_base,
        prompt=prompt,
        tiers=tiers,
        with_context=not without_context,
        nonce=nonce,
    )
    if dry_run:
        opened = shop_at(shop, work)
        addition = read_addition(opened, queries, tail)
        prepared = _prepare(opened, chosen, addition, anew=anew)
        if as_json:
            write_json(prepared.summary | asdict(prepared.estimate))
        else:
            show_estimate(prepared.model, prepared.estimate)
            console.print(f"{prepared.under_way:,} more are under way")
        return
    with work_on(shop, work) as opened:
        addition = read_addition(opened, queries, tail)
        records = BatchRecords(opened.work / "batches")
        records.tidy()
        resumed = [_send(record, records, again=True) for record in records.all() if record.batch_id is None]
        prepared = _prepare(opened, chosen, addition, anew=anew)
        if not as_json and not input_:
            show_estimate(prepared.model, prepared.estimate)
        files = _given(input_, records, opened, prepared.model) if input_ else _exported(prepared, records)
        # All are written down before one is sent, so that a kill between two of them loses neither.
        intended = [
            records.intend(
                file,
                prompts=prepared.prompts,
                provider=prepared.provider,
                api_base=api_base or "",
                model=prepared.model,
            )
            for file in files
        ]
        made = [_send(record, records) for record in intended]
    if as_json:
        count = {"requests": sum(record.requests for record in made)}
        write_json(prepared.summary | count | {"batches": [about(record) for record in (*resumed, *made)]})
        return
    for record in resumed:
        console.print(f"{record.batch_id}: {record.requests:,} requests of an earlier submission that was broken off")
    for record in made:
        console.print(f"{record.batch_id}: {record.requests:,} requests submitted")
    if not made:
        console.print(f"nothing new to submit; {prepared.under_way:,} requests are under way")


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """What a submission would hold. `answered` requests are in the cache, `under_way` ones in batches."""

    model: str
    provider: str
    parts: list[Part]
    answered: int
    under_way: int
    estimate: RunEstimate

    @property
    def prompts(self) -> dict[str, str]:
        """The prompt of each request, by the request's hash."""
        return {part.request.key: part.prompt.id for part in self.parts}

    @property
    def summary(self) -> dict[str, Any]:
        return {"requests": len(self.parts), "in_cache": self.answered, "under_way": self.under_way}


def _prepare(shop: Shop, chosen: Selection, addition: Addition, *, anew: bool) -> _Prepared:
    if (model_name(shop, chosen.model) or "").startswith("recorded:"):
        raise ModelError("a recording takes no batches", hint="pass --model with the name of a model")
    teacher = chosen.teacher(shop)
    provider = provider_of(teacher.model, api_base=chosen.api_base or "")
    tiers = tiers_of(chosen.tiers)
    further = find_further(shop, addition, tiers=tiers)
    plan = plan_labels(shop, teacher, tiers=tiers, further=further, nonce=chosen.nonce, anew=anew)
    asked = chosen.questions(shop, teacher, plan.ask)
    with CompletionCache(shop.cache) as cache:
        missing = Missing(asked, cache=cache, under_way=BatchRecords(shop.work / "batches").under_way())
        parts = list(missing)
    return _Prepared(
        model=teacher.model,
        provider=provider,
        parts=parts,
        answered=missing.answered,
        under_way=missing.waiting,
        estimate=estimate(
            teacher.model,
            parts,
            in_cache=missing.answered,
            price=price_of(teacher.model, override=shop.config.llm.price),
            ledger=read_ledger(shop.ledger),
        ),
    )


def _exported(prepared: _Prepared, records: BatchRecords) -> tuple[BatchFile, ...]:
    if not prepared.parts:
        return ()
    return export_batch(records.folder / "new.jsonl", (part.request for part in prepared.parts))


def _given(paths: list[Path], records: BatchRecords, shop: Shop, model: str) -> list[BatchFile]:
    """Take copies of batch files, but of those that are under way: who submits a file twice means it once.

    Raises:
        UserError: when a part of a file's requests is under way or answered, and would be paid for twice.
    """
    under_way = records.under_way()
    files = []
    with CompletionCache(shop.cache) as cache:
        for number, path in enumerate(paths, start=1):
            file = take_batch(path, records.folder / f"given-{number}.jsonl", model=model)
            if under_way.issuperset(file.keys):
                continue
            if twice := sum(key in under_way or key in cache for key in file.keys):
                raise UserError(
                    f"{path}: {twice:,} of its {len(file.keys):,} requests are under way or answered",
                    hint="`batch submit` without --input leaves them out",
                )
            under_way |= set(file.keys)
            files.append(file)
    return files


def _send(record: BatchRecord, records: BatchRecords, *, again: bool = False) -> BatchRecord:
    api = BatchAPI(provider=record.provider, api_base=record.api_base)
    return submit_batch(record, records=records, api=api, again=again)
