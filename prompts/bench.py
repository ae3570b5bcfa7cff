"""Where prompts are tried: queries answered in the words of one, and proposals of others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from domain.context import DomainContext
from domain.label import Label
from prompts.answer import Unparseable
from prompts.cache import CompletionCache
from prompts.labelling import Failure, label_queries
from prompts.prompt_file import PromptFile
from prompts.providers import Provider
from prompts.reflection import Trial, read_proposal, reflection_request
from prompts.request import CompletionRequest
from prompts.revision import objection
from prompts.runner import Runner
from prompts.teacher import Question, Teacher, turns_of

__all__ = ["Bench", "Score", "Scorer"]


@dataclass(frozen=True, kw_only=True)
class Score:
    """What an answer is worth, 0 to 1, and in words what was wrong with it."""

    value: float
    feedback: str


Scorer = Callable[[str, Label | Failure], Score]
"""Scores what came of a normalised query."""


class Bench:
    """Where prompts are tried: every request goes through two runners, in one event loop; a context manager.

    Args:
        teacher: Asks and checks; the prompt is changed for it.
        runner: Completes what the teacher asks.
        reflector: Who proposes prompts.
        reflection: Completes what the reflector is asked.
        cache: What both runners keep.
        concurrency: Queries at work at once.
    """

    def __init__(
        self,
        teacher: Teacher,
        *,
        runner: Runner,
        reflector: Provider,
        reflection: Runner,
        cache: CompletionCache,
        concurrency: int = 64,
    ) -> None:
        self._teacher = teacher
        self._runner = runner
        self._reflector = reflector
        self._reflection = reflection
        self._cache = cache
        self._concurrency = concurrency
        self._loop = asyncio.Runner()
        self._open = AsyncExitStack()

    def __enter__(self) -> Bench:
        for runner in (self._runner, self._reflection):
            self._loop.run(self._open.enter_async_context(runner))
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._loop.run(self._open.aclose())
        finally:
            self._loop.close()

    def answer(self, prompt: PromptFile, contexts: Sequence[DomainContext]) -> list[Label | Failure]:
        """Return what comes of each query, in order, when it is asked in the words of a prompt."""
        found = self._loop.run(self._answer(prompt, contexts))
        return [found[context.query] for context in contexts]

    async def _answer(self, prompt: PromptFile, contexts: Sequence[DomainContext]) -> dict[str, Label | Failure]:
        results = label_queries(
            # Each once: a batch may hold a query twice.
            {context.query: context for context in contexts}.values(),
            teacher=self._teacher.with_prompts([prompt]),
            runner=self._runner,
            context_fingerprint="",
            taxonomy_fingerprint="",
            concurrency=self._concurrency,
        )
        return {result.query: result async for result in results}

    def question(self, prompt: PromptFile, result: Label | Failure) -> Question:
        """Return the question that a result answers."""
        trimmed = result.provenance.trimmed if isinstance(result, Label) else 0
        return self._teacher.with_prompts([prompt]).ask(result.query, trim=trimmed)

    def trial(self, prompt: PromptFile, result: Label | Failure, score: Score) -> Trial:
        """Return what the reflector is told of a query."""
        turns = list(turns_of(self.question(prompt, result), self._cache.get))
        said = [turn.completion.content for turn in turns if turn.completion]
        return Trial(
            query=result.query,
            shown=turns[0].request.messages[-1]["content"],
            answer=said[-1] if said else "",
            score=round(score.value, 3),
            feedback=score.feedback,
        )

    def propose(
        self, prompt: PromptFile, trials: Sequence[Trial], *, original: PromptFile, told: Sequence[str], nonce: str
    ) -> str | Unparseable:
        """Return another system part, or why there is none, after asking again where the first could not be used.

        Args:
            prompt: What to improve on.
            trials: How it did.
            original: What the search began with.
            told: Why earlier proposals could not be used.
            nonce: Of the round.

        Raises:
            CompletionError: when the reflector does not answer.
        """
        request = reflection_request(
            prompt,
            trials,
            original=original,
            turned_away=told,
            model=self._reflector.model,
            api_base=self._reflector.api_base,
            nonce=nonce,
        )
        content = self._complete(request, prompt)
        first = _usable(content, original)
        if isinstance(first, str):
            return first
        return _usable(self._complete(request.repair(content, first.complaint), prompt), original)

    def _complete(self, request: CompletionRequest, prompt: PromptFile) -> str:
        return self._loop.run(self._reflection.complete(request, prompt=f"{prompt.id}/reflection")).content


def _usable(content: str, original: PromptFile) -> str | Unparseable:
    system = read_proposal(content)
    if isinstance(system, str) and (why := objection(original, system)) is not None:
        return Unparseable(complaint=f"the new instructions cannot be used: {why}")
    return system
