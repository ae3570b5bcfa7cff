"""A shop opened for measuring: its student, what that was taught, and queries that it was not."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.students.lines import Lines, shown_at_most
from benchmarks.students.overlap import Overlap, overlap_of
from benchmarks.students.queries import Queries, of_people, of_teacher
from distill.card import Share
from distill.examples import Example
from distill.noise import learn_noise
from distill.split import Split, asked_examples, examples_of, split_labels
from distill.student import Settings
from domain.context import ContextStore
from domain.errors import UserError
from domain.label import Label
from domain.shop import Shop, open_shop
from domain.taxonomy import Taxonomy
from evals import read_gold
from querywise.distill import lessons_of
from release.student import Student


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a student's card says of how it was made."""

    examples: tuple[Share, ...]
    labels_dropped_for_gold: int
    calibrated_on: int
    target: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Bench:
    """A shop with what is learnt, and what is measured: people's labels, and the teacher's that were held out.

    Attributes:
        name: Of the shop, fit for a file.
        shop: The shop.
        taxonomy: Its tree.
        contexts: What its log says.
        encoder: Folder of the sentence encoder as it comes.
        student: One that has learnt from what the peers have: from no label that is held out.
        served: The shop's own, which is asked for what its own thresholds answer.
        card: How that was made.
        labels: All of the teacher's.
        split: Of those.
        examples: That the student learnt from, by source.
        overlap: Of the examples with what is measured.
        lines: What peers learn from.
        gold: People's labels.
        test: The teacher's that nothing was learnt from or tuned on.
        held: The teacher's to tune on.
    """

    name: str
    shop: Shop
    taxonomy: Taxonomy
    contexts: ContextStore
    encoder: Path
    student: Student
    served: Student
    card: Made
    labels: Sequence[Label]
    split: Split
    examples: Mapping[str, Sequence[Example]]
    overlap: Overlap
    lines: Lines
    gold: Queries
    test: Queries
    held: Queries


def open_bench(folder: Path, work: Path, gold_file: Path, apart: Path, *, lines: int | None) -> Bench:
    """Read a shop, part its labels as `querywise distill` does, and see that nothing measured was learnt.

    Args:
        folder: Of the shop.
        work: Its work folder.
        gold_file: Labels of people, the same that were kept out of the training.
        apart: Folder of a student of the same shop that was made with ``--folds 0``.
        lines: That each peer learns from; as many as the student is shown unless given.

    Raises:
        QuerywiseError: when something is missing, a student was trained on another split, or a query leaks.
    """
    shop = open_shop(folder, work=work)
    lessons, settings = lessons_of(shop, gold_file), Settings()
    gold = read_gold(gold_file, lessons.taxonomy)
    split = split_labels(lessons)
    examples = examples_of(lessons, split, pseudo=settings.pseudo, rng=random.Random(settings.seed))
    if not (split.held and split.test):
        raise UserError(f"{len(lessons.labels)} labels leave none to hold out", hint="label more queries")
    whole = {**examples, **asked_examples(lessons, split.whole())}
    folded = sum(len(fold.held) for fold in split.folds(settings.folds))
    card = _made(shop.student, split, whole, folded, again=f"querywise distill {folder} --work {work}")
    _made(apart, split, examples, len(split.held), again=f"querywise distill {folder} --folds 0 --work COPY")
    contexts = ContextStore(shop.context_file)
    noise = learn_noise((c.query, r.query, r.count) for c in lessons.contexts for r in c.reformulations)
    return Bench(
        name=re.sub(r"[^a-z0-9]+", "-", shop.config.name.lower()).strip("-"),
        shop=shop,
        taxonomy=lessons.taxonomy,
        contexts=contexts,
        encoder=shop.work / "encoder" if (shop.work / "encoder").is_dir() else shop.index,
        student=Student(apart, lessons.taxonomy),
        served=Student(shop.student, lessons.taxonomy),
        card=card,
        labels=lessons.labels,
        split=split,
        examples=examples,
        overlap=overlap_of(lessons, split, examples),
        lines=Lines(examples=examples, noise=noise, count=lines or shown_at_most(settings.recipe)),
        gold=of_people(gold.cases, contexts.tiers()),
        test=of_teacher(split.test),
        held=of_teacher(split.held),
    )


def _made(
    student: Path, split: Split, taught: Mapping[str, Sequence[Example]], calibrated_on: int, *, again: str
) -> Made:
    """Return the card of a student, if it is one of these labels.

    Raises:
        UserError: where there is none, or it was made of others.
    """
    hint = f"run `{again} --gold FILE`"
    if not (student / "card.json").is_file():
        raise UserError(f"there is no student in {student}", hint=hint)
    card = TypeAdapter(Made).validate_json((student / "card.json").read_bytes())
    learnt = {share.source: share.count for share in card.examples}
    now = {source: len(some) for source, some in taught.items()}
    if (card.labels_dropped_for_gold, card.calibrated_on, learnt) != (split.dropped, calibrated_on, now):
        raise UserError(
            f"the student in {student} was trained on other labels, or with another gold or number of folds",
            hint=f"{hint}; it had {learnt}, calibrated on {card.calibrated_on}; now it is {now}, on {calibrated_on}",
        )
    return card
