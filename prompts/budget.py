"""A ceiling on what a run may cost, which holds while requests are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from domain.errors import CompletionError

__all__ = ["Budget", "Reservation"]


@dataclass(eq=False)
class Reservation:
    """The most that a request can cost, in US dollars, until `cost` says what it did."""

    most: float
    cost: float | None = None


class Budget:
    """A ceiling in US dollars: what is spent and what is reserved never add up to more.

    Args:
        ceiling: The most.
        spent: The most that the run can have cost so far.
    """

    def __init__(self, ceiling: float, *, spent: float = 0.0) -> None:
        self.ceiling = ceiling
        self.spent = spent
        self._held: list[Reservation] = []
        self._settled = asyncio.Condition()

    @asynccontextmanager
    async def reserve(self, most: float) -> AsyncIterator[Reservation]:
        """Set aside the most that a request can cost, and take what it did cost when the block ends.

        Waits while other requests hold reservations that may turn out too large. A block that raises has cost nothing
        unless it said what; one that ends without saying has cost all that was set aside.

        Raises:
            CompletionError: of kind "over_budget", when the rest cannot pay for the request.
        """
        async with self._settled:
            while self.spent + sum(held.most for held in self._held) + most > self.ceiling:
                if not self._held:
                    raise CompletionError(
                        f"the request may cost ${most:.4f}, and of ${self.ceiling:.2f} "
                        f"${max(0.0, self.ceiling - self.spent):.4f} is left",
                        kind="over_budget",
                        hint="raise --budget and run again: what is done is kept",
                    )
                await self._settled.wait()
            reservation = Reservation(most)
            self._held.append(reservation)
        cost = 0.0
        try:
            yield reservation
            cost = reservation.most
        finally:
            # In one step of the loop, before anybody else can look.
            self.spent += cost if reservation.cost is None else reservation.cost
            self._held.remove(reservation)
            async with self._settled:
                self._settled.notify_all()
