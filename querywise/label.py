"""`label`: the offline run."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from domain.context import ContextStore
from domain.errors import ModelError, UserError
from domain.label import Tier
from domain.shop import Shop
from prompts import LabelRun, Teacher, label_queries, open_provider
from prompts.cache import CompletionCache
from prompts.providers import Cached, Recorded
from prompts.request import CompletionRequest
from querywise.options import (
    ApiBaseOption,
    JsonOption,
    ModelOption,
    PromptOption,
    ShopArgument,
    WithoutContextOption,
    WorkOption,
    console,
    model_name,
    progress_bar,
    shop_at,
    work_on,
    write_json,
)
from querywise.pipeline import context_fingerprint, open_teacher, save_labels
from querywise.show import show_labels

__all__ = ["TierOption", "label", "requests_of", "run_labels", "tiers_of"]

TierOption = Annotated[str, typer.Option("--tiers", help="Tiers to label, with commas between.")]


def label(
    shop: ShopArgument,
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = "understand",
    tiers: TierOption = "head,torso",
    without_context: WithoutContextOption = False,
    concurrency: Annotated[int, typer.Option(min=1, max=1000, help="Requests in flight at once.")] = 8,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count requests and tokens; ask nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Label head and torso queries with a model. Exit 1 when any query is left without a label."""
    if dry_run:
        opened = shop_at(shop, work)
        _price(opened, model_name(opened, model), prompt, tiers, not without_context, as_json)
        return
    with work_on(shop, work) as opened:
        run = run_labels(
            opened,
            model=model_name(opened, model),
            api_base=api_base,
            prompt=prompt,
            tiers=tiers,
            with_context=not without_context,
            concurrency=concurrency,
        )
    if as_json:
        write_json(
            {"labelled": len(run.labels), "failed": run.failed, "dropped": run.dropped, "repaired": run.repaired}
        )
    else:
        show_labels(run)
    if run.failures:
        raise typer.Exit(1)


def run_labels(
    shop: Shop,
    *,
    model: str | None,
    api_base: str | None = None,
    prompt: str = "understand",
    tiers: str = "head,torso",
    with_context: bool = True,
    concurrency: int = 8,
) -> LabelRun:
    """Label the queries of some tiers and keep the labels."""
    provider = open_provider(model, api_base=api_base)
    teacher = open_teacher(shop, model=provider.model, prompt=prompt, with_context=with_context)
    contexts = list(ContextStore(shop.context_file).of_tiers(*tiers_of(tiers)))
    cache = None if isinstance(provider, Recorded) else CompletionCache(shop.cache)
    with progress_bar() as bar:
        task = bar.add_task("label", total=len(contexts))
        run = asyncio.run(
            label_queries(
                contexts,
                teacher=teacher,
                provider=Cached(provider, cache) if cache else provider,
                context_fingerprint=context_fingerprint(shop) if with_context else "",
                concurrency=concurrency,
                progress=lambda done: bar.update(task, completed=done),
            )
        )
    save_labels(shop, run, with_context=with_context)
    return run


def tiers_of(names: str) -> tuple[Tier, ...]:
    """Read names of tiers with commas between.

    Raises:
        UserError: on any other name.
    """
    known: dict[str, Tier] = {"head": "head", "torso": "torso", "tail": "tail"}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted or not set(wanted) <= set(known):
        raise UserError(f"no such tiers: {names!r}", hint="--tiers takes head, torso, tail, with commas between")
    return tuple(known[name] for name in wanted)


def requests_of(shop: Shop, teacher: Teacher, tiers: str) -> list[CompletionRequest]:
    """Return the request of every query of some tiers, most searched first."""
    contexts = list(ContextStore(shop.context_file).of_tiers(*tiers_of(tiers)))
    with progress_bar() as bar:
        tracked = bar.track(contexts, description="requests")
        return [teacher.ask(context.query).request for context in tracked]


def _price(shop: Shop, model: str | None, prompt: str, tiers: str, with_context: bool, as_json: bool) -> None:
    if not model:
        raise ModelError("no model is named", hint="pass --model, or set [llm] model in shop.toml, or QUERYWISE_MODEL")
    recorded = model.startswith("recorded:")
    name = open_provider(model).model if recorded else model
    requests = requests_of(shop, open_teacher(shop, model=name, prompt=prompt, with_context=with_context), tiers)
    cache = CompletionCache(shop.cache)
    held = sum(request.key in cache for request in requests)
    # Four characters a token is the usual rule for English; the ledger will hold what the provider counted.
    tokens = sum(len(message["content"]) for request in requests for message in request.messages) // 4
    limit = sum(int(request.parameters.get("max_tokens", 0)) for request in requests)
    if as_json:
        write_json(
            {
                "requests": len(requests),
                "in_cache": held,
                "input_tokens_estimated": tokens,
                "output_tokens_at_most": limit,
            }
        )
        return
    console.print(f"{len(requests):,} requests to {name}, {held:,} of them answered already")
    console.print(f"about {tokens:,} tokens in (estimated from characters), at most {limit:,} out")
