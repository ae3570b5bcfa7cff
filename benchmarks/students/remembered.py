"""Sentence encoders that are tuned once, and encode a text once, for all the students that would have theirs alike."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distill.assistant import Assistant
from distill.examples import Example
from domain.encoder import Vectors


@dataclass(kw_only=True, eq=False)
class _State:
    """An encoder, the vectors of what it has encoded, and where its tuning left the generator."""

    encoder: Assistant
    vectors: dict[str, Vectors] = field(default_factory=dict)
    after: Any = None


class Remembered:
    """Makes encoders that remember; two are alike where they were tuned on the same, with the same draws.

    A text's vector hangs, in its last digits, on those that it was encoded with: students of the same memory may differ
    from those of a memory of their own.
    """

    def __init__(self) -> None:
        self._states: dict[str, _State] = {}

    def __call__(self) -> Assistant:
        """Return an encoder as it comes."""
        return _Remembering(self._states)


class _Remembering(Assistant):
    def __init__(self, states: dict[str, _State]) -> None:
        # Not what the other does, which is to load the encoder: most of the time there is no need.
        self._states = states
        self._name = ""

    def tune(
        self,
        examples: Sequence[Example],
        pseudo: Sequence[Example],
        taxonomy: Any,
        *,
        rng: random.Random,
        **how: Any,
    ) -> None:
        told = how.pop("progress", lambda _: None)
        learnt = [[(example.query, sorted(example.shares.items())) for example in some] for some in (examples, pseudo)]
        self._name = hashlib.sha256(repr((learnt, list(taxonomy), how, rng.getstate())).encode()).hexdigest()
        if self._name not in self._states:
            encoder = Assistant()
            encoder.tune(examples, pseudo, taxonomy, rng=rng, progress=told, **how)
            self._states[self._name] = _State(encoder=encoder, after=rng.getstate())
        rng.setstate(self._states[self._name].after)

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        if self._name not in self._states:
            self._states[self._name] = _State(encoder=Assistant())
        state = self._states[self._name]
        unseen = [text for text in dict.fromkeys(texts) if text not in state.vectors]
        if unseen:
            state.vectors.update(zip(unseen, state.encoder.encode(unseen, progress), strict=True))
        return np.stack([state.vectors[text] for text in texts])
