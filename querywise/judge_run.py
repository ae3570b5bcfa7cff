"""A run of one or more judges over the same items, from requests to the files of verdicts."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.shop import Shop
from domain.verdict import Unscored, Verdict
from prompts import Account, Completion, Provider, Runner
from prompts.cache import CompletionCache
from prompts.estimate import RunEstimate
from prompts.judge import Exhibit, Judge, judge_sheets
from prompts.judge.keeping import keep_verdicts, verdicts_file
from prompts.judge.pricing import estimate_sheets
from prompts.ledger import Ledger
from prompts.prices import Price, price_of
from prompts.recording import Recorded
from prompts.request import CompletionRequest
from prompts.runner import Tally
from querywise.limits import Limits, check_limits, open_budget

__all__ = ["JudgeRun", "JudgeSummary"]


@dataclass(frozen=True, kw_only=True)
class JudgeSummary:
    """A run that has ended, all judges together: `verdicts` and `unscored` add up to `items`.

    `grades` counts verdicts by grade, `unscored` items by why they have none, and `examples` holds one of each.
    """

    judges: tuple[str, ...]
    items: int
    verdicts: int
    grades: dict[int, int]
    unscored: dict[str, int]
    examples: dict[str, Unscored]
    tally: Tally
    files: tuple[Path, ...]

    @property
    def unscored_share(self) -> float:
        """Share of the items that have no verdict, in [0, 1]."""
        return sum(self.unscored.values()) / self.items if self.items else 0.0


class JudgeRun:
    """What some judges are asked about some items of a shop.

    Args:
        shop: The shop.
        judges: Who judges: one model and rubric, its independent repeats, and what is changed for an audit.
        exhibits: The items, the same for each of them.
        recording: Where answers are replayed from; None for a provider, whose answers are in the shop's cache.
    """

    def __init__(
        self, shop: Shop, judges: Sequence[Judge], exhibits: Sequence[Exhibit], *, recording: Recorded | None
    ) -> None:
        self._shop = shop
        self._judges = tuple(judges)
        self.model = self._judges[0].model
        self._recording = recording
        self._sheets = tuple((judge, tuple(judge.sheets(exhibits))) for judge in judges)
        self.items = sum(len(sheet.exhibits) for _, sheets in self._sheets for sheet in sheets)
        self.requests = sum(len(sheets) for _, sheets in self._sheets)

    def missing(self) -> list[CompletionRequest]:
        """Return the requests that have no completion yet; also those that ask again for what an answer left out."""
        with self._kept() as kept:
            return [
                turn.part.request
                for judge, sheets in self._sheets
                for sheet in sheets
                for turn in judge.turns(sheet, kept)
                if turn.completion is None
            ]

    def price(self) -> RunEstimate:
        """Return what is still to be asked, and its price."""
        with self._kept() as kept:
            unasked = [s for _, sheets in self._sheets for s in sheets if kept(s.part.request.key) is None]
        done = self.requests - len(unasked)
        return estimate_sheets(self.model, unasked, in_cache=done, price=self._price())

    def judge(
        self, provider: Provider, limits: Limits, *, progress: Callable[[int], None] = lambda _: None
    ) -> JudgeSummary:
        """Ask, and add what comes of it to the judges' files.

        Args:
            provider: Answers: the recording, where there is one.
            limits: What the run may take.
            progress: Called with the number of items done.

        Raises:
            ModelError: when there is a budget and no price to reckon with.
            UserError: when a file of verdicts holds something else.
        """
        shop = self._shop
        # A recording has been paid for.
        price = None if self._recording else self._price()
        account = Account(run=self._name(), shop=shop.config.name, price=price)
        with ExitStack() as opened:
            if self._recording:
                runner = Runner(provider, account=account, concurrency=limits.concurrency)
            else:
                check_limits(limits, price)
                cache = opened.enter_context(CompletionCache(shop.cache, gigabytes=shop.config.llm.cache_gigabytes))
                runner = Runner(
                    provider,
                    account=account,
                    cache=cache,
                    ledger=opened.enter_context(Ledger(shop.ledger)),
                    concurrency=limits.concurrency,
                    budget=open_budget(limits, price, ledger=shop.ledger, run=account.run),
                )
                opened.callback(cache.trim)
            results = asyncio.run(self._ask(runner, limits.concurrency, progress))
        by_file: dict[Path, list[Verdict | Unscored]] = {}
        for judge, found in zip(self._judges, results, strict=True):
            by_file.setdefault(verdicts_file(shop.work, judge), []).extend(found)
        for path, kept in by_file.items():
            keep_verdicts(path, kept)
        return _summary(self._judges, [result for found in results for result in found], runner.tally, tuple(by_file))

    async def _ask(
        self, runner: Runner, concurrency: int, progress: Callable[[int], None]
    ) -> list[list[Verdict | Unscored]]:
        found: list[list[Verdict | Unscored]] = [[] for _ in self._sheets]
        done = 0
        async with runner:
            for results, (judge, sheets) in zip(found, self._sheets, strict=True):
                async for result in judge_sheets(sheets, judge=judge, runner=runner, concurrency=concurrency):
                    results.append(result)
                    done += 1
                    progress(done)
        return found

    @contextmanager
    def _kept(self) -> Iterator[Callable[[str], Completion | None]]:
        if self._recording:
            yield self._recording.get
            return
        with CompletionCache(self._shop.cache) as cache:
            yield cache.get

    def _price(self) -> Price | None:
        return price_of(self.model, override=self._shop.config.llm.price)

    def _name(self) -> str:
        """Return the run's name in the ledger: the same for the same questions, so that a budget goes on."""
        keys = [sheet.part.request.key for _, sheets in self._sheets for sheet in sheets]
        return hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:12]


def _summary(
    judges: Sequence[Judge], results: Sequence[Verdict | Unscored], tally: Tally, files: tuple[Path, ...]
) -> JudgeSummary:
    grades = Counter(result.grade for result in results if isinstance(result, Verdict))
    unscored = [result for result in results if isinstance(result, Unscored)]
    return JudgeSummary(
        judges=tuple(dict.fromkeys(judge.name for judge in judges)),
        items=len(results),
        verdicts=grades.total(),
        grades=dict(sorted(grades.items())),
        unscored=dict(Counter(result.kind for result in unscored).most_common()),
        examples={result.kind: result for result in reversed(unscored)},
        tally=tally,
        files=files,
    )
