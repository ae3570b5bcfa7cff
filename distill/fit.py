"""Training in two steps: to embed as a sentence encoder does, then to answer as the teacher does.

The first step needs no label: on every text of the shop the bag of features is moved towards the encoder's vector, so
that the words of the shop, typed right or wrong, mean what they mean to the encoder (as in model2vec, a static model
distilled from a sentence transformer; here with the words' own grams learnt by regression). In the second step this
goes on beside the examples, so that what no example says is not forgotten.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from distill.examples import NONE, Example
from distill.network import Network
from distill.noise import Noise
from distill.table import FeatureTable
from release.student import SPECIFICITIES, Features, Tree

__all__ = ["Corpus", "Recipe", "fit_embedding", "fit_examples"]

Progress = Callable[[int], None]
_SPECIFICITY = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Texts with what the encoder makes of them, (texts, dimension) float32 of length 1."""

    texts: Sequence[str]
    vectors: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the examples are mixed and weighed; shares are of a batch, by source.

    Attributes:
        mix: Share of a batch by source.
        steps: Batches; where there are few examples `Ground.taught` takes fewer.
        batch: Examples of a batch.
        anchor: Weight of staying near the encoder.
        parents: Weight of the ancestors in the loss.
        together: Weight of keeping the maps of categories near the identity.
        apart: Weight of keeping corrections of single categories small.
        rate: Learning rate of the table; what else is learnt has its own, some in proportion to this.
    """

    mix: Mapping[str, float]
    steps: int = 500
    batch: int = 256
    anchor: float = 3.0
    parents: float = 0.3
    together: float = 1e-2
    apart: float = 1e-1
    rate: float = 5e-4


def fit_embedding(
    table: FeatureTable,
    features: Features,
    corpus: Corpus,
    *,
    noise: Noise,
    rng: random.Random,
    epochs: int,
    batch: int = 512,
    rate: float = 3e-3,
    progress: Progress = lambda _: None,
) -> float:
    """Move embeddings of texts towards their vectors; return the mean cosine over the last epoch."""
    order = np.random.default_rng(rng.randrange(2**32))
    steps = -(-len(corpus.texts) // batch) * epochs
    cosine, done = 0.0, 0
    for _ in range(epochs):
        places = order.permutation(len(corpus.texts))
        total = 0.0
        for start in range(0, len(places), batch):
            chosen = places[start : start + batch]
            bag = table.bag(features([noise(corpus.texts[i], rng) for i in chosen]))
            loss = _distance(functional.normalize(bag.sums, dim=1), corpus, chosen)
            loss.backward()  # type: ignore[no-untyped-call]
            table.step(bag, rate * (1.1 - done / steps))
            total += (1 - loss.item()) * len(chosen)
            done += 1
            progress(done)
        cosine = total / max(1, len(places))
    return cosine


def fit_examples(
    network: Network,
    table: FeatureTable,
    features: Features,
    examples: Mapping[str, Sequence[Example]],
    corpus: Corpus,
    tree: Tree,
    *,
    recipe: Recipe,
    noise: Noise,
    rng: random.Random,
    progress: Progress = lambda _: None,
) -> float:
    """Fit the examples, by source, in the recipe's mix; return the mean loss of the last tenth of steps."""
    row = {category_id: i for i, category_id in enumerate(tree.ids)} | {NONE: len(tree.ids)}
    sources = [source for source in recipe.mix if examples.get(source) and recipe.mix[source] > 0]
    weights = [recipe.mix[source] for source in sources]
    maps = [network.of_names, network.of_paths, network.of_titles, network.none]
    optimiser = torch.optim.Adam(
        [
            {"params": maps, "lr": 0.6 * recipe.rate},
            {"params": [network.correction], "lr": recipe.rate},
            {"params": [network.scale, network.none_bias], "lr": 3e-2},
            {"params": list(network.specific.parameters()), "lr": 1e-2},
        ]
    )
    rates = [group["lr"] for group in optimiser.param_groups]
    start = {name: getattr(network, name).detach().clone() for name in ("of_names", "of_paths", "of_titles")}
    order = np.random.default_rng(rng.randrange(2**32))
    anchored = recipe.batch if recipe.anchor and len(corpus.texts) else 0
    losses = []
    for step in range(recipe.steps):
        left = max(0.05, 1 - step / recipe.steps)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * left
        drawn = [rng.choice(examples[source]) for source in rng.choices(sources, weights, k=recipe.batch)]
        places = order.integers(0, max(1, len(corpus.texts)), anchored)
        texts = [example.query for example in drawn] + [corpus.texts[i] for i in places]
        bag = table.bag(features([noise(text, rng) for text in texts]))
        embeddings = functional.normalize(bag.sums, dim=1)
        asked = embeddings[: len(drawn)]
        targets = [{row[i]: share for i, share in example.shares.items()} for example in drawn]
        loss = network.hierarchical_loss(network.logits(asked), targets, parents=recipe.parents)
        loss = loss + _SPECIFICITY * _specificity_loss(network, asked, drawn)
        if anchored:
            loss = loss + recipe.anchor * _distance(embeddings[len(drawn) :], corpus, places)
        moved = sum(((getattr(network, name) - value) ** 2).sum() for name, value in start.items())
        loss = loss + recipe.together * moved + recipe.apart * (network.correction**2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        table.step(bag, recipe.rate * left)
        losses.append(loss.item())
        progress(step + 1)
    return float(np.mean(losses[-max(1, recipe.steps // 10) :]))


def _distance(embeddings: Tensor, corpus: Corpus, places: npt.NDArray[np.intp]) -> Tensor:
    """Return 1 less the mean cosine of texts as they are typed to their vectors as they are meant."""
    return 1 - (embeddings * torch.from_numpy(corpus.vectors[places])).sum(1).mean()


def _specificity_loss(network: Network, embeddings: Tensor, examples: Sequence[Example]) -> Tensor:
    known = [(i, SPECIFICITIES.index(e.specificity)) for i, e in enumerate(examples) if e.specificity is not None]
    if not known:
        return torch.zeros(())
    places, classes = (torch.tensor(column) for column in zip(*known, strict=True))
    return functional.cross_entropy(network.specific(embeddings[places]), classes)
