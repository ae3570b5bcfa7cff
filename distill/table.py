"""The table of the features' vectors, and its training.

A batch touches a few rows of very many. The sum of a batch's vectors is the leaf of its graph, and its gradient is
spread to those rows alone, with Adam's moments kept for each row as lazily as PyTorch's SparseAdam keeps them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from release.student.features import Ids

__all__ = ["Bag", "FeatureTable"]

_FIRST, _SECOND = 0.9, 0.999


@dataclass(frozen=True, kw_only=True, eq=False)
class Bag:
    """A batch: the sum of each text's vectors, (texts, dimension), and how to bring a gradient of it to the rows.

    Attributes:
        sums: A leaf that asks for its gradient.
        rows: The rows that the batch touches.
        texts: The texts of each row's occurrences, row after row.
        starts: Where in `texts` each row's begin.
    """

    sums: Tensor
    rows: Tensor
    texts: Tensor
    starts: Tensor


class FeatureTable:
    """Vectors of features, (rows, dimension) float32; the last row stands for no feature and is zero.

    Args:
        rows: How many.
        dimension: Of each.
        seed: Of the first values.
    """

    def __init__(self, rows: int, dimension: int, *, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(rows, dimension, generator=generator) * 0.02
        self.weight[-1] = 0
        self._first = torch.zeros_like(self.weight)
        self._second = torch.zeros_like(self.weight)
        self._steps = 0

    def bag(self, features: Ids) -> Bag:
        """Sum the vectors of each text's features, given as `Features` gives them, (texts, features)."""
        present = features != len(self.weight) - 1
        flat = features[present]
        counts = present.sum(1)
        offsets = np.cumsum(counts) - counts
        sums = functional.embedding_bag(
            torch.from_numpy(flat.astype(np.int64)), self.weight, torch.from_numpy(offsets), mode="sum"
        )
        order = np.argsort(flat, kind="stable")
        in_order = flat[order]
        starts = np.flatnonzero(np.diff(in_order, prepend=-1))
        return Bag(
            sums=sums.requires_grad_(),
            rows=torch.from_numpy(in_order[starts].astype(np.int64)),
            texts=torch.from_numpy(np.repeat(np.arange(len(features)), counts)[order]),
            starts=torch.from_numpy(starts),
        )

    def step(self, bag: Bag, rate: float) -> None:
        """Take one step of Adam on the rows of a batch whose sums have got their gradient."""
        assert bag.sums.grad is not None
        self._steps += 1
        gradient = functional.embedding_bag(bag.texts, bag.sums.grad, bag.starts, mode="sum")
        first = self._first[bag.rows].mul_(_FIRST).add_(gradient, alpha=1 - _FIRST)
        second = self._second[bag.rows].mul_(_SECOND).addcmul_(gradient, gradient, value=1 - _SECOND)
        self._first[bag.rows], self._second[bag.rows] = first, second
        size = rate * (1 - _SECOND**self._steps) ** 0.5 / (1 - _FIRST**self._steps)
        self.weight[bag.rows] -= size * first / (second.sqrt_() + 1e-8)
