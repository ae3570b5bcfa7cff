"""The questions that batch commands are about, and the options that choose them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from domain.context import ContextStore
from domain.errors import ModelError
from domain.shop import Shop
from prompts import Teacher, open_provider
from prompts.cache import CompletionCache
from prompts.teacher import Part, Question, Turn, turns_of
from querywise.label import tiers_of
from querywise.options import model_name, progress_bar
from querywise.pipeline import open_teacher

__all__ = ["Missing", "NonceOption", "Selection", "unanswered"]

NonceOption = Annotated[str, typer.Option("--nonce", help="Any text: an independent repeat, as `label` has it.")]


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the command line chose: whom to ask, in which words, about which queries."""

    model: str | None
    api_base: str | None
    prompt: str
    tiers: str
    with_context: bool
    nonce: str = ""

    def name(self, shop: Shop) -> str:
        """Return the model's name, also that of a recording's model.

        Raises:
            ModelError: when no model is named.
        """
        model = model_name(shop, self.model)
        if not model:
            raise ModelError("no model is named", hint="pass --model with the name under which completions are kept")
        return open_provider(model).model if model.startswith("recorded:") else model

    def teacher(self, shop: Shop) -> Teacher:
        """Return who puts the questions."""
        return open_teacher(
            shop,
            model=self.name(shop),
            prompt=self.prompt,
            with_context=self.with_context,
            api_base=self.api_base or "",
            nonce=self.nonce,
        )

    def questions(self, shop: Shop, teacher: Teacher, queries: Iterable[str] | None = None) -> Iterator[Question]:
        """Yield the questions about some queries, or about all of the tiers, most searched first."""
        if queries is None:
            queries = (context.query for context in ContextStore(shop.context_file).of_tiers(*tiers_of(self.tiers)))
        asked = list(queries)
        with progress_bar() as bar:
            for query in bar.track(asked, description="requests"):
                yield teacher.ask(query)


class Missing:
    """What is still to be asked of some questions; the rest is counted as they are gone through, once.

    Args:
        questions: The questions.
        cache: Where their answers are.
        under_way: Hashes of requests that batches hold already.

    Attributes:
        answered: Requests that have an answer.
        waiting: Requests that have none and are under way.
    """

    def __init__(self, questions: Iterable[Question], *, cache: CompletionCache, under_way: Collection[str]) -> None:
        self._questions = questions
        self._cache = cache
        self._under_way = under_way
        self.answered = 0
        self.waiting = 0

    def __iter__(self) -> Iterator[Part]:
        for question in self._questions:
            left = list(unanswered(question, self._cache))
            self.answered += len(question.parts) - len(left)
            for part in left:
                if part.request.key in self._under_way:
                    self.waiting += 1
                else:
                    yield part


def unanswered(question: Question, cache: CompletionCache) -> Iterator[Part]:
    """Yield what is still to be asked of a question: at most one request for each of its parts."""
    for turn in turns_of(question, cache.get):
        if turn.completion is None:
            yield _part(turn)


def _part(turn: Turn) -> Part:
    return Part(prompt=turn.part.prompt, request=turn.request)
