"""What the peers learn from: the student's examples, as shoppers would type them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from distill.examples import Example
from distill.fit import Recipe
from distill.noise import Noise
from distill.student import Settings


@dataclass(frozen=True, kw_only=True)
class Line:
    """A text to learn from, as it is typed, and its category or `NONE`."""

    text: str
    category_id: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """Draws so many lines from examples, the same every time."""

    examples: Mapping[str, Sequence[Example]]
    noise: Noise
    count: int

    def draw(self, mix: Mapping[str, float]) -> list[Line]:
        """Return lines, their sources in a mix."""
        rng = random.Random(Settings().seed + 1)
        sources = [source for source in mix if self.examples[source]]
        chosen = rng.choices(sources, [mix[source] for source in sources], k=self.count)
        return [self._line(rng.choice(self.examples[source]), rng) for source in chosen]

    def _line(self, example: Example, rng: random.Random) -> Line:
        [category_id] = rng.choices(tuple(example.shares), tuple(example.shares.values()))
        return Line(text=self.noise(example.query, rng), category_id=category_id)


def shown_at_most(recipe: Recipe) -> int:
    """Return how many examples a student is shown, where its training is not cut short for want of them."""
    return recipe.steps * recipe.batch
