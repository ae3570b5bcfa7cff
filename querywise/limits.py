"""What a run may take, and what is left of its budget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from domain.errors import ModelError
from prompts.budget import Budget
from prompts.ledger import most_spent
from prompts.prices import Price

__all__ = ["Limits", "check_limits", "open_budget"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a run may take: requests at once, US dollars, requests and tokens a minute; None is no limit."""

    concurrency: int = 64
    budget: float | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


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


def open_budget(limits: Limits, price: Price | None, *, ledger: Path, run: str) -> Budget | None:
    """Return the budget of a run less what its earlier starts can have cost, or None where there is no limit.

    Raises:
        ModelError: when there is a budget and no price to reckon with.
    """
    check_limits(limits, price)
    if limits.budget is None:
        return None
    return Budget(limits.budget, spent=most_spent(ledger, run))
