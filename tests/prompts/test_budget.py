"""The ceiling: spent and reserved never add up to more, and nobody is turned away who could still be paid."""

from __future__ import annotations

import asyncio
import random

import pytest

from domain.errors import CompletionError
from prompts.budget import Budget


def test_what_would_pass_the_ceiling_is_refused_and_says_what_is_left() -> None:
    budget = Budget(1.0, spent=0.75)

    async def run() -> None:
        async with budget.reserve(0.5):
            raise AssertionError("was let in")

    with pytest.raises(CompletionError, match=r"may cost \$0\.5000, and of \$1\.00 \$0\.2500 is left") as caught:
        asyncio.run(run())
    assert caught.value.kind == "over_budget"
    assert "--budget" in caught.value.hint


def test_a_reservation_gives_back_what_was_not_needed() -> None:
    budget = Budget(1.0)

    async def run() -> None:
        for _ in range(9):
            async with budget.reserve(0.5) as reservation:
                reservation.cost = 0.0625

    asyncio.run(run())
    assert budget.spent == 0.5625


def test_an_unknown_cost_counts_as_the_most_and_a_failure_as_none() -> None:
    budget = Budget(1.0)

    async def run() -> None:
        async with budget.reserve(0.25):
            pass
        with pytest.raises(ValueError, match="lost"):
            async with budget.reserve(0.25):
                raise ValueError("lost")

    asyncio.run(run())
    assert budget.spent == 0.25


def test_who_waits_is_let_in_when_others_cost_less_than_feared() -> None:
    budget = Budget(1.0)
    order: list[str] = []

    async def cheap() -> None:
        async with budget.reserve(0.75) as reservation:
            await asyncio.sleep(0.01)
            reservation.cost = 0.125
            order.append("cheap")

    async def waits() -> None:
        async with budget.reserve(0.75) as reservation:
            reservation.cost = 0.75
            order.append("waits")

    async def run() -> None:
        await asyncio.gather(cheap(), waits())

    asyncio.run(run())
    assert order == ["cheap", "waits"]
    assert budget.spent == 0.875


@pytest.mark.parametrize("seed", range(5))
def test_the_ceiling_holds_whatever_is_in_flight(seed) -> None:
    """Three hundred requests of odd cost, fifty at once: never over, and stopped only when the next may not fit."""
    rng = random.Random(seed)
    costs = [rng.uniform(0, 0.1) for _ in range(300)]
    budget = Budget(3.0)
    refused = in_flight = 0
    worst = 0.0
    gate = asyncio.Semaphore(50)

    async def one(cost: float) -> None:
        nonlocal refused, in_flight, worst
        async with gate:
            try:
                async with budget.reserve(0.1) as reservation:
                    in_flight += 1
                    worst = max(worst, budget.spent + 0.1 * in_flight)
                    await asyncio.sleep(rng.uniform(0, 0.003))
                    reservation.cost = cost
                    in_flight -= 1
            except CompletionError:
                refused += 1

    async def run() -> None:
        await asyncio.gather(*(one(cost) for cost in costs))

    asyncio.run(run())
    assert worst <= 3.0 + 1e-9
    assert 2.9 < budget.spent <= 3.0
    assert refused > 200
