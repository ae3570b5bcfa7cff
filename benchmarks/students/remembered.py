"""A sentence encoder that reads a text once, for all the students that would have its vector."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from distill.sentences import Sentences
from domain.encoder import Vectors


class Remembered:
    """Makes encoders that share what they have read.

    A text's vector hangs, in its last digits, on those that it was encoded with: students of the same memory may differ
    from those of a memory of their own.
    """

    def __init__(self) -> None:
        self._vectors: dict[str, Vectors] = {}

    def __call__(self) -> Sentences:
        """Return an encoder as it comes."""
        return _Remembering(self._vectors)


class _Remembering(Sentences):
    def __init__(self, vectors: dict[str, Vectors]) -> None:
        # Not what the other does, which is to load the encoder: most of the time there is no need.
        self._vectors = vectors

    def encode(self, texts: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Vectors:
        unseen = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if unseen:
            self._vectors.update(zip(unseen, Sentences().encode(unseen, progress), strict=True))
        return np.stack([self._vectors[text] for text in texts])
