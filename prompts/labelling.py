"""The offline run: every query becomes a label or a failure, and the two add up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from domain.context import DomainContext
from domain.errors import CompletionError, CompletionMissing
from domain.label import Label, Provenance
from prompts.answer import Answer, parse_answer
from prompts.providers import Completion, Provider
from prompts.request import CompletionRequest
from prompts.teacher import Question, Teacher

__all__ = ["Failure", "FailureClass", "LabelRun", "label_queries"]

FailureClass = Literal["missing_from_recording", "unparseable", "provider_error", "try_again"]

_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A query that has no label, and why."""

    query: str
    kind: FailureClass
    detail: str


@dataclass(frozen=True, kw_only=True)
class LabelRun:
    """Labels and failures, each in the order asked; together they are every query."""

    labels: tuple[Label, ...]
    failures: tuple[Failure, ...]
    repaired: int

    @property
    def dropped(self) -> dict[str, int]:
        """What the checks took out of the answers, by reason."""
        total: Counter[str] = Counter()
        for label in self.labels:
            total.update(label.provenance.dropped)
        return dict(total.most_common())

    @property
    def failed(self) -> dict[str, int]:
        """Failures by class."""
        return dict(Counter(failure.kind for failure in self.failures).most_common())


@dataclass(frozen=True, kw_only=True)
class _Reading:
    answer: Answer
    key: str
    model: str
    repaired: bool


async def label_queries(
    contexts: Iterable[DomainContext],
    *,
    teacher: Teacher,
    provider: Provider,
    context_fingerprint: str,
    concurrency: int = 8,
    progress: Callable[[int], None] = lambda _: None,
) -> LabelRun:
    """Label queries with their contexts.

    Args:
        contexts: The queries, with tier and number of searches; the teacher decides what of the rest is shown.
        teacher: Asks and checks.
        provider: Completes.
        context_fingerprint: Kept in the provenance of every label.
        concurrency: Requests in flight at once.
        progress: Called with the number of queries done after each.
    """
    gate = asyncio.Semaphore(concurrency)
    done = repaired = 0

    async def one(context: DomainContext) -> Label | Failure:
        nonlocal done, repaired
        async with gate:
            question = teacher.ask(context.query)
            result = await _read(question, provider)
        done += 1
        progress(done)
        if isinstance(result, Failure):
            return result
        repaired += result.repaired
        checked = teacher.check(question, result.answer)
        provenance = Provenance(
            model=result.model,
            prompt=teacher.prompt.id,
            key=result.key,
            context=context_fingerprint,
            dropped=checked.dropped,
        )
        return Label(
            query=context.query,
            tier=context.tier,
            searches=context.searches,
            understanding=teacher.understanding(question, checked),
            provenance=provenance,
        )

    results = await asyncio.gather(*(one(context) for context in contexts))
    return LabelRun(
        labels=tuple(result for result in results if isinstance(result, Label)),
        failures=tuple(result for result in results if isinstance(result, Failure)),
        repaired=repaired,
    )


async def _read(question: Question, provider: Provider) -> _Reading | Failure:
    """Ask, and once more with the complaint if the answer is not of the schema."""
    request = question.request
    try:
        completion = await _complete(provider, request)
        answer = parse_answer(completion.content)
        if isinstance(answer, Answer):
            return _Reading(answer=answer, key=completion.key, model=completion.model, repaired=False)
        completion = await _complete(provider, request.repair(completion.content, answer.complaint))
        answer = parse_answer(completion.content)
        if isinstance(answer, Answer):
            return _Reading(answer=answer, key=completion.key, model=completion.model, repaired=True)
        return Failure(query=question.query, kind="unparseable", detail=answer.complaint)
    except CompletionMissing as error:
        return Failure(query=question.query, kind="missing_from_recording", detail=str(error))
    except CompletionError as error:
        kind: FailureClass = "try_again" if error.retryable else "provider_error"
        return Failure(query=question.query, kind=kind, detail=str(error))


async def _complete(provider: Provider, request: CompletionRequest) -> Completion:
    """Complete a request; what is worth asking again is asked three times, a second and then two apart."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await provider.complete(request)
        except CompletionError as error:
            if not error.retryable or attempt == _ATTEMPTS:
                raise
            await asyncio.sleep(attempt)
    raise AssertionError("unreachable")
