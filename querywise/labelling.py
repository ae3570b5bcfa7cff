"""A run over a shop's queries, from plan to files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable

from domain.context import ContextStore
from domain.label import Label, Tier
from domain.shop import Shop
from prompts import Account, Failure, FailureClass, Provider, Runner, Teacher, label_queries
from prompts.cache import CompletionCache
from prompts.increment import Plan
from prompts.ledger import Ledger
from prompts.prices import Price
from prompts.recording import Recorded
from prompts.runner import Tally
from querywise.further import Further
from querywise.labels import Spool, labels_file, merge_labels, write_failures
from querywise.limits import Limits, open_budget
from querywise.marks import begin
from querywise.pipeline import context_fingerprint
from querywise.plan import unusable_keys
from querywise.summary import Summary, write_summary
from querywise.trees import save_tree

__all__ = ["label_shop"]


def label_shop(
    shop: Shop,
    teacher: Teacher,
    provider: Provider,
    plan: Plan,
    *,
    tiers: tuple[Tier, ...],
    further: Further | None = None,
    nonce: str = "",
    limits: Limits,
    price: Price | None,
    again: frozenset[FailureClass] = frozenset(),
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Ask what is planned, and keep labels, failures and the summary.

    Args:
        shop: The shop.
        teacher: Asks and checks.
        provider: Answers.
        plan: What to ask.
        tiers: Which queries the plan is of.
        further: Which others it is of.
        nonce: Of an independent repeat.
        limits: What the run may take.
        price: Of the model, where it is known.
        again: Classes of failures of which what is kept is forgotten first, so that they are not met in the cache.
        progress: Called with the number of queries done.

    Raises:
        ModelError: when there is a budget and no price to reckon with.
    """
    further = further or Further()
    run = _run_name(shop, teacher, tiers=tiers, further=further, nonce=nonce)
    account = Account(run=run, shop=shop.config.name, price=price)
    path = labels_file(shop, with_context=teacher.has_context, nonce=nonce)
    # Before any label names it: one whose tree is not known is asked anew.
    tree = save_tree(shop, shop.load_taxonomy())
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent) as file:
        spool = Spool(file)
        if isinstance(provider, Recorded):
            runner = Runner(provider, account=account, concurrency=limits.concurrency)
            asyncio.run(_answer(shop, plan, further, teacher, runner, limits, tree, spool, progress))
        else:
            budget = open_budget(limits, price, ledger=shop.ledger, run=run)
            with (
                CompletionCache(shop.cache, gigabytes=shop.config.llm.cache_gigabytes) as cache,
                Ledger(shop.ledger) as ledger,
            ):
                cache.discard(unusable_keys(plan, path, teacher, cache, again))
                runner = Runner(
                    provider,
                    account=account,
                    cache=cache,
                    ledger=ledger,
                    concurrency=limits.concurrency,
                    budget=budget,
                    requests_per_minute=limits.requests_per_minute,
                    tokens_per_minute=limits.tokens_per_minute,
                )
                asyncio.run(_answer(shop, plan, further, teacher, runner, limits, tree, spool, progress))
                cache.trim()
        failures = [*spool.failures, *plan.standing]
        if spool.labels or plan.carried or plan.others or not failures:
            if teacher.has_context and not nonce:
                begin(shop, "label")
            merge_labels(path, spool, _kept(plan, failures))
    write_failures(path, [*failures, *(other for other in plan.others if isinstance(other, Failure))])
    summary = _summary(run, plan, spool, failures, runner.tally)
    write_summary(shop, teacher, summary, path)
    return summary


def _run_name(shop: Shop, teacher: Teacher, *, tiers: tuple[Tier, ...], further: Further, nonce: str) -> str:
    """Return the name of a run: the same for the same questions, so that one that was cut short goes on."""
    decides = [teacher.model, teacher.prompt_id, tiers, nonce, teacher.has_context, context_fingerprint(shop)]
    # Where no examples are shown, a run is called what it was before examples counted; likewise of further queries.
    decides += [teacher.examples_id] if teacher.examples_id else []
    decides += [further.inputs] if further.inputs else []
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]


async def _answer(
    shop: Shop,
    plan: Plan,
    further: Further,
    teacher: Teacher,
    runner: Runner,
    limits: Limits,
    tree: str,
    spool: Spool,
    progress: Callable[[int], None],
) -> None:
    async with runner:
        log = ContextStore(shop.context_file)
        results = label_queries(
            (context for query in plan.ask if (context := further.context(query, log)) is not None),
            teacher=teacher,
            runner=runner,
            context_fingerprint=context_fingerprint(shop) if teacher.has_context else "",
            taxonomy_fingerprint=tree,
            concurrency=limits.concurrency,
        )
        done = 0
        async for result in results:
            spool.add(result)
            done += 1
            progress(done)


def _kept(plan: Plan, failures: list[Failure]) -> list[Label]:
    """Return the labels of earlier runs that stay, of failed queries too."""
    fallen_back = [plan.replaced[failure.query] for failure in failures if failure.query in plan.replaced]
    return [*plan.carried, *fallen_back, *(other for other in plan.others if isinstance(other, Label))]


def _summary(run: str, plan: Plan, spool: Spool, failures: list[Failure], tally: Tally) -> Summary:
    return Summary(
        run=run,
        queries=plan.queries,
        labelled=spool.labels,
        carried=len(plan.carried),
        failed=dict(Counter(failure.kind for failure in failures).most_common()),
        kept=sum(failure.query in plan.replaced for failure in failures),
        dropped=dict(spool.dropped.most_common()),
        tally=tally,
        failures={failure.kind: failure for failure in reversed(failures)},
    )
