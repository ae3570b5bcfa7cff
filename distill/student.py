"""From a shop's labels, log and catalogue to a student: split, trained, calibrated, exported and measured.

What the student is sure of is found by cross-fitting: trained again without each fold of the labels, it is asked the
fold, so that every label is learnt from and every label calibrates (Vovk, "Cross-conformal predictors", Annals of
Mathematics and Artificial Intelligence 74, 2015). The student that is served has learnt from all folds. What is
promised of it was shown of students with a little less to learn from; that it holds is measured, on labels that had no
part in any of this.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import torch

from distill.calibrate import Held, calibrate
from distill.card import Card, Point, Share, TierScore, score_tiers, write_card
from distill.export import check_parity, weights_of, write_onnx
from distill.fit import Recipe
from distill.ground import Ground, Taught
from distill.split import Lessons, Split, split_labels
from distill.tagger import distil_tagger
from domain.errors import UserError
from domain.files import replace_folder
from domain.label import Label
from domain.taxonomy import Taxonomy
from release.student import Student, Tree
from release.student.features import TOKENIZER
from release.student.model import HALF, MODEL, write_about

__all__ = ["MIX", "NoLessons", "Settings", "distil"]

MIX: Mapping[str, float] = {"labels": 0.5, "behaviour": 0.1, "catalogue": 0.3, "names": 0.05, "nonsense": 0.05}

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
        texts: Texts of the shop to learn the encoder's vectors of, at most; those of the tree are always there.
        pseudo: Pseudo-queries of the catalogue.
        epochs: Over those texts.
        recipe: How examples are mixed. Of its steps no more are gone than go ten times over the examples, or a hundred
            where that is more.
        target: Precision of the likeliest category to keep at each depth of the tree that has queries enough, and at
            the other depths together, see `distill.calibrate`.
        error: Chance, for each of these, that it is not kept.
        folds: Parts of the labels that are each held out once, to calibrate on; not 1. With 0 the split's own held
            labels are calibrated on, and never learnt from.
        most_flips: Share of queries whose likeliest category int8 may change.
        cuda: Whether to export fp16 for CUDA too.
    """

    seed: int = 0
    dimension: int = 128
    bits: int = 17
    texts: int = 100_000
    pseudo: int = 60_000
    epochs: int = 3
    recipe: Recipe = field(default_factory=lambda: Recipe(mix=MIX))
    target: float = 0.9
    error: float = 0.05
    folds: int = 5
    most_flips: float = 0.02
    cuda: bool = False

    def __post_init__(self) -> None:
        if self.folds == 1:
            raise UserError("one fold leaves nothing to learn from", hint="--folds takes 0, or 2 to 20")


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
    tree = Tree.of(lessons.taxonomy)
    split = split_labels(lessons)
    if not split.train:
        raise NoLessons(
            "there is no label to learn from", hint="run `querywise label` first; gold is never learnt from"
        )
    with replace_folder(folder) as out:
        shutil.copyfile(tokenizer, out / TOKENIZER)
        ground = Ground.of(
            lessons,
            split,
            out,
            dimension=settings.dimension,
            bits=settings.bits,
            texts=settings.texts,
            pseudo=settings.pseudo,
            epochs=settings.epochs,
            rng=random.Random(settings.seed),
            tell=tell,
        )
        unseen = _cross_fitted(ground, split, settings, tell) if settings.folds else None
        learnt = split if unseen is None else split.whole()
        curve: list[Point] = []
        taught = _taught(ground, learnt, settings, curve, tell)
        weights = weights_of(taught.network, taught.table)
        write_onnx(weights, out / MODEL, "int8")
        compared = [label.query for label in (*split.labels, *split.test)]
        with_fp32 = out / "fp32.onnx"
        write_onnx(weights, with_fp32, "fp32")
        parities = [
            check_parity(*taught.parts, with_fp32, compared, precision="fp32", most=0.005),
            check_parity(*taught.parts, out / MODEL, compared, precision="int8", most=settings.most_flips),
        ]
        with_fp32.unlink()
        if settings.cuda:
            write_onnx(weights, out / HALF, "fp16")
            half = out / HALF
            parities.append(check_parity(*taught.parts, half, compared, precision="fp16", most=settings.most_flips))
        tagger = distil_tagger(
            learnt.train,
            lessons.brands,
            out / TOKENIZER,
            out,
            test=split.test,
            seed=settings.seed,
            progress=tell,
        )
        student, calibrated_on = _calibrated(out, lessons.taxonomy, tree, unseen, split.held, settings)
        card = Card(
            examples=tuple(Share(source=name, count=len(some)) for name, some in taught.examples.items()),
            labels_dropped_for_gold=split.dropped,
            calibrated_on=calibrated_on,
            curve=tuple(curve),
            tiers=_scores(student, tree, split.test),
            parity=tuple(parities),
            tagger=tagger,
            target=settings.target,
            error=settings.error,
            seed=settings.seed,
            folds=settings.folds,
            most_flips=settings.most_flips,
            cuda=settings.cuda,
        )
        write_card(out, card)
    return card


def _taught(ground: Ground, learnt: Split, settings: Settings, curve: list[Point], tell: Progress) -> Taught:
    """Train the student that is served, and note how often it is right as it learns."""
    asked = [label for label in learnt.test if label.understanding.categories]
    right = _right(asked, ground.tree)
    queries = [label.query for label in asked]

    def note(step: int, steps: int, taught: Taught) -> None:
        tell("answer", step, steps)
        if asked and step % -(-steps // _POINTS) == 0:
            best = taught.probabilities(queries).argmax(1).tolist()
            curve.append(Point(step=step, top1=sum(b in r for b, r in zip(best, right, strict=True)) / len(asked)))

    return ground.taught(learnt, settings.recipe, random.Random(settings.seed), note)


def _cross_fitted(ground: Ground, split: Split, settings: Settings, tell: Progress) -> Held:
    """Return what students say of labels that they have not learnt from, in as many trainings as there are folds."""
    probabilities = [np.empty((0, len(ground.tree.ids)), dtype=np.float32)]
    right: list[frozenset[int]] = []
    for fold, part in enumerate(split.folds(settings.folds)):

        def note(step: int, steps: int, _: Taught, fold: int = fold) -> None:
            tell("calibrate", fold * steps + step, settings.folds * steps)

        taught = ground.taught(part, settings.recipe, random.Random(settings.seed), note)
        probabilities.append(taught.probabilities([label.query for label in part.held]))
        right += _right(part.held, ground.tree)
    return Held(probabilities=np.concatenate(probabilities), right=right)


def _calibrated(
    out: Path, taxonomy: Taxonomy, tree: Tree, unseen: Held | None, held: Sequence[Label], settings: Settings
) -> tuple[Student, int]:
    """Write what the student is sure of, and return it opened, with the number of labels that say so."""
    undecided = calibrate(Held(probabilities=np.empty((0, len(tree.ids)), dtype=np.float32), right=[]), tree)
    about = {"dimension": settings.dimension, "bits": settings.bits, "categories": tree.ids}
    write_about(out, **about, policy=undecided)  # type: ignore[arg-type]
    if unseen is None:
        predicted = Student(out, taxonomy).predict([label.query for label in held])
        unseen = Held(probabilities=predicted.probabilities, right=_right(held, tree))
    policy = calibrate(unseen, tree, target=settings.target, error=settings.error)
    write_about(out, **about, policy=policy)  # type: ignore[arg-type]
    return Student(out, taxonomy), len(unseen.right)


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
