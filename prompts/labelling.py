"""The offline run: every query becomes a label or a failure, as it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from domain.context import DomainContext
from domain.errors import CompletionError, CompletionProblem
from domain.label import Label, Provenance
from prompts.answer import Answer, join_answers, read_completion
from prompts.runner import Runner
from prompts.teacher import Part, Question, Teacher

__all__ = ["Failure", "FailureClass", "demand_of", "label_queries"]

FailureClass = CompletionProblem | Literal["unparseable"]

_ASKING_THREADS = 2


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A query that has no label, and why. `key` is that of its question, to tell whether it has changed."""

    query: str
    kind: FailureClass
    detail: str
    key: str


@dataclass(frozen=True, kw_only=True)
class _Reading:
    answer: Answer
    key: str
    model: str


class _Unreadable(Exception):
    """An answer that is not of the schema, and was not when it was asked for again."""


async def label_queries(
    contexts: Iterable[DomainContext],
    *,
    teacher: Teacher,
    runner: Runner,
    context_fingerprint: str,
    taxonomy_fingerprint: str,
    concurrency: int = 64,
) -> AsyncIterator[Label | Failure]:
    """Yield the label or the failure of every query, in the order in which they are done.

    Args:
        contexts: The queries, with tier and number of searches; the teacher decides what of the rest is shown.
        teacher: Asks and checks.
        runner: Completes.
        context_fingerprint: Kept in the provenance of every label.
        taxonomy_fingerprint: Likewise.
        concurrency: Queries at work at once; no more are held in memory.
    """
    waiting = iter(contexts)
    done: asyncio.Queue[Label | Failure | BaseException | None] = asyncio.Queue(concurrency)
    with ThreadPoolExecutor(_ASKING_THREADS, thread_name_prefix="asking") as threads:
        labeller = _Labeller(teacher, runner, threads, context_fingerprint, taxonomy_fingerprint)
        workers = [asyncio.create_task(_work(labeller, waiting, done)) for _ in range(concurrency)]
        try:
            working = len(workers)
            while working:
                result = await done.get()
                if isinstance(result, BaseException):
                    raise result
                if result is None:
                    working -= 1
                else:
                    yield result
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _work(
    labeller: _Labeller,
    waiting: Iterator[DomainContext],
    done: asyncio.Queue[Label | Failure | BaseException | None],
) -> None:
    try:
        for context in waiting:
            await done.put(await labeller.label(context))
        await done.put(None)
    except Exception as error:  # whoever reads the queue has to see it
        await done.put(error)


class _Labeller:
    """Labels one query; retrieval and checks are worked out in threads, so that answers are read meanwhile."""

    def __init__(
        self, teacher: Teacher, runner: Runner, threads: ThreadPoolExecutor, context: str, taxonomy: str
    ) -> None:
        self._teacher = teacher
        self._runner = runner
        self._threads = threads
        self._context = context
        self._taxonomy = taxonomy

    async def label(self, context: DomainContext) -> Label | Failure:
        loop = asyncio.get_running_loop()
        question = await loop.run_in_executor(self._threads, self._teacher.ask, context.query)
        asked = question.key
        while True:
            try:
                readings = [await self._read(part) for part in question.parts]
                break
            except CompletionError as error:
                shorter = self._teacher.shorter(question) if error.kind == "too_long" else None
                if shorter is None:
                    return Failure(query=context.query, kind=error.kind, detail=str(error), key=asked)
                question = shorter
            except _Unreadable as error:
                return Failure(query=context.query, kind="unparseable", detail=str(error), key=asked)
        return await loop.run_in_executor(self._threads, self._label, context, question, readings)

    async def _read(self, part: Part) -> _Reading:
        """Ask, and once more with the complaint if the answer is not of the schema."""
        request = part.request
        completion = await self._runner.complete(request, prompt=part.prompt.id)
        answer = read_completion(completion, part.prompt.task)
        if not isinstance(answer, Answer):
            request = request.repair(completion.content, answer.complaint)
            completion = await self._runner.complete(request, prompt=part.prompt.id)
            answer = read_completion(completion, part.prompt.task)
            if not isinstance(answer, Answer):
                raise _Unreadable(answer.complaint)
            self._runner.tally.repaired += 1
        return _Reading(answer=answer, key=completion.key, model=completion.model)

    def _label(self, context: DomainContext, question: Question, readings: list[_Reading]) -> Label:
        checked = self._teacher.check(question, join_answers(reading.answer for reading in readings))
        provenance = Provenance(
            model=readings[0].model,
            prompt=question.prompt_id,
            key="+".join(reading.key for reading in readings),
            context=self._context,
            taxonomy=self._taxonomy,
            demand=demand_of(question.context),
            trimmed=question.trimmed,
            examples=self._teacher.examples_id,
            dropped=checked.dropped,
        )
        return Label(
            query=context.query,
            tier=context.tier,
            searches=context.searches,
            understanding=self._teacher.understanding(question, checked),
            provenance=provenance,
            ideas=checked.ideas if any(part.prompt.task == "discover" for part in question.parts) else None,
        )


def demand_of(context: DomainContext | None) -> dict[str, float]:
    """Return the share of a query's demand by category, of those that products are filed under."""
    return {c.category_id: round(c.share, 4) for c in context.categories if c.is_own} if context else {}
