"""Requests to a provider, each asked once, kept before it is used, paid for within the budget, and retried by class."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from domain.errors import CompletionError, CompletionProblem, PromptError
from prompts.budget import Budget, Reservation
from prompts.cache import CompletionCache
from prompts.completion import Completion
from prompts.ledger import Ledger, LedgerLine
from prompts.limiter import Limiter, Pace
from prompts.prices import Price, Route
from prompts.providers import Provider
from prompts.request import CompletionRequest
from prompts.tokens import most_tokens

__all__ = ["Account", "Runner", "Tally"]

_ATTEMPTS: dict[CompletionProblem, int] = {"rate_limited": 10, "timeout": 4, "provider_error": 4, "refused": 2}
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_WORTH_WAITING = 300.0
_ENOUGH = 5
_USUAL_ANSWER = 4096  # tokens to allow for in a minute where a request sets no limit


@dataclass(frozen=True, kw_only=True)
class Account:
    """On whose account completions go into the ledger. `price` is None where the model's price is not known."""

    run: str
    shop: str
    price: Price | None = None

    def line(self, completion: Completion, *, prompt: str, route: Route = "sync") -> LedgerLine:
        """Return the ledger's line for a completion."""
        usage = completion.usage
        price = self.price.of(usage, route) if self.price else None
        return LedgerLine(
            run=self.run,
            shop=self.shop,
            prompt=prompt,
            model=completion.model,
            key=completion.key,
            route=route,
            tokens_in=usage.get("prompt_tokens"),
            tokens_cached=usage.get("cached_tokens"),
            tokens_out=usage.get("completion_tokens"),
            price=price,
            price_source=self.price.source if self.price and price is not None else None,
        )

    def unanswered(self, request: CompletionRequest, *, prompt: str, reserved: float | None) -> LedgerLine:
        """Return the ledger's line for a request that may have been billed, though nobody has seen the answer."""
        return LedgerLine(
            run=self.run,
            shop=self.shop,
            prompt=prompt,
            model=request.model,
            key=request.key,
            route="sync",
            tokens_in=None,
            tokens_cached=None,
            tokens_out=None,
            price=None,
            price_source=None,
            reserved=reserved,
            answered=False,
        )


@dataclass
class Tally:
    """What a runner has done.

    Tokens and `price` (US dollars) are of the completions whose are known; of `uncounted` no tokens are, of `unpriced`
    no price is. `repaired` answers were of the schema when asked for again.
    """

    completions: int = 0
    from_cache: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    price: float = 0.0
    unpriced: int = 0
    uncounted: int = 0
    repaired: int = 0

    def add(self, line: LedgerLine) -> None:
        """Count one completion."""
        self.completions += 1
        self.tokens_in += line.tokens_in or 0
        self.tokens_cached += line.tokens_cached or 0
        self.tokens_out += line.tokens_out or 0
        self.price += line.price or 0.0
        self.unpriced += line.price is None
        self.uncounted += line.tokens_in is None


