"""Where the labels of a shop are, and a run from plan to file."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import IO

import polars as pl
from pydantic import TypeAdapter, ValidationError

from domain.context import ContextStore
from domain.errors import ModelError
from domain.files import replace_atomically
from domain.label import Label, Tier, label_adapter, read_labels
from domain.shop import Shop
from domain.taxonomy import Taxonomy
from prompts import Account, Failure, FailureClass, Provider, Runner, Teacher, label_queries
from prompts.answer import Answer, read_completion
from prompts.budget import Budget
from prompts.cache import CompletionCache
from prompts.completion import storable
from prompts.increment import Plan, make_plan, tree_of
from prompts.ledger import Ledger, read_ledger
from prompts.prices import Price
from prompts.recording import Recorded
from prompts.runner import Tally
from prompts.spending import Spending, sum_up
from prompts.teacher import Question, Turn, turns_of
from querywise.marks import begin
from querywise.pipeline import context_fingerprint

__all__ = [
    "Limits",
    "Summary",
    "check_limits",
    "label_shop",
    "labels_file",
    "plan_labels",
    "read_failures",
    "run_name",
    "spending_of",
    "unusable_keys",
]

_failure: TypeAdapter[Failure] = TypeAdapter(Failure)
_tree: TypeAdapter[dict[str, tuple[str, ...]]] = TypeAdapter(dict[str, tuple[str, ...]])


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may take: requests at once, US dollars, requests and tokens a minute; None is no limit."""

    concurrency: int = 64
    budget: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A run that has ended: labelled, carried over and failed queries add up to all.

    `kept` are failed queries that keep the label of an earlier run; `failures` is one of each class, to show.
    """

    run: str
    queries: int
    labelled: int
    carried: int
    failed: dict[str, int]
    kept: int
    dropped: dict[str, int]
    tally: Tally
    failures: dict[str, Failure] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        """Whether every query has a label of this run."""
        return not self.failed


def labels_file(shop: Shop, *, with_context: bool = True, nonce: str = "") -> Path:
    """Return where labels with or without context are kept; independent repeats have files of their own."""
    path = shop.labels_file if with_context else shop.bare_labels_file
    return path.with_name(f"{path.stem}.{hashlib.sha256(nonce.encode()).hexdigest()[:8]}.jsonl") if nonce else path


def read_failures(labels: Path) -> list[Failure]:
    """Return the queries that the run that wrote a labels file left without a label of its own."""
    path = labels.with_suffix(".failures.jsonl")
    if not path.is_file():
        return []
    try:
        return [_failure.validate_json(line) for line in path.read_bytes().splitlines()]
    except ValidationError:
        # Of another version: what failed then is asked like any other query that has no label.
        return []


def run_name(shop: Shop, teacher: Teacher, *, tiers: tuple[Tier, ...], nonce: str = "") -> str:
    """Return the name of a run: the same for the same questions, so that one that was cut short goes on."""
    decides = [teacher.model, teacher.prompt_id, tiers, nonce, teacher.has_context, context_fingerprint(shop)]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:12]


def plan_labels(
    shop: Shop,
    teacher: Teacher,
    *,
    tiers: tuple[Tier, ...],
    nonce: str = "",
    again: frozenset[FailureClass] = frozenset(),
    anew: bool = False,
) -> Plan:
    """Return what a run has to ask; with `anew` that is everything.

    Raises:
        StageMissing: when there are no contexts.
    """
    taxonomy = shop.load_taxonomy()
    path = labels_file(shop, with_context=teacher.has_context, nonce=nonce)
    return make_plan(
        ContextStore(shop.context_file).of_tiers("head", "torso", "tail"),
        tiers=tiers,
        teacher=teacher,
        labels=read_labels(path) if path.is_file() else (),
        failures=read_failures(path),
        trees=_trees(shop) | {_fingerprint(taxonomy): tree_of(taxonomy)},
        taxonomy=_fingerprint(taxonomy),
        furthest=shop.config.llm.relabel_distance,
        again=again,
        anew=anew,
    )


def label_shop(
    shop: Shop,
    teacher: Teacher,
    provider: Provider,
    plan: Plan,
    *,
    tiers: tuple[Tier, ...],
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
        nonce: Of an independent repeat.
        limits: What the run may take.
        price: Of the model, where it is known.
        again: Classes of failures of which what is kept is forgotten first, so that they are not met in the cache.
        progress: Called with the number of queries done.

    Raises:
        ModelError: when there is a budget and no price to reckon with.
    """
    run = run_name(shop, teacher, tiers=tiers, nonce=nonce)
    account = Account(run=run, shop=shop.config.name, price=price)
    path = labels_file(shop, with_context=teacher.has_context, nonce=nonce)
    _save_tree(shop)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path.parent) as file:
        spool = _Spool(file)
        if isinstance(provider, Recorded):
            runner = Runner(provider, account=account, concurrency=limits.concurrency)
            asyncio.run(_answer(shop, plan, teacher, runner, limits, spool, progress))
        else:
            budget = _budget(limits, price, shop.ledger, run)
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
                asyncio.run(_answer(shop, plan, teacher, runner, limits, spool, progress))
                cache.trim()
        failures = [*spool.failures, *plan.standing]
        if spool.labels or plan.carried or plan.others or not failures:
            if teacher.has_context and not nonce:
                begin(shop, "label")
            _write(path, spool, plan, failures)
    _write_failures(path, [*failures, *(other for other in plan.others if isinstance(other, Failure))])
    summary = Summary(
        run=run,
        queries=plan.queries,
        labelled=spool.labels,
        carried=len(plan.carried),
        failed=dict(Counter(failure.kind for failure in failures).most_common()),
        kept=sum(failure.query in plan.replaced for failure in failures),
        dropped=dict(spool.dropped.most_common()),
        tally=runner.tally,
        failures={failure.kind: failure for failure in reversed(failures)},
    )
    _write_summary(shop, teacher, summary, path)
    return summary


