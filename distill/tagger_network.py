"""The tagger's network: scores of tags for the words of a query, and of tags for each other.

A word is the sum of what is learnt of it, its shape and its grams, and of what a sentence encoder already knows of its
pieces: the mean of their input embeddings, brought down to 128 dimensions and left as it is. Without the latter a word
that no label holds would be letters only. A convolution lets neighbours speak, and a conditional random field decides
over the whole query (Collobert et al., "Natural language processing (almost) from scratch", JMLR 2011).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distill.spans import TYPES, SpanExample
from release.student.word_features import GRAMS, OWN, PIECES, WordFeatures

__all__ = ["TaggerNetwork", "TaggerRecipe", "TrainedTagger", "Words"]

_NEVER = -1e4


@dataclass(frozen=True, kw_only=True)
class TaggerRecipe:
    """How a tagger is trained.

    Attributes:
        dimension: Of a word's vector.
        hidden: Channels of the convolution.
        static: Dimensions that are kept of the encoder's.
        epochs: Over the examples.
        least: Steps at least, for few examples.
        most: Steps at most, for many: some two minutes on a core of its own.
        batch: Examples of a step.
        rate: Highest learning rate; it rises over a tenth of the steps and then falls.
        dropout: Of words' vectors and of what the convolution says.
        forget_words: How often a word is read as one that was never seen, by its grams and pieces alone.
        forget_grams: How often a gram is left out.
        forget_pieces: How often a word's pieces are.
    """

    dimension: int = 64
    hidden: int = 96
    static: int = 128
    epochs: int = 20
    least: int = 300
    most: int = 4000
    batch: int = 32
    rate: float = 2e-3
    dropout: float = 0.5
    forget_words: float = 0.3
    forget_grams: float = 0.2
    forget_pieces: float = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """Every word of some examples once, and what is read of it; place 0 is no word.

    Attributes:
        place: Of each word.
        touched: Rows of the whole table that are learnt, by their rows of the small one, from 1.
        own: Rows of the small table, (words, 3).
        grams: Rows of the small table, (words, 40), 0 where there is none.
        share: What one gram of a word counts, (words, 1).
        static: What the encoder knows of it, (words, dimensions).
    """

    place: Mapping[str, int]
    touched: Tensor
    own: Tensor
    grams: Tensor
    share: Tensor
    static: Tensor

    @classmethod
    def of(cls, examples: Sequence[SpanExample], features: WordFeatures, static: Tensor) -> Words:
        """Read the words of examples; `static` is of every piece, (pieces, dimensions)."""
        words = list(dict.fromkeys(chain.from_iterable(example.words for example in examples)))
        read = features(words)
        rows = np.pad(read.rows, ((1, 0), (0, 0)), constant_values=features.filler)
        weights = torch.from_numpy(np.pad(read.weights, ((1, 0), (0, 0))))
        hashed = np.concatenate([rows[:, OWN], rows[:, GRAMS]], axis=1)
        touched = np.unique(hashed[hashed != features.filler])
        small = torch.from_numpy(np.where(hashed == features.filler, 0, np.searchsorted(touched, hashed) + 1))
        pieces = torch.from_numpy(np.minimum(rows[:, PIECES], len(static) - 1).astype(np.int64))
        return cls(
            place={word: i + 1 for i, word in enumerate(words)},
            touched=torch.from_numpy(touched.astype(np.int64)),
            own=small[:, : OWN.stop],
            grams=small[:, OWN.stop :],
            share=weights[:, GRAMS].amax(1, keepdim=True),
            static=(static[pieces] * weights[:, PIECES, None]).sum(1),
        )

    def places(self, examples: Sequence[SpanExample]) -> Tensor:
        """Return the places of examples' words, (examples, most words of any), filled up with 0."""
        places = torch.zeros(len(examples), max(len(example.words) for example in examples), dtype=torch.long)
        for i, example in enumerate(examples):
            places[i, : len(example.words)] = torch.tensor([self.place[word] for word in example.words])
        return places