class Runner:
    """Completes requests; an async context manager, which has everything on disk when it ends.

    From the first answer on until then the garbage collector of the process passes over what was there before it.

    Args:
        provider: Who answers.
        account: On whose account.
        cache: What is kept already, and where completions go; None for a recording, which is kept and paid for.
        ledger: Where what they cost is written; None with `cache` None.
        concurrency: The most requests in flight at once.
        budget: A ceiling on the cost.
        requests_per_minute: The most requests to begin in a minute.
        tokens_per_minute: The most tokens to send and to allow for in a minute, by their upper bound.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        account: Account,
        cache: CompletionCache | None = None,
        ledger: Ledger | None = None,
        concurrency: int = 64,
        budget: Budget | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self.tally = Tally()
        self._provider = provider
        self._account = account
        self._cache = cache
        self._keeper = _Keeper(cache, ledger) if cache and ledger else None
        self._limiter = Limiter(concurrency)
        self._budget = budget
        self._requests = Pace(requests_per_minute) if requests_per_minute else None
        self._tokens = Pace(tokens_per_minute) if tokens_per_minute else None
        self._hopeless = 0
        self._last_words: CompletionError | None = None

    async def __aenter__(self) -> Runner:
        return self

    async def __aexit__(self, *_: object) -> None:
        gc.unfreeze()
        if self._keeper:
            self._keeper.close()

    async def complete(self, request: CompletionRequest, *, prompt: str) -> Completion:
        """Return the completion of a request, on disk before it is returned.

        Args:
            request: The request.
            prompt: Id of the prompt it was rendered from, for the ledger.

        Raises:
            CompletionError: when there is none after every try that its kind is worth.
            PromptError: when there is a budget and the request does not say how long its answer may be.
        """
        if self._cache is None:
            return _unrefused(await self._provider.complete(request))
        if (kept := self._kept(request)) is not None:
            return _unrefused(kept)
        async with self._cache.claim(request.key):
            if (kept := self._kept(request)) is not None:
                return _unrefused(kept)
            completion = await self._paid(request, prompt)
            if completion.finish == "refused":
                self.tally.retries["refused"] += 1
                completion = await self._paid(request, prompt)
            return _unrefused(completion)

    def _kept(self, request: CompletionRequest) -> Completion | None:
        found = self._cache.get(request.key) if self._cache else None
        self.tally.from_cache += found is not None
        return found

    async def _paid(self, request: CompletionRequest, prompt: str) -> Completion:
        completion = await self._ask(request, prompt)
        line = self._account.line(completion, prompt=prompt)
        if line.price is None:
            line = replace(line, reserved=self._most(request))
        self.tally.add(line)
        if self.tally.completions == 1:
            # litellm, which has loaded all of itself by now, stays: to search it for garbage cost a tenth of the run.
            gc.freeze()
        if self._keeper:
            await self._keeper.keep(line, completion)
        return completion

    async def _ask(self, request: CompletionRequest, prompt: str) -> Completion:
        """Ask until there is an answer, or no further try is worth its while."""
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._reserve(request, prompt) as reservation:
                    return await self._ask_once(request, reservation)
            except CompletionError as error:
                if error.kind == "timeout" and self._keeper:
                    line = self._account.unanswered(request, prompt=prompt, reserved=self._most(request))
                    await self._keeper.keep(line)
                wait = _wait(error, attempt)
                if wait is None:
                    raise
                self.tally.retries[error.kind] += 1
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def _reserve(self, request: CompletionRequest, prompt: str) -> AsyncIterator[Reservation]:
        if self._budget is None or self._account.price is None:
            yield Reservation(0.0)
            return
        most = self._most(request)
        if most is None:
            raise PromptError(
                f"{prompt} sets no limit to the length of an answer, so that a budget cannot be kept to",
                hint="set max_tokens in the parameters of the prompt, or leave the budget out",
            )
        async with self._budget.reserve(most) as reservation:
            yield reservation

    def _most(self, request: CompletionRequest) -> float | None:
        """Return the most that a request can cost in US dollars; None without a price, or a limit to its answer."""
        longest = _longest_answer(request)
        if self._account.price is None or longest is None:
            return None
        return self._account.price.most(most_tokens(request), longest)

    async def _ask_once(self, request: CompletionRequest, reservation: Reservation) -> Completion:
        async with self._limiter.slot() as sent:
            if self._last_words is not None:
                raise CompletionError(f"not asked, for the provider answers nothing: {self._last_words}")
            if self._requests:
                await self._requests.spend(1)
            if self._tokens:
                await self._tokens.spend(most_tokens(request) + (_longest_answer(request) or _USUAL_ANSWER))
            try:
                completion = await self._provider.complete(request)
            except CompletionError as error:
                self._note(error, sent, reservation)
                raise
        self._limiter.answered(sent)
        self._hopeless = 0
        reservation.cost = self._account.price.of(completion.usage) if self._account.price else None
        return completion

    def _note(self, error: CompletionError, sent: int, reservation: Reservation) -> None:
        if error.kind == "rate_limited":
            self._limiter.turned_away(sent, error.retry_after)
        if error.kind == "timeout":
            # Nobody says whether it was billed; the ceiling holds if it was.
            reservation.cost = reservation.most
        if error.fatal:
            # A key that was refused before anything was answered is refused for all.
            self._hopeless += 1
            if not self.tally.completions or self._hopeless >= _ENOUGH:
                self._last_words = error


_Kept = tuple[LedgerLine, Completion | None, asyncio.Future[None]]


class _Keeper:
    """Writes ledger and cache, many completions at a time: what arrives during one write goes with the next."""

    def __init__(self, cache: CompletionCache, ledger: Ledger) -> None:
        self._cache = cache
        self._ledger = ledger
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self._waiting: list[_Kept] = []
        self._writer: asyncio.Task[None] | None = None

    async def keep(self, line: LedgerLine, completion: Completion | None = None) -> None:
        """Return when the line, and the completion if there is one, are on disk."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((line, completion, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._store, batch)
            except Exception as error:  # a full disk: everybody who waits has to know
                for *_, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for *_, done in batch:
                    if not done.done():
                        done.set_result(None)

    def _store(self, batch: list[_Kept]) -> None:
        # The ledger first: what was paid for is known even if the next line is never reached.
        self._ledger.append(line for line, _, _ in batch)
        self._cache.put(completion for _, completion, _ in batch if completion)

    def close(self) -> None:
        """Write what a cancelled run left waiting, and end."""
        batch, self._waiting = self._waiting, []
        self._thread.submit(self._store, batch).result()
        self._thread.shutdown()


def _unrefused(completion: Completion) -> Completion:
    if completion.finish == "refused":
        raise CompletionError(
            f"{completion.model} will not answer: {completion.content[:200] or 'no reason is given'}", kind="refused"
        )
    return completion


def _longest_answer(request: CompletionRequest) -> int | None:
    """Return the most tokens that a request takes for an answer, None where it sets no limit; of two, the wider."""
    given = (request.parameters.get(name) for name in ("max_tokens", "max_completion_tokens"))
    return max((limit for limit in given if isinstance(limit, int) and limit > 0), default=None)


def _wait(error: CompletionError, attempt: int) -> float | None:
    """Return seconds until the next try, or None for no further one; exponential backoff with full jitter."""
    if not (error.retryable or error.kind == "refused") or attempt >= _ATTEMPTS.get(error.kind, 1):
        return None
    if error.retry_after is not None:
        # A little later than asked, and not all at once.
        return None if error.retry_after > _WORTH_WAITING else error.retry_after + random.uniform(0, _FIRST_WAIT)
    return random.uniform(0, min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt))
