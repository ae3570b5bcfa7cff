"""The student as it is trained: a bag of features, and a vector for every category.

A text is the sum of the vectors of its features, scaled to length 1. A category is not learnt by heart: its vector is
made from those of its name, its place and its products' titles, through maps that all categories share, plus a small
correction of its own. So a category without a single example can be answered too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from release.student import SPECIFICITIES, Tree

__all__ = ["Network", "Views"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Views:
    """What is known of each category without an example, (categories, dimension) float32 each, of length 1 or 0."""

    names: Tensor
    paths: Tensor
    titles: Tensor


class Network(nn.Module):
    """Embeddings to logits.

    Args:
        views: Of the categories, in the order of the tree.
        tree: The tree.
    """

    names: Tensor
    paths: Tensor
    titles: Tensor
    end: Tensor

    def __init__(self, views: Views, tree: Tree) -> None:
        super().__init__()
        categories, dimension = views.names.shape
        for name in ("names", "paths", "titles"):
            self.register_buffer(name, getattr(views, name))
        same = torch.eye(dimension)
        self.of_names, self.of_paths = nn.Parameter(same.clone()), nn.Parameter(same.clone())
        self.of_titles = nn.Parameter(0.5 * same)
        self.correction = nn.Parameter(torch.zeros(categories, dimension))
        self.none = nn.Parameter(torch.zeros(dimension))
        self.none_bias = nn.Parameter(torch.tensor(5.0))
        self.scale = nn.Parameter(torch.tensor(20.0))
        self.specific = nn.Linear(dimension, len(SPECIFICITIES))
        # As it comes it is drawn at random, from a generator that no seed of ours reaches.
        nn.init.zeros_(self.specific.weight)
        nn.init.zeros_(self.specific.bias)
        self.register_buffer("end", torch.from_numpy(tree.end).long())
        self.lineages = [tree.path(row) for row in range(categories)]

    def categories(self) -> Tensor:
        """Return a vector for each category, (categories, dimension)."""
        made = self.names @ self.of_names + self.paths @ self.of_paths + self.titles @ self.of_titles
        return functional.normalize(made, dim=1) + self.correction

    def logits(self, embeddings: Tensor) -> Tensor:
        """Return (texts, categories + 1); the last is for none of them."""
        vectors = torch.cat([self.categories(), self.none[None]])
        offsets = functional.pad(self.none_bias[None], (len(vectors) - 1, 0))
        return self.scale * embeddings @ vectors.T + offsets

    def hierarchical_loss(self, logits: Tensor, targets: Sequence[dict[int, float]], *, parents: float) -> Tensor:
        """Return the mean cross entropy, of the categories themselves and, weighted, of each of their ancestors.

        An ancestor's probability is the sum of those below it, so that where a leaf is wrong its parent need not be.

        Args:
            logits: (texts, categories + 1).
            targets: For each text its rows with shares that sum to 1; the row behind the last stands for none.
            parents: Weight of the ancestors' mean.
        """
        none = logits.shape[1] - 1
        places, rows, shares = [], [], []
        above: list[tuple[int, int, float]] = []
        for place, target in enumerate(targets):
            for row, share in target.items():
                places.append(place)
                rows.append(row)
                shares.append(share)
                if row != none and len(self.lineages[row]) > 1:
                    ancestors = self.lineages[row][1:]
                    above += [(place, ancestor, share / len(ancestors)) for ancestor in ancestors]
        logs = logits.log_softmax(1)
        loss = -(torch.tensor(shares) * logs[places, rows]).sum()
        if above and parents:
            of, at, weights = (np.array(column) for column in zip(*above, strict=True))
            wide = self.end.numpy()[at] - at
            pair = np.repeat(np.arange(len(at)), wide)
            # The places of all that lies under each ancestor, one after the other.
            below = np.repeat(of * logs.shape[1] + at - (np.cumsum(wide) - wide), wide) + np.arange(len(pair))
            masses = logs.flatten()[torch.from_numpy(below)].exp()
            mass = torch.zeros(len(at)).index_add(0, torch.from_numpy(pair), masses)
            loss = loss - parents * (torch.from_numpy(weights).float() * mass.clamp_min(1e-9).log()).sum()
        return loss / len(targets)
