"""How many are in flight: up while the provider bears it, down when it turns many away, unmoved by a few."""

from __future__ import annotations

import asyncio
import time

import pytest

from prompts.limiter import Limiter, Pace


async def round_of(limiter: Limiter, *, away: int = 0, retry_after: float | None = None) -> None:
    """Send as many as are let in at once; the first `away` of them are turned away."""
    sent: list[int] = []
    release = asyncio.Event()

    async def one() -> None:
        async with limiter.slot() as cuts:
            sent.append(cuts)
            await release.wait()

    tasks = [asyncio.create_task(one()) for _ in range(limiter.window)]
    while len(sent) < len(tasks):
        await asyncio.sleep(0)
    release.set()
    await asyncio.gather(*tasks)
    for number, cuts in enumerate(sent):
        if number < away:
            limiter.turned_away(cuts, retry_after)
        else:
            limiter.answered(cuts)


def windows(most: int, *aways: int) -> list[int]:
    limiter = Limiter(most)
    seen = [limiter.window]

    async def run() -> None:
        for away in aways:
            await round_of(limiter, away=away)
            seen.append(limiter.window)

    asyncio.run(run())
    return seen


def test_it_doubles_every_round_up_to_the_most() -> None:
    assert windows(50, 0, 0, 0, 0) == [8, 16, 32, 50, 50]
    assert windows(5, 0) == [5, 5]


def test_many_turned_away_cut_it_once_a_round_and_then_it_grows_by_one() -> None:
    # 8, 16, 32; then all 32 are turned away: 32 x 0.7 = 22.4, however many of the round said so.
    assert windows(100, 0, 0, 32, 0, 0) == [8, 16, 32, 22, 23, 24]


def test_a_few_turned_away_change_nothing() -> None:
    # One in a hundred, as a provider does on a bad day.
    assert windows(500, 0, 0, 0, 0, 1, 2, 0)[-3:] == [256, 500, 500]


def test_it_never_falls_below_one() -> None:
    limiter = Limiter(10)

    async def run() -> None:
        for _ in range(400):
            await round_of(limiter, away=limiter.window)

    asyncio.run(run())
    assert limiter.window == 1


def test_it_finds_what_a_provider_bears() -> None:
    """A provider that takes twenty at once and turns every further one away."""
    limiter = Limiter(500)
    seen: list[int] = []

    async def run() -> None:
        for _ in range(200):
            await round_of(limiter, away=max(0, limiter.window - 20))
            seen.append(limiter.window)

    asyncio.run(run())
    settled = seen[50:]
    assert 14 <= min(settled) and max(settled) <= 24
    assert sum(settled) / len(settled) > 17


def test_what_was_asked_for_is_waited_by_all() -> None:
    limiter = Limiter(20)

    async def run() -> float:
        await round_of(limiter, away=8, retry_after=0.3)
        began = time.monotonic()
        async with limiter.slot():
            return time.monotonic() - began

    assert 0.2 < asyncio.run(run()) < 1.0


def test_no_more_hold_a_slot_than_the_window() -> None:
    limiter = Limiter(3)
    most = held = 0

    async def one() -> None:
        nonlocal most, held
        async with limiter.slot():
            held += 1
            most = max(most, held)
            await asyncio.sleep(0)
            held -= 1

    async def run() -> None:
        await asyncio.gather(*(one() for _ in range(100)))

    asyncio.run(run())
    assert most == 3


def test_whoever_gives_up_waiting_leaves_the_slot_to_others() -> None:
    limiter = Limiter(1)

    async def hold() -> None:
        async with limiter.slot():
            await asyncio.sleep(10)

    async def run() -> None:
        first = asyncio.create_task(hold())
        await asyncio.sleep(0)
        second, third = asyncio.create_task(hold()), asyncio.create_task(hold())
        await asyncio.sleep(0)
        second.cancel()
        first.cancel()
        await asyncio.sleep(0.01)
        third.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        async with asyncio.timeout(1), limiter.slot():
            pass

    asyncio.run(run())


@pytest.mark.parametrize(("per_minute", "amounts", "least"), [(6000, [1] * 21, 0.2), (60_000, [100, 100, 1], 0.2)])
def test_a_pace_spaces_what_is_spent(per_minute, amounts, least) -> None:
    pace = Pace(per_minute)

    async def run() -> float:
        began = time.monotonic()
        await asyncio.gather(*(pace.spend(amount) for amount in amounts))
        return time.monotonic() - began

    assert least <= asyncio.run(run()) < least + 1.0
