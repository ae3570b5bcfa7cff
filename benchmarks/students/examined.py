"""A shop opened for training students that are only measured: its lessons, their split, and what each is asked."""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.students.out_of_domain import read_strangers, unlearnt
from benchmarks.students.queries import of_people, of_teacher
from benchmarks.students.trial import STRANGERS, Trials
from benchmarks.students.worth import Examiner
from distill.split import Lessons, Split, examples_of, split_labels
from distill.student import Settings
from domain.errors import UserError
from domain.shop import Shop, open_shop
from evals.estimates import Array
from querywise.distill import lessons_of
from querywise.gold import gold_of

POOL = "pool"


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """A shop whose students are measured.

    Attributes:
        name: Of the shop, fit for a mark in a page.
        shop: The shop.
        lessons: All that may be learnt.
        split: Of its labels.
        examiner: Marks students on the sets `held` and `test` of the teacher's labels, and on `people`'s.
        trials: Trains students and asks them.
        new: Places of the strangers that are in no example.
        less: What the shop is measured without, to tell its pages and students from those with it.
    """

    name: str
    shop: Shop
    lessons: Lessons
    split: Split
    examiner: Examiner
    trials: Trials
    new: Sequence[int]
    less: str = ""

    def searches(self, name: str) -> Array:
        """Return how often each query of a set was searched, here or, if its label says so, elsewhere."""
        found = {context.query: context.searches for context in self.lessons.contexts}
        found |= {label.query: label.searches for label in self.lessons.labels}
        return np.array([found.get(text, 0) for text in self.examiner.sets[name].texts], dtype=np.float64)

    def about(self) -> str:
        """Return what is learnt from and measured on, in a sentence."""
        sets = self.examiner.sets
        labels = len(sets["held"].cases) + len(sets["test"].cases)
        return (
            f"{len(self.split.train):,} labels to learn from; measured on {labels:,} labels of the teacher that were "
            f"held out, {len(sets['people'].cases):,} queries of people, and {len(self.new):,} queries for no shop."
        )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what `examined_of`, `settings_of` and `write` read."""
    parser.add_argument("--shop", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--gold", type=Path, help="labels of people; the shop's own")
    parser.add_argument("--texts", type=int, default=Settings().texts, help="to learn the encoder's vectors of")
    parser.add_argument("--pseudo", type=int, default=Settings().pseudo, help="pseudo-queries of the catalogue")
    parser.add_argument("--keep", type=Path, help="file that keeps what each student said")
    parser.add_argument("--write", type=Path, help="page to put the result into")


def settings_of(options: argparse.Namespace) -> Settings:
    """Return how the whole is trained: no label measured on is learnt, and flips are measured, not refused."""
    return replace(Settings(), texts=options.texts, pseudo=options.pseudo, most_flips=1.0, folds=0)


def examined_of(options: argparse.Namespace, *, pool: Sequence[str] = ()) -> Examined:
    """Read a shop, and part its labels as `querywise distill` does.

    Args:
        options: From `add_options`.
        pool: Tiers of the labels to learn from that students are asked too, as the set `pool`.

    Raises:
        QuerywiseError: when something is missing.
    """
    shop = open_shop(options.shop, work=options.work)
    gold = gold_of(shop, options.gold, shop.load_taxonomy())
    if gold is None:
        raise UserError(f"{shop.folder} has no labels of people", hint="name a file with --gold")
    lessons = lessons_of(shop, options.gold)
    split = split_labels(lessons)
    if not (split.held and split.test):
        raise UserError(f"{len(lessons.labels)} labels leave none to hold out", hint="label more queries")
    tiers: Mapping[str, str] = {context.query: context.tier for context in lessons.contexts}
    sets = {
        "held": of_teacher(split.held),
        "test": of_teacher(split.test),
        "people": of_people(gold.cases, tiers),
    }
    if pool:
        sets[POOL] = of_teacher([label for label in split.train if label.tier in pool])
    strangers = read_strangers()
    learnable = examples_of(lessons, split, pseudo=options.pseudo, rng=random.Random(0))
    new = {stranger.query for stranger in unlearnt(strangers, learnable)}
    return Examined(
        name=re.sub(r"[^a-z0-9]+", "-", shop.config.name.lower()).strip("-"),
        shop=shop,
        lessons=lessons,
        split=split,
        examiner=Examiner(
            taxonomy=lessons.taxonomy,
            sets=sets,
            halves=("held", "test"),
        ),
        trials=Trials(
            {**{name: queries.texts for name, queries in sets.items()}, STRANGERS: [s.query for s in strangers]},
            shop.index / "tokenizer.json",
            file=options.keep,
            tell=_tell,
        ),
        new=[i for i, stranger in enumerate(strangers) if stranger.query in new],
    )


def _tell(name: str, seconds: float) -> None:
    sys.stderr.write(f"{seconds:6.0f} s  {name[:60]}\n")
    sys.stderr.flush()


def spell(prog: str) -> str:
    """Return the command as it was given, less where the result goes; folders by their last part."""
    left, words = iter(sys.argv[1:]), []
    for word in left:
        if word in ("--keep", "--write"):
            next(left, None)
        else:
            words.append(Path(word).name if "/" in word else word)
    return " ".join(chain((prog,), words))


def write(options: argparse.Namespace, mark: str, text: str) -> None:
    """Print a result, or put it into a page between its marks, at the end where it has none.

    Raises:
        UserError: when the page has one mark and not the other.
    """
    if options.write is None:
        sys.stdout.write(text + "\n")
        return
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    page = options.write.read_text(encoding="utf-8") if options.write.is_file() else ""
    if (begin in page) != (end in page):
        raise UserError(f"{options.write} has one of {begin} and {end}", hint="put the other back")
    if begin not in page:
        page = f"{page}\n{begin}\n{end}\n"
    before, rest = page.split(begin, 1)
    _, after = rest.split(end, 1)
    options.write.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