async def _answer(
    shop: Shop,
    plan: Plan,
    teacher: Teacher,
    runner: Runner,
    limits: Limits,
    spool: _Spool,
    progress: Callable[[int], None],
) -> None:
    async with runner:
        contexts = ContextStore(shop.context_file)
        results = label_queries(
            (context for query in plan.ask if (context := contexts.get(query)) is not None),
            teacher=teacher,
            runner=runner,
            context_fingerprint=context_fingerprint(shop) if teacher.has_context else "",
            taxonomy_fingerprint=_fingerprint(shop.load_taxonomy()),
            concurrency=limits.concurrency,
        )
        done = 0
        async for result in results:
            spool.add(result)
            done += 1
            progress(done)


class _Spool:
    """Labels as they come, in a file, to be read back most searched first: a large run is not held in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: list[tuple[int, str, int, int]] = []
        self.failures: list[Failure] = []
        self.dropped: Counter[str] = Counter()

    @property
    def labels(self) -> int:
        return len(self._places)

    def add(self, result: Label | Failure) -> None:
        if isinstance(result, Failure):
            # In a provider's words, which may hold half a surrogate pair.
            self.failures.append(replace(result, detail=storable(result.detail)))
            return
        line = label_adapter.dump_json(result) + b"\n"
        self._places.append((-result.searches, result.query, self._file.tell(), len(line)))
        self._file.write(line)
        self.dropped.update(result.provenance.dropped)

    def lines(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield what orders a label, its searches from most to fewest and its query, and its line."""
        for searches, query, at, length in sorted(self._places):
            self._file.seek(at)
            yield searches, query, self._file.read(length)


def _write(path: Path, spool: _Spool, plan: Plan, failures: list[Failure]) -> None:
    """Write the new labels and, in their order, those that stand, of failed queries too."""
    kept = [plan.replaced[failure.query] for failure in failures if failure.query in plan.replaced]
    others = [other for other in plan.others if isinstance(other, Label)]
    rest = sorted(
        (-label.searches, label.query, label_adapter.dump_json(label) + b"\n")
        for label in (*plan.carried, *kept, *others)
    )
    with replace_atomically(path) as file:
        for *_, line in heapq.merge(spool.lines(), rest):
            file.write(line)


