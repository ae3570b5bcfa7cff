"""The sentence encoder as it comes, with a multinomial regression on its vectors, as a peer of the student."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.students.bench import Bench
from benchmarks.students.peer import Trained, trained
from benchmarks.students.ranking import Rank, Ranking, highest
from distill.student import Settings
from domain.encoder import Encoder

LINEAR = "MiniLM + linear"
L2 = (3e-3, 1e-3, 1e-4)
RATE = 0.02


def linear_peers(bench: Bench, threads: int) -> Iterator[Trained]:
    """Fit a regression on the encoder's vectors, held back less and less by L2, each from the last."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    started = time.monotonic()
    drawn = bench.lines.draw(Settings().recipe.mix)
    texts = list(dict.fromkeys(line.text for line in drawn))
    place = {text: i for i, text in enumerate(texts)}
    ids = tuple(dict.fromkeys(line.category_id for line in drawn))
    number = {category_id: i for i, category_id in enumerate(ids)}
    encoder = Encoder(bench.encoder, threads=threads)
    vectors = torch.from_numpy(encoder.encode(texts))
    # Unit vectors have small coordinates; drawn out to a deviation near 1, the rate fits every encoder.
    stretch = math.sqrt(vectors.shape[1])
    rows = torch.tensor([place[line.text] for line in drawn])
    wanted = torch.tensor([number[line.category_id] for line in drawn])
    weights = torch.zeros(vectors.shape[1], len(ids), requires_grad=True)
    offsets = torch.zeros(len(ids), requires_grad=True)
    shuffled = torch.Generator().manual_seed(Settings().seed)
    for l2 in L2:
        optimiser = torch.optim.Adam([weights, offsets], lr=RATE)
        batches = torch.randperm(len(drawn), generator=shuffled).split(512)  # type: ignore[no-untyped-call]
        for step, batch in enumerate(batches):
            optimiser.param_groups[0]["lr"] = RATE * (1 - step / len(batches))
            logits = stretch * vectors[rows[batch]] @ weights + offsets
            loss = functional.cross_entropy(logits, wanted[batch]) + l2 / 2 * (weights**2).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        learnt, added = weights.detach().numpy().copy() * np.float32(stretch), offsets.detach().numpy().copy()
        yield trained(bench, LINEAR, f"L2 {l2:g}", _rank(encoder, learnt, added, ids), started=started)


def _rank(encoder: Encoder, weights: Any, offsets: Any, ids: Sequence[str]) -> Rank:
    def rank(texts: Sequence[str]) -> list[Ranking]:
        logits = encoder.encode(texts) @ weights + offsets
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        return [highest(row, ids) for row in chances]

    return rank
