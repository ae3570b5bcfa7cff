"""What came of a question, as a comparison has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.label import Label
from evals import Exchange, Failed, Outcome, Usage
from prompts import Completion, Failure
from prompts.estimate import taken_by
from prompts.prices import Price
from prompts.teacher import Question, turns_of

__all__ = ["outcome_of"]


def outcome_of(
    question: Question,
    result: Label | Failure,
    *,
    kept: Callable[[str], Completion | None],
    price: Price | None,
    priced_as: str,
) -> Outcome:
    """Return the answer or the failure, with what was said and what it took, whether it was kept before or not.

    Args:
        question: As it was asked.
        result: What came of it.
        kept: Returns the completion under a request's hash.
        price: Of a token, where it is known.
        priced_as: The model whose tokenizer counts where the provider did not.
    """
    turns = list(turns_of(question, kept))
    taken = [taken_by(turn.request, turn.completion, model=priced_as) for turn in turns if turn.completion]
    usage = Usage(
        requests=len(taken),
        tokens_in=sum(found.usage["prompt_tokens"] for found in taken) if taken else None,
        tokens_cached=_cached([found.usage.get("cached_tokens") for found in taken]),
        tokens_out=sum(found.usage["completion_tokens"] for found in taken) if taken else None,
        usd=_sum([price.of(found.usage) if price else None for found in taken]),
        estimated=any(found.estimated for found in taken),
    )
    exchanges = tuple(
        Exchange(
            title=turn.part.prompt.id,
            messages=turn.request.messages,
            completion=turn.completion.content if turn.completion else None,
        )
        for turn in turns
    )
    if isinstance(result, Failure):
        return Outcome(result=Failed(kind=result.kind, detail=result.detail), usage=usage, exchanges=exchanges)
    return Outcome(result=result.understanding, usage=usage, exchanges=exchanges)


def _cached(counts: Sequence[int | None]) -> int | None:
    """Return how many tokens came from the provider's cache: it says nothing where that is none, or not known."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None
