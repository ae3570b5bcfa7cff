"""The network of the filter of bad matches: one hidden layer, stopped where it does best on queries it has not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from release.match_features import Matrix

__all__ = ["FARTHEST", "Flags", "Floats", "MatchNetwork", "MatchRecipe", "Scaling", "fit_network"]

FARTHEST: Final = 4.0
"""Standard deviations beyond which a sign says no more: no query is so odd that one number decides."""

_PATIENCE: Final = 8
"""Epochs without gain after which training ends."""

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class MatchRecipe:
    """How a filter is trained.

    Attributes:
        hidden: Units of each fold's network.
        epochs: At most; it is stopped earlier where its own fold gains no more.
        batch: Lessons of one step.
        rate: Of learning.
        decay: Of the weights.
        dropout: Of the signs and of the hidden units.
        cost: Share of the good matches that the threshold may take out.
        seed: Of all that is drawn; the same lessons and seed give the same filter on the same machine.
    """

    hidden: int = 32
    epochs: int = 80
    batch: int = 64
    rate: float = 2e-3
    decay: float = 1e-2
    dropout: float = 0.2
    cost: float = 0.1
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """What brings inputs to mean 0 and deviation 1; what is always the same has the factor 0."""

    mean: Matrix
    factor: Matrix

    @classmethod
    def of(cls, inputs: Matrix) -> Scaling:
        """Take the scale from inputs, (lessons, signs)."""
        deviation = inputs.std(0)
        factor = np.where(deviation > 1e-6, 1 / np.maximum(deviation, 1e-6), 0)
        return cls(mean=inputs.mean(0).astype(np.float32), factor=factor.astype(np.float32))

    def __call__(self, inputs: Matrix) -> Tensor:
        """Return inputs, (lessons, signs), to scale."""
        scaled = (torch.from_numpy(inputs) - torch.from_numpy(self.mean)) * torch.from_numpy(self.factor)
        return scaled.clamp(-FARTHEST, FARTHEST)


class MatchNetwork(nn.Module):
    """One fold's network: scaled inputs to a logit."""

    def __init__(self, scaling: Scaling, recipe: MatchRecipe) -> None:
        super().__init__()
        self.scaling, self.recipe = scaling, recipe
        self.epochs = 0
        self.first = nn.Linear(len(scaling.mean), recipe.hidden)
        self.last = nn.Linear(recipe.hidden, 1)

    def forward(self, scaled: Tensor) -> Tensor:
        """Return the logits of scaled inputs, (lessons,)."""
        hidden = functional.relu(self.first(functional.dropout(scaled, self.recipe.dropout, self.training)))
        logits: Tensor = self.last(functional.dropout(hidden, self.recipe.dropout, self.training))[:, 0]
        return logits

    def score(self, inputs: Matrix) -> Floats:
        """Return the logits of inputs, whatever dimensions they have before the last."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        with torch.no_grad():
            found: Floats = self.eval()(self.scaling(flat)).double().numpy().reshape(inputs.shape[:-1])
        return found


def fit_network(
    scaling: Scaling, inputs: Matrix, good: Flags, held: Matrix, held_good: Flags, recipe: MatchRecipe
) -> MatchNetwork:
    """Train on inputs, (2, lessons, signs), and return the network as it was when it did best on what is held."""
    network = MatchNetwork(scaling, recipe)
    flat, asked = scaling(inputs.reshape(-1, inputs.shape[2])), scaling(held.reshape(-1, held.shape[2]))
    right, held_right = (torch.from_numpy(np.tile(flags, 2)).float() for flags in (good, held_good))
    share = float(right.mean())
    balance = torch.tensor([0.5 / max(1 - share, 1e-6), 0.5 / max(share, 1e-6)])  # each class weighs a half
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)

    def loss_of(scaled: Tensor, labels: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(network(scaled), labels, weight=balance[labels.long()])

    best, least = network.state_dict(), math.inf
    for epoch in range(1, recipe.epochs + 1):
        network.train()
        order = torch.randperm(len(flat))
        for some in (order[i : i + recipe.batch] for i in range(0, len(flat), recipe.batch)):
            optimiser.zero_grad()
            loss_of(flat[some], right[some]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        network.eval()
        with torch.no_grad():
            loss = float(loss_of(asked, held_right))
        if loss < least:
            best, least = {name: values.clone() for name, values in network.state_dict().items()}, loss
            network.epochs = epoch
        elif epoch - network.epochs >= _PATIENCE:
            break
    network.load_state_dict(best)
    return network.eval()
