"""What every training of a student over a shop begins with, and the training itself.

Nothing of it knows a label: so it is prepared once, for the student that is served and for those that are only asked
what they make of queries that they have not learnt from.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from distill.corpus import texts_of_tree
from distill.examples import Example
from distill.fit import Corpus, Recipe, fit_embedding, fit_examples
from distill.network import Network, Views
from distill.noise import Noise, learn_noise
from distill.sentences import Sentences
from distill.split import Lessons, Split, asked_examples, shop_examples
from distill.table import FeatureTable
from release.student import Features, Tree

__all__ = ["Ground", "Taught"]

_EPOCHS: Final = 10
_LEAST_STEPS: Final = 100
_AT_ONCE: Final = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Taught:
    """A student as it is trained, and what it learnt from, by source."""

    network: Network
    table: FeatureTable
    features: Features
    examples: Mapping[str, Sequence[Example]]

    @property
    def parts(self) -> tuple[Network, FeatureTable, Features]:
        """What answers."""
        return self.network, self.table, self.features

    def probabilities(self, queries: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return those of the categories, (queries, categories); what is missing to 1 is that of none."""
        found = [np.empty((0, len(self.network.lineages)), dtype=np.float32)]
        with torch.no_grad():
            for start in range(0, len(queries), _AT_ONCE):
                sums = self.table.bag(self.features(queries[start : start + _AT_ONCE])).sums
                found.append(self.network.logits(functional.normalize(sums, dim=1)).softmax(1)[:, :-1].numpy())
        return np.concatenate(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """A shop prepared for teaching, with a table that embeds as the sentence encoder does."""

    lessons: Lessons
    tree: Tree
    noise: Noise
    features: Features
    corpus: Corpus
    views: Views
    table: FeatureTable
    unlabelled: Mapping[str, Sequence[Example]]

    @classmethod
    def of(
        cls,
        lessons: Lessons,
        split: Split,
        folder: Path,
        *,
        dimension: int,
        bits: int,
        texts: int,
        pseudo: int,
        epochs: int,
        rng: random.Random,
        tell: Callable[[str, int, int], None],
    ) -> Self:
        """Prepare a shop.

        Args:
            lessons: What to learn from.
            split: Of its labels; of no query that may be held out are even the words learnt here.
            folder: Has the sentence encoder's `tokenizer.json`.
            dimension: Of the embedding.
            bits: Grams are hashed into ``2 ** bits`` rows.
            texts: Texts of the shop to learn the encoder's vectors of, at most; those of the tree are always there.
            pseudo: Pseudo-queries of the catalogue.
            epochs: Over those texts.
            rng: Draws.
            tell: Called with the name of a part, what is done of it, and how much there is.
        """
        tree = Tree.of(lessons.taxonomy)
        noise = learn_noise((c.query, r.query, r.count) for c in lessons.contexts for r in c.reformulations)
        unlabelled = shop_examples(lessons, pseudo=pseudo, rng=rng)
        corpus, views = _corpus(lessons, tree, split, unlabelled["catalogue"], dimension, texts, rng, tell)
        features = Features(folder, bits=bits)
        table = FeatureTable(features.rows, dimension, seed=rng.randrange(2**31))
        steps = -(-len(corpus.texts) // _AT_ONCE) * epochs
        fit_embedding(
            table,
            features,
            corpus,
            noise=noise,
            rng=rng,
            epochs=epochs,
            batch=_AT_ONCE,
            progress=lambda n: tell("embed", n, steps),
        )
        return cls(
            lessons=lessons,
            tree=tree,
            noise=noise,
            features=features,
            corpus=corpus,
            views=views,
            table=table,
            unlabelled=unlabelled,
        )

    def taught(
        self, split: Split, recipe: Recipe, rng: random.Random, progress: Callable[[int, int, Taught], None]
    ) -> Taught:
        """Train a student on the labels of a split, and on the log of what it does not keep apart.

        Args:
            split: Of the labels.
            recipe: How examples are mixed; no more steps are gone than go ten times over them, or a hundred where that
                is more.
            rng: Draws.
            progress: Called after each step with how many there are, and the student as it is then.
        """
        examples = {**asked_examples(self.lessons, split), **self.unlabelled}
        worth = max(_LEAST_STEPS, _EPOCHS * sum(map(len, examples.values())) // recipe.batch)
        recipe = replace(recipe, steps=min(recipe.steps, worth))
        network, table = Network(self.views, self.tree), copy.deepcopy(self.table)
        taught = Taught(network=network, table=table, features=self.features, examples=examples)
        fit_examples(
            network,
            table,
            self.features,
            examples,
            self.corpus,
            self.tree,
            recipe=recipe,
            noise=self.noise,
            rng=rng,
            progress=lambda step: progress(step, recipe.steps, taught),
        )
        return taught


def _corpus(
    lessons: Lessons,
    tree: Tree,
    split: Split,
    pseudo: Sequence[Example],
    dimension: int,
    most: int,
    rng: random.Random,
    tell: Callable[[str, int, int], None],
) -> tuple[Corpus, Views]:
    """Return the shop's texts with their vectors, and the categories' views in the same space."""
    names = texts_of_tree(lessons.taxonomy, tree.ids)
    titles = [" ".join(product.title) for product in lessons.sold]
    # Of what is kept out, not even what the encoder makes of the words is learnt: queries to come are as new as that.
    asked = [c.query for c in lessons.contexts if not split.may_be_held(c.query)]
    named = dict.fromkeys(chain.from_iterable(names))
    queries = dict.fromkeys(query for query in asked if query not in named)
    drawn = dict.fromkeys(chain(titles, (e.query for e in pseudo)))
    room = max(0, most - len(named))
    spare = room - len(drawn.keys() - (named | queries))
    # Of a large log only the most searched queries: without titles categories would have no view of them.
    fixed = named | dict.fromkeys(islice(queries, max(room // 2, spare)))
    more = [text for text in drawn if text not in fixed]
    room = max(0, most - len(fixed))
    texts = [*fixed, *(more if len(more) <= room else rng.sample(more, room))]
    vectors = torch.from_numpy(Sentences().encode(texts, lambda n: tell("encode", n, len(texts))))
    _, _, axes = torch.svd_lowrank(vectors - vectors.mean(0), q=min(dimension, *vectors.shape), niter=4)
    axes = functional.pad(axes, (0, dimension - axes.shape[1]))
    projected = functional.normalize(vectors @ axes, dim=1)
    place = {text: i for i, text in enumerate(texts)}
    row = {category_id: i for i, category_id in enumerate(tree.ids)}
    centres = torch.zeros(len(tree.ids), dimension)
    for title, product in zip(titles, lessons.sold, strict=True):
        if title in place:
            centres[row[product.category_id]] += projected[place[title]]
    views = Views(
        names=projected[[place[name] for name, _ in names]],
        paths=projected[[place[path] for _, path in names]],
        titles=functional.normalize(centres, dim=1),
    )
    return Corpus(texts=texts, vectors=projected.numpy()), views
