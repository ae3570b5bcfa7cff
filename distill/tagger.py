"""From a teacher's labels to a tagger: trained, exported, and held against labels that it has not seen."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.clip_grad import clip_grad_norm_

from distill.encoder import load_transformer
from distill.spans import SpanAgreement, SpanExample, span_agreement, span_examples, value_forms
from distill.tagger_export import TaggerParity, export_tagger
from distill.tagger_network import TaggerNetwork, TaggerRecipe, TrainedTagger, Words
from domain.errors import QuerywiseError
from domain.label import Label
from release.student.features import TOKENIZER, Features
from release.student.tagger import Tagger
from release.student.word_features import WordFeatures

__all__ = ["TaggerCard", "distil_tagger", "train_tagger"]

_BITS = 15


@dataclass(frozen=True, kw_only=True)
class TaggerCard:
    """What is known of a tagger when it is made.

    Attributes:
        examples: Queries that it was trained on.
        spans: Spans in them.
        forms: Texts for which it knows the shop's form.
        parity: Of the export.
        agreement: With the teacher, on labels kept out of training; None where there are none.
    """

    examples: int
    spans: int
    forms: int
    parity: TaggerParity
    agreement: SpanAgreement | None


def distil_tagger(
    labels: Iterable[Label],
    brands: Iterable[str],
    tokenizer: Path,
    folder: Path,
    *,
    test: Iterable[Label] = (),
    pieces: Tensor | None = None,
    recipe: TaggerRecipe | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> TaggerCard | None:
    """Train a tagger and write it into a folder; return None, and write nothing, where no label has a span.

    Args:
        labels: To learn from.
        brands: The catalogue's, one for each product.
        tokenizer: The sentence encoder's `tokenizer.json`; it is copied into the folder.
        folder: A folder that exists. Where a call fails, what it has written stays.
        test: Labels to measure on, none of them nearly one to learn from.
        pieces: Input embeddings of the tokenizer's pieces, (pieces, any dimension); the encoder's unless given.
        recipe: How to train.
        seed: Of all that is drawn.
        progress: Called with the name of the part, the steps done and how many there are.

    Raises:
        UserError: when the package that carries the encoder's weights is needed and not installed.
        ReleaseError: when the tokenizer cannot be read.
        QuerywiseError: when the tokenizer is not the encoder's, or the export marks other spans than what was trained.
    """
    known = list(labels)
    examples = span_examples(known)
    spans = sum(tag % 2 for example in examples for tag in example.tags)
    if not spans:
        return None
    if tokenizer != folder / TOKENIZER:
        shutil.copyfile(tokenizer, folder / TOKENIZER)
    if pieces is None:
        pieces = load_transformer().model.get_input_embeddings().weight.detach()
    features = Features(folder, bits=_BITS)
    trained = train_tagger(
        examples,
        WordFeatures(features, bits=_BITS),
        pieces=pieces,
        recipe=recipe,
        seed=seed,
        progress=lambda done, steps: progress("tag", done, steps),
    )
    values = value_forms(known, brands)
    parity = export_tagger(trained, folder, values)
    return TaggerCard(
        examples=len(examples),
        spans=spans,
        forms=sum(map(len, values.values())),
        parity=parity,
        agreement=_agreement(Tagger(folder, features), list(test)),
    )


def train_tagger(
    examples: Sequence[SpanExample],
    features: WordFeatures,
    *,
    pieces: Tensor,
    recipe: TaggerRecipe | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> TrainedTagger:
    """Train on examples, of which there must be one; the same seed gives the same tagger on the same machine.

    Args:
        examples: What the teacher says.
        features: Reads words.
        pieces: The encoder's input embeddings of the tokenizer's pieces, (pieces, any dimension).
        recipe: How.
        seed: Of all that is drawn.
        progress: Called with the steps done and how many there are.

    Raises:
        QuerywiseError: when the tokenizer has pieces that have no embedding.
    """
    if len(pieces) < features.pieces:
        raise QuerywiseError(
            f"the tokenizer has {features.pieces} pieces and the encoder {len(pieces)}",
            hint="run `querywise index` again",
        )
    recipe = recipe or TaggerRecipe()
    static = _reduced(pieces[: features.pieces].float(), recipe.static)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors are so small that threads wait for one another
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            words = Words.of(examples, features, static)
            network = TaggerNetwork(words, recipe)
            _fit(network, words, examples, random.Random(seed), progress)
    finally:
        torch.set_num_threads(threads)
    return TrainedTagger(network=network.eval(), words=words, static=static, features=features, examples=examples)


def _fit(
    network: TaggerNetwork,
    words: Words,
    examples: Sequence[SpanExample],
    rng: random.Random,
    progress: Callable[[int, int], None],
) -> None:
    recipe = network.recipe
    steps = min(max(recipe.epochs * -(-len(examples) // recipe.batch), recipe.least), recipe.most)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=0.01)
    network.train()
    batches = _batches(examples, recipe.batch, rng)
    for step in range(steps):
        drawn = next(batches)
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1, (step + 1) / (0.1 * steps)) * max(0.02, 1 - step / steps)
        places = words.places(drawn)
        tags = torch.zeros_like(places)
        for i, example in enumerate(drawn):
            tags[i, : len(example.tags)] = torch.tensor(example.tags)
        loss = network.loss(network(words, places), tags, places)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        progress(step + 1, steps)


def _batches(examples: Sequence[SpanExample], size: int, rng: random.Random) -> Iterator[list[SpanExample]]:
    """Yield batches without end, every example once before any comes again."""
    while True:
        order = rng.sample(range(len(examples)), len(examples))
        for start in range(0, len(order), size):
            yield [examples[i] for i in order[start : start + size]]


def _reduced(pieces: Tensor, dimensions: int) -> Tensor:
    """Return the pieces' vectors along their first principal axes, at a mean deviation of 1."""
    centred = pieces - pieces.mean(0)
    _, axes = torch.linalg.eigh(centred.T @ centred)
    kept: Tensor = centred @ axes.flip(1)[:, :dimensions]
    kept /= kept.std(0, correction=0).mean().clamp_min(1e-6)
    return kept


def _agreement(tagger: Tagger, labels: Sequence[Label]) -> SpanAgreement | None:
    if not labels:
        return None
    answers = [label.understanding for label in labels]
    return span_agreement([a.annotations for a in answers], tagger.tag([a.normalized for a in answers]))