def _write_failures(labels: Path, failures: list[Failure]) -> None:
    with replace_atomically(labels.with_suffix(".failures.jsonl")) as file:
        for failure in failures:
            file.write(_failure.dump_json(failure) + b"\n")


def _write_summary(shop: Shop, teacher: Teacher, summary: Summary, labels: Path) -> None:
    tally = summary.tally
    paid = set(read_ledger(shop.ledger).filter(pl.col("run") == summary.run)["key"])
    made = read_labels(labels) if paid and labels.is_file() else ()
    document = {
        "run": summary.run,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": teacher.model,
        "prompt": teacher.prompt_id,
        "context": teacher.has_context,
        "queries": summary.queries,
        "labelled": summary.labelled,
        # Of every start of the run: what the second carries over, the first has paid for.
        "labels": sum(not paid.isdisjoint(label.provenance.key.split("+")) for label in made),
        "carried": summary.carried,
        "failed": summary.failed,
        "kept": summary.kept,
        "dropped": summary.dropped,
        "tally": vars(tally),
    }
    with replace_atomically(shop.runs / f"{summary.run}.json") as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")


def check_limits(limits: Limits, price: Price | None) -> None:
    """Check that limits can be kept to.

    Raises:
        ModelError: when there is a budget and no price to reckon with.
    """
    if limits.budget is not None and price is None:
        raise ModelError(
            "a budget needs a price, and that of the model is not known",
            hint="set input and output under [llm.price] in shop.toml, in US dollars per million tokens",
        )


def _budget(limits: Limits, price: Price | None, ledger: Path, run: str) -> Budget | None:
    check_limits(limits, price)
    if limits.budget is None:
        return None
    spent = read_ledger(ledger).filter(pl.col("run") == run)["price"].sum()
    return Budget(limits.budget, spent=float(spent or 0.0))


def unusable_keys(
    plan: Plan, labels: Path, teacher: Teacher, cache: CompletionCache, again: frozenset[FailureClass]
) -> set[str]:
    """Return the keys of refusals and unreadable answers that are kept of failures of some classes.

    Only of parts that have no other answer: what can be used is not paid for again.
    """
    failed = {failure.query for failure in read_failures(labels) if failure.kind in again}
    found: set[str] = set()
    for query in plan.ask:
        question: Question | None = teacher.ask(query) if query in failed else None
        # The answer may be one to a question that was cut.
        while question is not None:
            for _, turns in groupby(turns_of(question, cache.get), key=lambda turn: turn.part.request.key):
                kept = [turn for turn in turns if turn.completion is not None]
                if kept and not _usable(kept[-1]):
                    found |= {turn.request.key for turn in kept}
            question = teacher.shorter(question)
    return found


def _usable(turn: Turn) -> bool:
    answer = turn.completion
    return (
        answer is not None
        and answer.finish != "refused"
        and isinstance(read_completion(answer, turn.part.prompt.task), Answer)
    )


def spending_of(shop: Shop) -> Spending:
    """Return what the shop's ledger holds, with the accepted labels of each run that ended."""
    labels = {}
    for path in shop.runs.glob("*.json"):
        document = json.loads(path.read_bytes())
        labels[path.stem] = int(document.get("labels", document["labelled"]))
    return sum_up(read_ledger(shop.ledger), labels)


def _fingerprint(taxonomy: Taxonomy) -> str:
    return hashlib.sha256(json.dumps(tree_of(taxonomy), sort_keys=True).encode()).hexdigest()[:16]


def _trees(shop: Shop) -> dict[str, dict[str, tuple[str, ...]]]:
    return {path.stem: _tree.validate_json(path.read_bytes()) for path in shop.trees.glob("*.json")}


def _save_tree(shop: Shop) -> None:
    taxonomy = shop.load_taxonomy()
    path = shop.trees / f"{_fingerprint(taxonomy)}.json"
    if not path.is_file():
        with replace_atomically(path) as file:
            file.write(_tree.dump_json(tree_of(taxonomy)))
