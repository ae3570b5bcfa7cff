"""Query text as people type it: capitals, stray spaces and punctuation, which a reader has to see through."""

from collections.abc import Callable, Sequence

import numpy as np

_HABITS: tuple[tuple[float, Callable[[str], str]], ...] = (
    (0.76, str),
    (0.09, str.capitalize),
    (0.03, str.title),
    (0.02, str.upper),
    (0.05, lambda text: f"{text} "),
    (0.01, lambda text: f" {text}"),
    (0.02, lambda text: text.replace(" ", "  ")),
    (0.01, lambda text: f"{text}."),
    (0.01, lambda text: f"{text},"),
)


def as_typed(queries: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Each query with one habit applied; most stay as they are."""
    habits = rng.choice(len(_HABITS), size=len(queries), p=[share for share, _ in _HABITS])
    return [_HABITS[habit][1](query) for habit, query in zip(habits.tolist(), queries, strict=True)]
