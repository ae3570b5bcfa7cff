"""One search for a better wording of a prompt: the queries, the account, and what old and new are worth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from domain.context import ContextStore, DomainContext
from domain.errors import ModelError, UserError
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from evals import Asked, Comparison, Failed, GoldSet, Side, compare_sides
from evals.comparison import comparison_json
from prompts import Account, PromptFile, Provider, Runner, load_prompt
from prompts.bench import Bench
from prompts.budget import Budget
from prompts.cache import CompletionCache
from prompts.improve import Improvement, improve_prompt
from prompts.ledger import Ledger, read_ledger
from prompts.prices import Price, price_of
from prompts.recording import Recorded
from prompts.revision import revise, write_revision
from prompts.split import Split, split_queries
from querywise.feedback import judge
from querywise.gold import gold_to_ask
from querywise.outcome import outcome_of
from querywise.pipeline import context_fingerprint, open_teacher

__all__ = ["Found", "Search"]

_LEAST = 5
# A longer prompt costs more on the held-back queries than the one before did.
_DEARER = 1.5


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search came to; `spent` is in US dollars, `comparison` is None where there was no money left for it."""

    prompt: str
    reference: str
    improvement: Improvement
    file: Path | None
    comparison: Comparison | None
    sizes: dict[str, int]
    spent: float

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        found = asdict(self.improvement) | {"best": self.improvement.best.id}
        return {
            "prompt": self.prompt,
            "file": None if self.file is None else str(self.file),
            "search": found,
            "queries": self.sizes,
            "spent": self.spent,
            "comparison": None if self.comparison is None else json.loads(comparison_json(self.comparison)),
        }


