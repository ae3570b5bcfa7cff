"""`prompts compare`: two prompts on the same queries."""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from domain.context import ContextStore, DomainContext
from domain.errors import ModelError, UserError
from domain.label import Label
from domain.privacy import MOST_READ, personal_data, region_of
from domain.shop import Shop
from domain.text import MAX_QUERY_LENGTH, normalise
from evals import (
    Asked,
    Case,
    Comparison,
    Failed,
    Side,
    compare_sides,
    comparison_json,
    to_text,
    write_comparison,
    write_page,
)
from prompts import Account, Completion, Failure, Provider, Runner, Teacher, label_queries, open_provider
from prompts.budget import Budget
from prompts.cache import CompletionCache
from prompts.ledger import Ledger
from prompts.prices import price_of
from prompts.recording import Recorded
from querywise.compare_ideas import ComparedIdeas, compare_ideas
from querywise.gold import gold_of, gold_to_ask
from querywise.label import BudgetOption, ConcurrencyOption, tiers_of
from querywise.limits import Limits
from querywise.options import (
    ApiBaseOption,
    JsonOption,
    ModelOption,
    ShopArgument,
    TimeoutOption,
    WithoutContextOption,
    WorkOption,
    console,
    model_name,
    progress_bar,
    work_on,
    write_json,
)
from querywise.outcome import outcome_of
from querywise.pipeline import open_teacher
from querywise.understand import read_query_lines

__all__ = ["compare"]

SideArgument = Annotated[
    str, typer.Argument(help="A prompt: name@version or a .md file; several single ones with commas between.")
]


