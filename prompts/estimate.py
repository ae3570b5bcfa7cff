"""What a run will cost, before it is begun."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from prompts.completion import Completion
from prompts.prices import Price, Route
from prompts.prompt_file import Task
from prompts.request import CompletionRequest
from prompts.teacher import Part
from prompts.tokens import TokenCount, count_tokens

__all__ = ["Interval", "RunEstimate", "Taken", "estimate", "taken_by"]

# 2,418 recorded answers to `understand` have 457 bytes in the mean; its parts are about what they are of it. A model
# that thinks before it answers is billed for that too: after a few completions the ledger knows.
_ANSWER_BYTES: dict[Task, tuple[float, float]] = {
    "understand": (400, 550),
    "categories": (150, 350),
    "rewrites": (150, 350),
    "annotations": (50, 250),
    "discover": (700, 1200),
}
_TOKENS_A_BYTE = (0.19, 0.38)  # as measured for prompts: see prompts/tokens.py
_ENOUGH = 20  # completions of a prompt from which its own mean is taken


@dataclass(frozen=True, kw_only=True)
class Interval:
    """From `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """Requests that have no completion yet, with their tokens and price in US dollars; None where it is not known.

    Nothing is taken off for what the provider will have in its own cache. `most` is the price if every answer were as
    long as it may be, asked one at a time; None also where a prompt sets no limit.
    """

    requests: int
    in_cache: int
    tokens_in: TokenCount
    tokens_out: Interval
    sync: Interval | None
    batch: Interval | None
    most: float | None
    price_source: str | None


def estimate(
    model: str, parts: Sequence[Part], *, in_cache: int, price: Price | None, ledger: pl.DataFrame
) -> RunEstimate:
    """Return what requests will cost.

    Args:
        model: Their model.
        parts: Those that have no completion yet.
        in_cache: How many have.
        price: Of the model.
        ledger: What was paid before: answers will be as long as they were, by prompt and model.
    """
    tokens_in = count_tokens(model, [part.request for part in parts])
    low = high = most = 0.0
    known: dict[str, Interval] = {}
    for part in parts:
        if part.prompt.id not in known:
            known[part.prompt.id] = _length(part, ledger.filter(pl.col("model") == model))
        low += known[part.prompt.id].low
        high += known[part.prompt.id].high
        most += part.request.parameters.get("max_tokens", math.inf)

    def cost(route: Route) -> Interval | None:
        ends = [
            price.of({"prompt_tokens": tokens, "completion_tokens": round(out)}, route) if price else None
            for tokens, out in ((tokens_in.low, low), (tokens_in.high, high))
        ]
        return Interval(low=ends[0], high=ends[1]) if ends[0] is not None and ends[1] is not None else None

    return RunEstimate(
        requests=len(parts),
        in_cache=in_cache,
        tokens_in=tokens_in,
        tokens_out=Interval(low=round(low), high=round(high)),
        sync=cost("sync"),
        batch=cost("batch"),
        most=price.most(tokens_in.high, int(most)) if price and math.isfinite(most) else None,
        price_source=price.source if price else None,
    )


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Tokens of one completion by the names of `Completion.usage`; `estimated` where the provider did not count."""

    usage: Mapping[str, int]
    estimated: bool


def taken_by(request: CompletionRequest, completion: Completion, *, model: str) -> Taken:
    """Return what a completion took: as its provider counted, else as the tokenizer of a model would, in the middle."""
    given = completion.usage
    if "prompt_tokens" in given and "completion_tokens" in given:
        return Taken(usage=given, estimated=False)
    answer = ({"role": "assistant", "content": completion.content},)
    counted = {
        "prompt_tokens": count_tokens(model, [request]),
        "completion_tokens": count_tokens(model, [replace(request, messages=answer, schema={})]),
    }
    return Taken(usage={name: (count.low + count.high) // 2 for name, count in counted.items()}, estimated=True)


def _length(part: Part, ledger: pl.DataFrame) -> Interval:
    """Return the tokens of an answer: as they were so far, else as recorded answers of other models are long."""
    before = ledger.filter(pl.col("prompt") == part.prompt.id)["tokens_out"].drop_nulls()
    if len(before) >= _ENOUGH:
        mean = float(before.mean())  # type: ignore[arg-type]
        return Interval(low=mean, high=mean)
    low, high = _ANSWER_BYTES[part.prompt.task]
    return Interval(low=low * _TOKENS_A_BYTE[0], high=high * _TOKENS_A_BYTE[1])