class Search:
    """One search: who is asked, about which labelled queries, on which account.

    Args:
        shop: The shop.
        reference: The prompt to begin with.
        provider: Who answers.
        reflector: Who proposes prompts.
        gold: Labelled queries, or None for the shop's.
        seed: Parts the queries, and decides every choice.
        budget: The most that the search may cost in US dollars, with what it has cost before.

    Raises:
        UserError: when the prompt cannot be scored, a price is not known, or there are too few labelled queries.
    """

    def __init__(
        self,
        shop: Shop,
        reference: str,
        provider: Provider,
        reflector: Provider,
        *,
        gold: Path | None,
        seed: int,
        budget: float,
    ) -> None:
        self._shop = shop
        self._reference = reference
        self._provider = provider
        self._reflector = reflector
        self._seed = seed
        if any(isinstance(who, Recorded) for who in (provider, reflector)):
            raise ModelError("a recording has no answers to a prompt that is yet to be written", hint="name a model")
        self._prompt = load_prompt(reference)
        if self._prompt.task not in ("understand", "categories"):
            raise UserError(
                f"{self._prompt.id} asks for no categories, and it is by categories that answers are scored",
                hint="name a prompt of the task understand or categories",
            )
        self._price = _price(shop, provider.model, shop.config.llm.price)
        own = reflector.model == provider.model
        self._reflection_price = self._price if own else _price(shop, reflector.model, {})
        self._taxonomy: Taxonomy = shop.load_taxonomy()
        self._gold: GoldSet = gold_to_ask(shop, gold, self._taxonomy)
        self._cases = {case.normalized: case for case in self._gold.cases if case.categories is not None}
        contexts = ContextStore(shop.context_file)
        self._split = split_queries((_context(query, contexts) for query in self._cases), seed=seed)
        _check(self._split)
        self._run = self._name()
        self._budget = Budget(budget, spent=self._spent())

    def run(self, *, rounds: int, output: Path, concurrency: int, progress: Callable[[str], None]) -> Found:
        """Search, write the file, and compare on the held-back queries."""
        shop = self._shop
        teacher = open_teacher(
            shop, model=self._provider.model, prompt=self._reference, api_base=self._provider.api_base
        )
        with (
            CompletionCache(shop.cache, gigabytes=shop.config.llm.cache_gigabytes) as cache,
            Ledger(shop.ledger) as ledger,
        ):
            runner, reflection = (
                Runner(
                    who,
                    account=Account(run=self._run, shop=shop.config.name, price=price),
                    cache=cache,
                    ledger=ledger,
                    concurrency=concurrency,
                    budget=self._budget,
                )
                for who, price in ((self._provider, self._price), (self._reflector, self._reflection_price))
            )
            with Bench(
                teacher,
                runner=runner,
                reflector=self._reflector,
                reflection=reflection,
                cache=cache,
                concurrency=concurrency,
            ) as bench:
                found = self._found(bench, cache, rounds=rounds, output=output, progress=progress)
            cache.trim()
        return found

    def _found(
        self, bench: Bench, cache: CompletionCache, *, rounds: int, output: Path, progress: Callable[[str], None]
    ) -> Found:
        progress("the prompt as it is")
        before = self._side(bench, cache, revise(self._prompt, self._prompt.system), self._prompt.id)
        whole = self._budget.ceiling
        # The comparison at the end is paid for first.
        self._budget.ceiling = whole - _DEARER * sum(outcome.usage.usd or 0.0 for outcome in before.outcomes)
        improvement = improve_prompt(
            self._prompt,
            self._split,
            bench=bench,
            score=lambda query, result: judge(self._cases[query], result, self._taxonomy),
            rounds=rounds,
            seed=self._seed,
            progress=progress,
        )
        self._budget.ceiling = whole
        file, comparison = None, None
        if improvement.improved:
            file = write_revision(improvement.best, output)
            progress("old and new compared")
            comparison = self._comparison(before, self._side(bench, cache, improvement.best, str(file)))
        return Found(
            prompt=self._prompt.id,
            reference=self._reference,
            improvement=improvement,
            file=file,
            comparison=comparison,
            sizes={name: len(part) for name, part in vars(self._split).items()},
            spent=self._spent(),
        )

    def _spent(self) -> float:
        lines = read_ledger(self._shop.ledger).filter(pl.col("run") == self._run)
        return float(lines["price"].sum() or 0.0)

    def _name(self) -> str:
        """Name the run: the same for the same search, so that its budget counts what it has cost before."""
        decides = [self._provider.model, self._provider.api_base, self._reflector.model, self._reflector.api_base]
        rest = [self._prompt.id, self._gold.sha256, self._seed, context_fingerprint(self._shop)]
        return hashlib.sha256(json.dumps(["improve", *decides, *rest]).encode()).hexdigest()[:12]

    def _side(self, bench: Bench, cache: CompletionCache, prompt: PromptFile, name: str) -> Side:
        results = bench.answer(prompt, self._split.held_back)
        asked = ((bench.question(prompt, result), result) for result in results)
        outcomes = (
            outcome_of(*pair, kept=cache.get, price=self._price, priced_as=self._provider.model) for pair in asked
        )
        return Side(name=name, outcomes=tuple(outcomes))

    def _comparison(self, before: Side, after: Side) -> Comparison | None:
        """Compare on the queries that there was money to ask in both wordings."""
        both = [
            place
            for place, pair in enumerate(zip(before.outcomes, after.outcomes, strict=True))
            if not any(isinstance(one.result, Failed) and one.result.kind == "over_budget" for one in pair)
        ]
        if not both:
            return None
        asked = [self._asked(self._split.held_back[place]) for place in both]
        made = {"model": self._provider.model, "held back": f"{len(both)} of {len(before.outcomes)} queries compared"}
        return compare_sides(asked, before.at(both), after.at(both), self._taxonomy, made=made, seed=self._seed)

    def _asked(self, context: DomainContext) -> Asked:
        case = self._cases[context.query]
        tier = context.tier if context.searches else "unseen"
        return Asked(query=case.query, tier=tier, searches=context.searches, case=case)


def _price(shop: Shop, model: str, override: dict[str, float]) -> Price:
    price = price_of(model, override=override)
    if price is None:
        raise ModelError(
            f"a budget needs a price, and that of {model} is not known",
            hint="[llm.price] in shop.toml prices the model that answers; any other has to be listed by litellm",
        )
    return price


def _context(query: str, contexts: ContextStore) -> DomainContext:
    """Return what the log says of a query; of one that nobody searched, that."""
    return contexts.get(query) or DomainContext(
        query=query, searches=0, clients=0, tier="tail", share=0.0, zero_share=None, acted_share=0.0
    )


def _check(split: Split) -> None:
    sizes = [len(part) for part in vars(split).values()]
    if min(sizes) < _LEAST:
        raise UserError(
            f"{sum(sizes)} queries with labelled categories are too few: to learn from, to choose by and to compare on "
            f"there are {sizes[0]}, {sizes[1]} and {sizes[2]}",
            hint=f"each needs {_LEAST} at least, and 50 to show anything",
        )