def compare(
    shop: ShopArgument,
    a: SideArgument,
    b: SideArgument,
    gold: Annotated[bool, typer.Option("--gold", help="On the shop's labelled queries.")] = False,
    gold_file: Annotated[Path | None, typer.Option(help="On the labelled queries of this file.")] = None,
    queries: Annotated[Path | None, typer.Option(help="On the queries of this file (JSON Lines, Parquet).")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="On so many queries of the log, drawn by traffic.")] = None,
    work: WorkOption = None,
    model: ModelOption = None,
    api_base: ApiBaseOption = None,
    price_as: Annotated[
        str | None, typer.Option(help="Count tokens and price as of this model, where the provider did not count.")
    ] = None,
    tiers: Annotated[str | None, typer.Option(help="Of these only queries of some tiers, with commas between.")] = None,
    without_context: WithoutContextOption = False,
    budget: BudgetOption = None,
    concurrency: ConcurrencyOption = 64,
    timeout: TimeoutOption = 120.0,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Let this model, or recorded:FILE, judge the discovery content of both, blind to whose it is."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample and of the resamples.")] = 0,
    html: Annotated[Path | None, typer.Option(help="The page to write; in the work folder unless given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run two prompts on the same queries, and say on which of them the second is better or worse, and at what cost.

    Completions are kept: what either has been asked before costs nothing. Exit 1 when a query was left without an
    answer.
    """
    with work_on(shop, work) as opened:
        provider = open_provider(model_name(opened, model), api_base=api_base, timeout=timeout)
        judging = open_provider(judge, api_base=api_base, timeout=timeout) if judge else None
        asked = _questions(
            opened, gold=gold, gold_file=gold_file, queries=queries, sample=sample, tiers=tiers, seed=seed
        )
        run = _Run(opened, provider, budget=budget, concurrency=concurrency, price_as=price_as)
        with progress_bar() as bar:
            task = bar.add_task("compare", total=2 * len(asked))
            sides = run.sides((a, b), asked, with_context=not without_context, step=lambda: bar.advance(task))
        made = {"shop": opened.config.name, "model": provider.model} | ({"priced as": price_as} if price_as else {})
        found = compare_sides(asked, *sides, opened.load_taxonomy(), made=made, seed=seed)
        page = html or opened.reports / f"compare-{_stem(a)}-{_stem(b)}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        write_page(page, found, *sides)
        write_comparison(page.with_suffix(".json"), found)
        limits = Limits(concurrency=concurrency, budget=run.left)
        ideas = compare_ideas(opened, run.labels, judge=judging, limits=limits) if run.asks_for_ideas else None
    _say(found, ideas, page, as_json)
    if any(isinstance(outcome.result, Failed) for side in sides for outcome in side.outcomes):
        raise typer.Exit(1)


def _questions(
    shop: Shop,
    *,
    gold: bool,
    gold_file: Path | None,
    queries: Path | None,
    sample: int | None,
    tiers: str | None,
    seed: int,
) -> list[Asked]:
    """Return the queries to compare on, with their gold where there is any."""
    if sum((gold, gold_file is not None, queries is not None, sample is not None)) != 1:
        raise UserError("which queries?", hint="pass one of --gold, --gold-file FILE, --queries FILE and --sample N")
    contexts = ContextStore(shop.context_file)
    cases = _cases(shop, gold_file, asked=gold or gold_file is not None)
    chances: dict[str, float] = {}
    if queries is not None:
        texts = list(dict.fromkeys(_written(queries, region_of(shop.config.locale))))
    elif sample is not None:
        chances = _drawn(contexts, sample, seed)
        texts = list(chances)
    else:
        texts = list(cases)
    wanted = tiers_of(tiers) if tiers else None
    asked = []
    for text in texts:
        context = contexts.get(text)
        if text and (wanted is None or (context is not None and context.tier in wanted)):
            tier, searches = (context.tier, context.searches) if context else ("unseen", 0)
            chance = chances.get(text, 1.0)
            asked.append(Asked(query=text, tier=tier, searches=searches, case=cases.get(text), chance=chance))
    if not asked:
        raise UserError("there is no query to compare on", hint="the file is empty, or --tiers leaves none")
    return asked


def _cases(shop: Shop, gold_file: Path | None, *, asked: bool) -> dict[str, Case]:
    """Return the labels by query in normal form; there have to be some where it is these queries that are asked."""
    found = (gold_to_ask if asked else gold_of)(shop, gold_file, shop.load_taxonomy())
    return {case.normalized: case for case in found.cases} if found else {}


def _written(path: Path, region: str | None) -> Iterator[str]:
    """Yield the queries of a file in normal form.

    Raises:
        UserError: naming the line that no model is asked about.
    """
    for found in read_query_lines(path):
        query = normalise(found.query)
        objection = _objection(found.query, query, region)
        if objection:
            hint = "no model is asked about it: take the line out"
            raise UserError(f"{path}, line {found.line}: {objection}", hint=hint)
        yield query


def _objection(typed: str, query: str, region: str | None) -> str:
    """Return why no model is asked about a query; empty where one may be."""
    if personal_data(typed, region=region):
        return "personal data in the query"
    return "query too long" if len(typed) > MOST_READ or len(query) > MAX_QUERY_LENGTH else ""


def _drawn(contexts: ContextStore, count: int, seed: int) -> dict[str, float]:
    """Draw queries without replacement by their searches (Efraimidis, Spirakis 2006), most searched first.

    Returns:
        The chance of each to be drawn, given the key of the first that was not (Cohen, Kaplan, "Tighter estimation
        using bottom k sketches", VLDB 2008).
    """
    rng = random.Random(seed)
    known = list(contexts.of_tiers("head", "torso", "tail"))
    keys = [-math.log(max(rng.random(), 1e-300)) / c.searches for c in known]
    last = sorted(keys)[count] if count < len(keys) else math.inf
    return {c.query: -math.expm1(-c.searches * last) for c, key in zip(known, keys, strict=True) if key < last}


class _Run:
    """Both sides of a comparison, in one event loop and within one budget."""

    def __init__(
        self, shop: Shop, provider: Provider, *, budget: float | None, concurrency: int, price_as: str | None
    ) -> None:
        self._shop = shop
        self._provider = provider
        self._concurrency = concurrency
        self._priced = price_as or provider.model
        recorded = isinstance(provider, Recorded)
        override = None if price_as else shop.config.llm.price
        # A recording has been paid for; what it would cost is a question of --price-as.
        self._price = None if recorded and not price_as else price_of(self._priced, override=override)
        if budget is not None and self._price is None:
            raise ModelError(
                "a budget needs a price, and that of the model is not known",
                hint="set input and output under [llm.price] in shop.toml, in US dollars per million tokens",
            )
        self._budget = Budget(budget) if budget is not None else None
        self.labels: dict[str, list[Label]] = {}

    @property
    def left(self) -> float | None:
        """What is left of the budget, in US dollars; None where there is none."""
        return max(0.0, self._budget.ceiling - self._budget.spent) if self._budget else None

    @property
    def asks_for_ideas(self) -> bool:
        """Whether both sides were asked what else to show."""
        return len(self.labels) == 2 and all(any(label.ideas for label in some) for some in self.labels.values())

    def sides(
        self, names: tuple[str, str], asked: list[Asked], *, with_context: bool, step: Callable[[], None]
    ) -> tuple[Side, Side]:
        """Answer every query in the words of both prompts."""
        teachers = [
            open_teacher(
                self._shop,
                model=self._provider.model,
                prompt=name,
                with_context=with_context,
                api_base=self._provider.api_base,
            )
            for name in names
        ]

        async def both() -> tuple[Side, Side]:
            return await self._side(teachers[0], asked, step), await self._side(teachers[1], asked, step)

        return asyncio.run(both())

    async def _side(self, teacher: Teacher, asked: list[Asked], step: Callable[[], None]) -> Side:
        run = f"compare {teacher.prompt_id}"
        account = Account(run=run, shop=self._shop.config.name, price=self._price)
        results: dict[str, Label | Failure] = {}
        with ExitStack() as open_:
            cache = ledger = None
            if not isinstance(self._provider, Recorded):
                cache = open_.enter_context(CompletionCache(self._shop.cache))
                ledger = open_.enter_context(Ledger(self._shop.ledger))
            runner = Runner(
                self._provider,
                account=account,
                cache=cache,
                ledger=ledger,
                concurrency=self._concurrency,
                budget=self._budget,
            )
            async with runner:
                async for result in label_queries(
                    self._contexts(asked),
                    teacher=teacher,
                    runner=runner,
                    context_fingerprint="",
                    taxonomy_fingerprint="",
                    concurrency=self._concurrency,
                ):
                    results[result.query] = result
                    step()
            self.labels[teacher.prompt_id] = [
                result for one in asked if isinstance(result := results[one.query], Label)
            ]
            kept = self._provider.get if isinstance(self._provider, Recorded) else cache.get if cache else _nothing
            outcomes = [
                outcome_of(
                    teacher.ask(one.query, trim=_trim(results[one.query])),
                    results[one.query],
                    kept=kept,
                    price=self._price,
                    priced_as=self._priced,
                )
                for one in asked
            ]
        return Side(name=teacher.prompt_id, outcomes=tuple(outcomes))

    def _contexts(self, asked: list[Asked]) -> Iterator[DomainContext]:
        contexts = ContextStore(self._shop.context_file)
        for one in asked:
            yield contexts.get(one.query) or _unseen(one.query)


def _unseen(query: str) -> DomainContext:
    """A query that nobody searched."""
    return DomainContext(query=query, searches=0, clients=0, tier="tail", share=0.0, zero_share=None, acted_share=0.0)


def _trim(result: Label | Failure) -> int:
    return result.provenance.trimmed if isinstance(result, Label) else 0


def _nothing(_: str) -> Completion | None:
    return None


def _stem(name: str) -> str:
    return "+".join(Path(part.strip()).stem for part in name.split(","))


def _say(found: Comparison, ideas: ComparedIdeas | None, page: Path, as_json: bool) -> None:
    if as_json:
        document = json.loads(comparison_json(found))
        write_json(document | ({"ideas": asdict(ideas)} if ideas else {}))
    else:
        sys.stdout.write(to_text(found) + "\n")
        if ideas:
            sys.stdout.write(f"\n{ideas.text()}\n")
        console.print(f"every query with both answers, prompts and completions: {page}", style="dim")
