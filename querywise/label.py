"""`label`: the offline run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, get_args

import typer

from domain.errors import ModelError, UserError
from domain.label import Tier
from domain.shop import Shop
from prompts import FailureClass, Teacher, open_provider
from prompts.cache import CompletionCache
from prompts.estimate import estimate
from prompts.increment import Plan
from prompts.ledger import read_ledger
from prompts.prices import price_of
from prompts.recording import Recorded
from querywise.further import find_further
from querywise.labelling import label_shop
from querywise.labels import labels_file
from querywise.limits import Limits, check_limits
from querywise.options import (
    DEFAULT_PROMPT,
    ApiBaseOption,
    JsonOption,
    ModelOption,
    PromptOption,
    ShopArgument,
    TimeoutOption,
    WithoutContextOption,
    WorkOption,
    model_name,
    progress_bar,
    shop_at,
    work_on,
    write_json,
)
from querywise.pipeline import open_teacher
from querywise.plan import plan_labels, unusable_keys
from querywise.queries import Addition, QueriesOption, TailOption, read_addition
from querywise.show import show_estimate, show_ledger, show_plan, show_summary
from querywise.summary import Summary, spending_of

__all__ = ["AnewOption", "BudgetOption", "ConcurrencyOption", "TierOption", "label", "run_labels", "tiers_of"]

TierOption = Annotated[str, typer.Option("--tiers", help="Tiers to label, with commas between.")]
AnewOption = Annotated[bool, typer.Option("--anew", help="Also what is labelled and has not changed.")]
BudgetOption = Annotated[
    float | None, typer.Option(min=0, help="The most that the run may cost in all, in US dollars; never exceeded.")
]
ConcurrencyOption = Annotated[
    int, typer.Option(min=1, max=5000, help="The most requests in flight; how many there are follows the provider.")
]


def label(
    shop: ShopArgument,
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    prompt: PromptOption = DEFAULT_PROMPT,
    tiers: TierOption = "head,torso",
    queries: QueriesOption = None,
    tail: TailOption = None,
    without_context: WithoutContextOption = False,
    concurrency: ConcurrencyOption = 64,
    rpm: Annotated[float | None, typer.Option(min=1, help="The most requests a minute.")] = None,
    tpm: Annotated[float | None, typer.Option(min=1, help="The most tokens a minute, in and out.")] = None,
    budget: BudgetOption = None,
    retry: Annotated[
        list[str] | None, typer.Option(help="Ask once more about failures of this class, or all; may be repeated.")
    ] = None,
    anew: AnewOption = False,
    nonce: Annotated[str, typer.Option(help="Any text: an independent repeat with labels of its own.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be asked and its price.")] = False,
    ledger: Annotated[bool, typer.Option("--ledger", help="Sum up what was spent; ask nothing.")] = False,
    timeout: TimeoutOption = 120.0,
    as_json: JsonOption = False,
) -> None:
    """Label head and torso queries with a model, and what --queries and --tail add.

    Exit 1 when any query is left without a label.

    Only what is new or has changed is asked: run it again after a kill, a full budget or a newer log. Completions are
    kept as they arrive, and none is paid for twice.
    """
    if ledger:
        spending = spending_of(shop_at(shop, work))
        write_json(spending) if as_json else show_ledger(spending)
        return
    again = _classes(retry or [])
    if dry_run:
        opened = shop_at(shop, work)
        addition = read_addition(opened, queries, tail)
        name = model_name(opened, model)
        teacher, plan = _planned(
            opened, name, api_base, prompt, tiers, addition, not without_context, nonce, again, anew
        )
        _price(opened, teacher, plan, addition, nonce, again, as_json)
        return
    with work_on(shop, work) as opened:
        addition = read_addition(opened, queries, tail)
        summary = run_labels(
            opened,
            model=model_name(opened, model),
            api_base=api_base,
            prompt=prompt,
            tiers=tiers,
            addition=addition,
            with_context=not without_context,
            nonce=nonce,
            again=again,
            anew=anew,
            timeout=timeout,
            limits=Limits(concurrency=concurrency, budget=budget, requests_per_minute=rpm, tokens_per_minute=tpm),
        )
    if as_json:
        # `asdict` rebuilds a Counter from pairs, and so counts the pairs.
        write_json(asdict(summary) | {"tally": vars(summary.tally), "skipped": addition.skipped})
    else:
        show_summary(summary)
    if not summary.whole:
        raise typer.Exit(1)


def run_labels(
    shop: Shop,
    *,
    model: str | None,
    api_base: str | None = None,
    prompt: str = DEFAULT_PROMPT,
    tiers: str = "head,torso",
    addition: Addition | None = None,
    with_context: bool = True,
    nonce: str = "",
    again: frozenset[FailureClass] = frozenset(),
    anew: bool = False,
    timeout: float = 120.0,
    limits: Limits,
) -> Summary:
    """Label the queries of some tiers, and what is added, whose label would no longer be the same; keep the labels."""
    provider = open_provider(model, api_base=api_base, timeout=timeout)
    # A recording has been paid for.
    price = None if isinstance(provider, Recorded) else price_of(provider.model, override=shop.config.llm.price)
    if not isinstance(provider, Recorded):
        check_limits(limits, price)
    teacher = open_teacher(
        shop, model=provider.model, prompt=prompt, with_context=with_context, api_base=provider.api_base, nonce=nonce
    )
    wanted = tiers_of(tiers)
    further = find_further(shop, addition or Addition(), tiers=wanted)
    plan = plan_labels(shop, teacher, tiers=wanted, further=further, nonce=nonce, again=again, anew=anew)
    show_plan(plan)
    with progress_bar() as bar:
        task = bar.add_task("label", total=len(plan.ask))
        return label_shop(
            shop,
            teacher,
            provider,
            plan,
            tiers=wanted,
            further=further,
            nonce=nonce,
            limits=limits,
            price=price,
            again=again,
            progress=lambda done: bar.update(task, completed=done),
        )


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


def _classes(names: list[str]) -> frozenset[FailureClass]:
    known = {kind for union in get_args(FailureClass) for kind in get_args(union)}
    wanted = known if "all" in names else set(names)
    if not wanted <= known:
        odd = ", ".join(sorted(wanted - known))
        raise UserError(f"no such class of failures: {odd}", hint=f"--retry takes all, or {', '.join(sorted(known))}")
    return frozenset(wanted)


def _planned(
    shop: Shop,
    model: str | None,
    api_base: str | None,
    prompt: str,
    tiers: str,
    addition: Addition,
    with_context: bool,
    nonce: str,
    again: frozenset[FailureClass],
    anew: bool,
) -> tuple[Teacher, Plan]:
    if not model:
        raise ModelError("no model is named", hint="pass --model, or set [llm] model in shop.toml, or QUERYWISE_MODEL")
    name = open_provider(model).model if model.startswith("recorded:") else model
    teacher = open_teacher(
        shop, model=name, prompt=prompt, with_context=with_context, api_base=api_base or "", nonce=nonce
    )
    wanted = tiers_of(tiers)
    further = find_further(shop, addition, tiers=wanted)
    return teacher, plan_labels(shop, teacher, tiers=wanted, further=further, nonce=nonce, again=again, anew=anew)


def _price(
    shop: Shop,
    teacher: Teacher,
    plan: Plan,
    addition: Addition,
    nonce: str,
    again: frozenset[FailureClass],
    as_json: bool,
) -> None:
    """Say what a run would ask and what that costs, by the synchronous path and as a batch."""
    labels = labels_file(shop, with_context=teacher.has_context, nonce=nonce)
    with progress_bar() as bar, CompletionCache(shop.cache) as cache:
        tracked = bar.track(plan.ask, description="requests")
        parts = [part for query in tracked for part in teacher.ask(query).parts]
        forgotten = unusable_keys(plan, labels, teacher, cache, again)
        unasked = [part for part in parts if part.request.key not in cache or part.request.key in forgotten]
    found = estimate(
        teacher.model,
        unasked,
        in_cache=len(parts) - len(unasked),
        price=price_of(teacher.model, override=shop.config.llm.price),
        ledger=read_ledger(shop.ledger),
    )
    if as_json:
        about = {"model": teacher.model, "prompt": teacher.prompt_id, "queries": plan.queries}
        stand = {"carried": len(plan.carried), "reasons": plan.reasons, "skipped": addition.skipped}
        write_json(about | stand | asdict(found))
    else:
        show_plan(plan)
        show_estimate(teacher.model, found)
