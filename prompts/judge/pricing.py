"""What judging will cost, before it is begun."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prompts.estimate import Interval, RunEstimate
from prompts.judge.judge import Sheet
from prompts.prices import Price, Route
from prompts.tokens import count_tokens

__all__ = ["estimate_sheets"]

# A verdict is a reason of at most 25 words and the names of its fields: 120 to 300 bytes.
_VERDICT_BYTES: Final = Interval(low=120, high=300)
_TOKENS_A_BYTE: Final = Interval(low=0.19, high=0.38)  # as measured for prompts: see prompts/tokens.py


def estimate_sheets(model: str, sheets: Sequence[Sheet], *, in_cache: int, price: Price | None) -> RunEstimate:
    """Return what sheets will cost.

    Args:
        model: Their model.
        sheets: Those that have no completion yet.
        in_cache: How many have.
        price: Of the model.
    """
    requests = [sheet.part.request for sheet in sheets]
    tokens_in = count_tokens(model, requests)
    items = sum(len(sheet.exhibits) for sheet in sheets)
    out = Interval(
        low=round(items * _VERDICT_BYTES.low * _TOKENS_A_BYTE.low),
        high=round(items * _VERDICT_BYTES.high * _TOKENS_A_BYTE.high),
    )

    def cost(route: Route) -> Interval | None:
        ends = [
            price.of({"prompt_tokens": tokens, "completion_tokens": round(end)}, route) if price else None
            for tokens, end in ((tokens_in.low, out.low), (tokens_in.high, out.high))
        ]
        return Interval(low=ends[0], high=ends[1]) if ends[0] is not None and ends[1] is not None else None

    limits = [request.parameters.get("max_tokens") for request in requests]
    most = sum(limit for limit in limits if limit is not None) if None not in limits else None
    return RunEstimate(
        requests=len(requests),
        in_cache=in_cache,
        tokens_in=tokens_in,
        tokens_out=out,
        sync=cost("sync"),
        batch=cost("batch"),
        most=price.most(tokens_in.high, most) if price and most is not None else None,
        price_source=price.source if price else None,
    )
