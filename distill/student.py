"""From a shop's labels, log and catalogue to a student: split, trained, calibrated, exported and measured."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.nn import functional

from distill.assistant import TUNED_AT_ONCE, Assistant
from distill.calibrate import Held, calibrate
from distill.card import Card, Point, Share, TierScore, score_tiers, write_card
from distill.corpus import texts_of_tree
from distill.examples import Example
from distill.export import check_parity, weights_of, write_onnx
from distill.fit import Corpus, Recipe, fit_embedding, fit_examples
from distill.network import Network, Views
from distill.noise import Noise, learn_noise
from distill.split import Lessons, Split, examples_of, split_labels
from distill.table import FeatureTable
from distill.tagger import distil_tagger
from domain.errors import UserError
from domain.files import replace_folder
from domain.label import Label
from domain.taxonomy import Taxonomy
from release.student import Features, Student, Tree
from release.student.features import TOKENIZER
from release.student.model import HALF, MODEL, write_about

__all__ = ["MIX", "NoLessons", "Settings", "distil"]

MIX: Mapping[str, float] = {"labels": 0.5, "behaviour": 0.1, "catalogue": 0.3, "names": 0.05, "nonsense": 0.05}

_EPOCHS: Final = 10
_LEAST_STEPS: Final = 100
_POINTS: Final = 10
"""Of the learning curve."""

Progress = Callable[[str, int, int], None]
"""Called with the name of a part, what is done of it, and how much there is."""


class NoLessons(UserError):
    """There is nothing that a student could be taught."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a student is trained.

    Attributes:
        seed: Of everything that is drawn; the same inputs and seed give the same student on the same machine.
        dimension: Of the embedding.
        bits: Grams are hashed into ``2 ** bits`` rows.
        texts: Texts of the shop to learn the encoder's vectors of, at most.
        pseudo: Pseudo-queries of the catalogue.
        epochs: Over those texts.
        assistant: Batches that the sentence encoder is tuned for, at most, and no more than go ten times over the
            labels; 0 takes it as it comes.
        recipe: How examples are mixed; its steps are as many as go ten times over the examples, within reason.
        target: Precision to keep at every depth of the tree.
        error: Chance, for each depth, that it is not kept.
        most_flips: Share of queries whose likeliest category int8 may change.
        cuda: Whether to export fp16 for CUDA too.
    """

    seed: int = 0
    dimension: int = 128
    bits: int = 17
    texts: int = 100_000
    pseudo: int = 60_000
    epochs: int = 3
    assistant: int = 200
    recipe: Recipe = field(default_factory=lambda: Recipe(mix=MIX))
    target: float = 0.9
    error: float = 0.05
    most_flips: float = 0.02
    cuda: bool = False


def distil(
    lessons: Lessons,
    folder: Path,
    tokenizer: Path,
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Card:
    """Train a student, and write it into a folder, whole or not at all.

    Args:
        lessons: What to learn from.
        folder: Where to write; what is there is replaced.
        tokenizer: The sentence encoder's `tokenizer.json`.
        settings: How.
        progress: Called as it goes on.

    Raises:
        NoLessons: when there is no label to learn from.
        QuerywiseError: when an export says something else than what was trained.
    """
    settings, tell = settings or Settings(), progress or (lambda *_: None)
    torch.manual_seed(settings.seed)
    rng = random.Random(settings.seed)
    tree = Tree.of(lessons.taxonomy)
    split = split_labels(lessons)
    if not split.train:
        raise NoLessons(
            "there is no label to learn from", hint="run `querywise label` first; gold is never learnt from"
        )
    noise = learn_noise((c.query, r.query, r.count) for c in lessons.contexts for r in c.reformulations)
    examples = examples_of(lessons, split, pseudo=settings.pseudo, rng=rng)
    settings = _within_reason(settings, examples)
    corpus, views = _corpus(lessons, tree, split, examples, settings, noise, rng, tell)
    with replace_folder(folder) as out:
        shutil.copyfile(tokenizer, out / TOKENIZER)
        features = Features(out, bits=settings.bits)
        table = FeatureTable(features.rows, settings.dimension, seed=settings.seed)
        steps = -(-len(corpus.texts) // 512) * settings.epochs
        fit_embedding(
            table,
            features,
            corpus,
            noise=noise,
            rng=rng,
            epochs=settings.epochs,
            progress=lambda n: tell("embed", n, steps),
        )
        network = Network(views, tree)
        asked = [label for label in split.test if label.understanding.categories]
        curve: list[Point] = []

        def taught(step: int) -> None:
            tell("answer", step, settings.recipe.steps)
            if asked and step % -(-settings.recipe.steps // _POINTS) == 0:
                curve.append(Point(step=step, top1=_top1(network, table, features, asked, tree)))

        fit_examples(
            network,
            table,
            features,
            examples,
            corpus,
            tree,
            recipe=settings.recipe,
            noise=noise,
            rng=rng,
            progress=taught,
        )
        weights = weights_of(network, table)
        write_onnx(weights, out / MODEL, "int8")
        compared = [label.query for label in chain(split.held, split.test, split.train)]
        with_fp32 = out / "fp32.onnx"
        write_onnx(weights, with_fp32, "fp32")
        parities = [
            check_parity(network, table, features, with_fp32, compared, precision="fp32", most=0.005),
            check_parity(network, table, features, out / MODEL, compared, precision="int8", most=settings.most_flips),
        ]
        with_fp32.unlink()
        if settings.cuda:
            write_onnx(weights, out / HALF, "fp16")
            half = out / HALF
            parities.append(
                check_parity(network, table, features, half, compared, precision="fp16", most=settings.most_flips)
            )
        tagger = distil_tagger(
            split.train,
            lessons.brands,
            out / TOKENIZER,
            out,
            test=split.test,
            seed=settings.seed,
            progress=tell,
        )
        student = _calibrated(out, lessons.taxonomy, tree, split.held, settings)
        card = Card(
            examples=tuple(Share(source=name, count=len(some)) for name, some in examples.items()),
            labels_dropped_for_gold=split.dropped,
            calibrated_on=len(split.held),
            curve=tuple(curve),
            tiers=_scores(student, tree, split.test),
            parity=tuple(parities),
            tagger=tagger,
            target=settings.target,
            error=settings.error,
        )
        write_card(out, card)
    return card


def _within_reason(settings: Settings, examples: Mapping[str, Sequence[Example]]) -> Settings:
    """Return the settings with no more steps than the examples are worth."""
    recipe, count = settings.recipe, sum(map(len, examples.values()))
    return replace(
        settings,
        assistant=min(settings.assistant, -(-_EPOCHS * len(examples["labels"]) // TUNED_AT_ONCE)),
        recipe=replace(recipe, steps=min(recipe.steps, max(_LEAST_STEPS, _EPOCHS * count // recipe.batch))),
    )


def _corpus(
    lessons: Lessons,
    tree: Tree,
    split: Split,
    examples: Mapping[str, Sequence[Example]],
    settings: Settings,
    noise: Noise,
    rng: random.Random,
    tell: Progress,
) -> tuple[Corpus, Views]:
    """Return the shop's texts with their vectors, and the categories' views in the same space."""
    assistant = Assistant()
    if settings.assistant:
        assistant.tune(
            examples["labels"],
            examples["catalogue"],
            lessons.taxonomy,
            noise=noise,
            rng=rng,
            steps=settings.assistant,
            progress=lambda n: tell("tune the encoder", n, settings.assistant),
        )
    names = texts_of_tree(lessons.taxonomy, tree.ids)
    titles = [" ".join(product.title) for product in lessons.sold]
    # Of what is kept out, not even what the encoder makes of the words is learnt: queries to come are as new as that.
    asked = [c.query for c in lessons.contexts if not split.is_apart(c.query)]
    fixed = dict.fromkeys(chain(chain.from_iterable(names), asked, (e.query for e in examples["labels"])))
    drawn = dict.fromkeys(chain(titles, (e.query for e in examples["catalogue"])))
    more = [text for text in drawn if text not in fixed]
    room = max(0, settings.texts - len(fixed))
    texts = [*fixed, *(more if len(more) <= room else rng.sample(more, room))]
    vectors = torch.from_numpy(assistant.encode(texts, lambda n: tell("encode", n, len(texts))))
    _, _, axes = torch.svd_lowrank(vectors - vectors.mean(0), q=min(settings.dimension, *vectors.shape), niter=4)
    axes = functional.pad(axes, (0, settings.dimension - axes.shape[1]))
    projected = functional.normalize(vectors @ axes, dim=1)
    place = {text: i for i, text in enumerate(texts)}
    row = {category_id: i for i, category_id in enumerate(tree.ids)}
    centres = torch.zeros(len(tree.ids), settings.dimension)
    for title, product in zip(titles, lessons.sold, strict=True):
        if title in place:
            centres[row[product.category_id]] += projected[place[title]]
    views = Views(
        names=projected[[place[name] for name, _ in names]],
        paths=projected[[place[path] for _, path in names]],
        titles=functional.normalize(centres, dim=1),
    )
    return Corpus(texts=texts, vectors=projected.numpy()), views


def _calibrated(out: Path, taxonomy: Taxonomy, tree: Tree, held: Sequence[Label], settings: Settings) -> Student:
    """Write what the student is sure of, as the exported model says, and return it opened."""
    undecided = calibrate(Held(probabilities=np.empty((0, len(tree.ids)), dtype=np.float32), right=[]), tree)
    about = {"dimension": settings.dimension, "bits": settings.bits, "categories": tree.ids}
    write_about(out, **about, policy=undecided)  # type: ignore[arg-type]
    predicted = Student(out, taxonomy).predict([label.query for label in held])
    seen = Held(probabilities=predicted.probabilities, right=_right(held, tree))
    policy = calibrate(seen, tree, target=settings.target, error=settings.error)
    write_about(out, **about, policy=policy)  # type: ignore[arg-type]
    return Student(out, taxonomy)


def _top1(network: Network, table: FeatureTable, features: Features, labels: Sequence[Label], tree: Tree) -> float:
    """Return the share of labels whose categories hold the likeliest one."""
    with torch.no_grad():
        sums = table.bag(features([label.query for label in labels])).sums
        best = network.logits(functional.normalize(sums, dim=1))[:, :-1].argmax(1).tolist()
    return sum(row in right for row, right in zip(best, _right(labels, tree), strict=True)) / len(labels)


def _right(labels: Sequence[Label], tree: Tree) -> list[frozenset[int]]:
    row = {category_id: i for i, category_id in enumerate(tree.ids)}
    return [frozenset(row[category.id] for category in label.understanding.categories) for label in labels]


def _scores(student: Student, tree: Tree, labels: Iterable[Label]) -> tuple[TierScore, ...]:
    measured = list(labels)
    if not measured:
        return ()
    probabilities = student.predict([label.query for label in measured]).probabilities
    return score_tiers(
        [label.tier for label in measured],
        probabilities,
        _right(measured, tree),
        tree,
        student.about.policy,
    )