class TaggerNetwork(nn.Module):
    """Scores of tags for words, and of tags for each other.

    Args:
        words: What it is trained on.
        recipe: Its sizes.
    """

    def __init__(self, words: Words, recipe: TaggerRecipe) -> None:
        super().__init__()
        self.recipe = recipe
        tags = 1 + 2 * len(TYPES)
        self.table = nn.EmbeddingBag(len(words.touched) + 1, recipe.dimension, mode="sum", padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.1)
        with torch.no_grad():
            self.table.weight[0] = 0
        self.project = nn.Linear(words.static.shape[1], recipe.dimension, bias=False)
        self.convolution = nn.Conv1d(recipe.dimension, recipe.hidden, 3, padding=1)
        self.output = nn.Linear(recipe.hidden + recipe.dimension, tags)
        self.between = nn.Parameter(torch.zeros(tags, tags))
        self.starts = nn.Parameter(torch.zeros(tags))
        self.ends = nn.Parameter(torch.zeros(tags))
        # Nothing goes on with a span but what began it or went on with it.
        goes_on = torch.arange(tags)[None, :]
        before = torch.arange(tags)[:, None]
        barred = (goes_on > 0) & (goes_on % 2 == 0) & (before != goes_on) & (before != goes_on - 1)
        self.barred: Tensor
        self.register_buffer("barred", barred * _NEVER)

    def forward(self, words: Words, places: Tensor) -> Tensor:
        """Return the score of each tag for each word, (queries, words, tags)."""
        recipe = self.recipe
        own, grams = words.own[places], words.grams[places]
        static = words.static[places]
        if self.training:
            own = own * (torch.rand(*places.shape, 1) >= recipe.forget_words)
            grams = grams * (torch.rand(grams.shape) >= recipe.forget_grams)
            static = static * (torch.rand(*places.shape, 1) >= recipe.forget_pieces)
        vectors = self._sum(own) + self._sum(grams) * words.share[places] + self.project(static)
        vectors = functional.dropout(vectors, recipe.dropout, self.training)
        near = functional.relu(self.convolution(vectors.transpose(1, 2))).transpose(1, 2)
        near = functional.dropout(near, recipe.dropout, self.training)
        scores: Tensor = self.output(torch.cat([near, vectors], 2))
        return scores

    @property
    def transitions(self) -> Tensor:
        """Score of each tag followed by each; what cannot follow scores so low that it never does."""
        return self.between + self.barred

    @property
    def openings(self) -> Tensor:
        """Score of each tag for the first word."""
        return self.starts + self.barred[0]

    def loss(self, scores: Tensor, tags: Tensor, places: Tensor) -> Tensor:
        """Return the mean negative log-likelihood of queries' tags, by the forward algorithm."""
        there = places > 0
        transitions = self.transitions
        total = self.openings + scores[:, 0]
        right = total.gather(1, tags[:, :1])[:, 0]
        last = tags[:, 0]
        for word in range(1, tags.shape[1]):
            more, tag, score = there[:, word], tags[:, word], scores[:, word]
            further = torch.logsumexp(total[:, :, None] + transitions, 1) + score
            total = torch.where(more[:, None], further, total)
            step = transitions[last, tag] + score.gather(1, tag[:, None])[:, 0]
            right = torch.where(more, right + step, right)
            last = torch.where(more, tag, last)
        return (torch.logsumexp(total + self.ends, 1) - right - self.ends[last]).mean()

    def _sum(self, rows: Tensor) -> Tensor:
        summed: Tensor = self.table(rows.flatten(0, 1))
        return summed.view(*rows.shape[:2], -1)


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedTagger:
    """A trained network with all that its export needs.

    Attributes:
        network: In evaluation mode.
        words: It was trained on.
        static: What the encoder knows of every piece, (pieces, dimensions).
        features: Reads words.
        examples: It was trained on.
    """

    network: TaggerNetwork
    words: Words
    static: Tensor
    features: WordFeatures
    examples: Sequence[SpanExample]
