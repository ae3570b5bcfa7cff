"""The filter of bad matches: trained on a judge's verdicts, calibrated, exported beside the student, and measured.

Queries are parted in folds. A small network is trained for each fold on the others, and stopped where it does best on
its own; what it says of its own is what the filter is calibrated and its threshold is chosen on. Served is the mean of
their logits, which is one network as wide as all of them (bagging: Breiman, "Bagging predictors", 1996, with folds in
the place of resamples).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from distill.match_export import check_match_parity, match_onnx
from distill.match_lessons import MatchLessons
from distill.match_network import Flags, Floats, MatchNetwork, MatchRecipe, Scaling, fit_network
from distill.platt import fit_sigmoid
from domain.errors import UserError
from domain.files import replace_atomically
from domain.taxonomy import Taxonomy
from release.match import ABOUT, MODEL, write_match_about
from release.match_features import Offer, OfferFeatures
from release.match_words import Lexicon
from release.student import Student

__all__ = ["CARD", "FOLDS", "Bounds", "MatchCard", "NoMatchLessons", "auroc", "distil_match", "threshold_of"]

CARD: Final = "match-card.json"
FOLDS: Final = 5

_LEAST: Final = 20
"""Queries, good matches and bad ones that there have to be."""

Progress = Callable[[str, int, int], None]


class NoMatchLessons(UserError):
    """There are too few verdicts for a filter to learn from."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What the filter does to matches of held-out queries, by the judge's verdicts.

    Attributes:
        auroc: Chance that a good match has a higher chance than a bad one; None where there is only one of them.
        precision: Share of what is kept that is good.
        removed: Share of the bad that is taken out.
        cost: Share of the good that is taken out.
    """

    auroc: float | None
    precision: float
    removed: float
    cost: float


@dataclass(frozen=True, kw_only=True)
class MatchCard:
    """What is known of a filter when it is made.

    Attributes:
        queries: That it was taught with.
        good: Good matches among the lessons.
        bad: Bad ones.
        between: Items of grade 1, left out.
        disputed: Items on which judges differ, left out.
        unscored: Items without a verdict or a product, left out.
        judged_by_people: Items left out because people judged their query or nearly that.
        epochs: How long each fold's network was trained.
        threshold: The chance below which nothing is shown.
        held: Of held-out queries, where the category of the text is known.
        without_category: The same where it is not.
        largest: Largest difference of a chance between the export and what was trained.
        megabytes: Size of the model.
    """

    queries: int
    good: int
    bad: int
    between: int
    disputed: int
    unscored: int
    judged_by_people: int
    epochs: tuple[int, ...]
    threshold: float
    held: Bounds
    without_category: Bounds
    largest: float
    megabytes: float


def distil_match(
    found: MatchLessons,
    folder: Path,
    taxonomy: Taxonomy,
    lexicon: Lexicon,
    *,
    recipe: MatchRecipe | None = None,
    progress: Progress = lambda *_: None,
) -> MatchCard:
    """Train a filter, and write it into the folder of the student that it reads with.

    Every lesson is taught twice, with the category of the text and without, for ideas and rewrites have none.

    Args:
        found: What to learn from.
        folder: The student's.
        taxonomy: The tree that the student was trained for.
        lexicon: What the catalogue says of words.
        recipe: How.
        progress: Called with the name of a part, what is done of it, and how much there is.

    Raises:
        NoMatchLessons: when there are under 20 queries, or under 20 good or bad matches, or a fold is empty.
        ReleaseError: when the student cannot be opened.
        QuerywiseError: when the export says something else than what was trained.
    """
    recipe = recipe or MatchRecipe()
    _check(found)
    lessons = found.lessons
    features = OfferFeatures(Student(folder, taxonomy), lexicon)
    offers = [Offer(query=one.query, text=one.title, category_id=one.category_id) for one in lessons]
    bare = [Offer(query=one.query, text=one.title) for one in lessons]
    inputs = np.stack([features(offers), features(bare)])
    progress("read", 1, 1)
    good = np.array([one.good for one in lessons])
    fold = np.array([one.fold for one in lessons])
    scaling = Scaling.of(inputs.reshape(-1, inputs.shape[2]))
    networks: list[MatchNetwork] = []
    logits = np.zeros(inputs.shape[:2])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors are so small that threads wait for one another
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            for number in range(FOLDS):
                held = fold == number
                networks.append(
                    fit_network(scaling, inputs[:, ~held], good[~held], inputs[:, held], good[held], recipe)
                )
                logits[:, held] = networks[-1].score(inputs[:, held])
                progress("match", number + 1, FOLDS)
            curve = fit_sigmoid(logits.ravel(), np.tile(good, 2))
            slope, intercept = curve.slope, curve.intercept
            chances = 1 / (1 + np.exp(-(slope * logits + intercept)))
            threshold = threshold_of(chances[0], good, recipe.cost)
            model = match_onnx(networks, scaling, slope, intercept)
            largest = check_match_parity(model, networks, inputs.reshape(-1, inputs.shape[2]), slope, intercept)
    finally:
        torch.set_num_threads(threads)
    # Without it there is no filter: nobody takes a new model for that of an old description.
    (folder / ABOUT).unlink(missing_ok=True)
    with replace_atomically(folder / MODEL) as file:
        file.write(model)
    card = MatchCard(
        queries=len({one.query for one in lessons}),
        good=int(good.sum()),
        bad=int((~good).sum()),
        between=found.between,
        disputed=found.disputed,
        unscored=found.unscored,
        judged_by_people=found.judged_by_people,
        epochs=tuple(network.epochs for network in networks),
        threshold=threshold,
        held=_bounds(chances[0], good, threshold),
        without_category=_bounds(chances[1], good, threshold),
        largest=largest,
        megabytes=len(model) / 1e6,
    )
    (folder / CARD).write_text(json.dumps(asdict(card), indent=1), encoding="utf-8")
    write_match_about(folder, threshold=threshold, lexicon=lexicon)
    return card


def auroc(chances: npt.ArrayLike, good: npt.ArrayLike) -> float | None:
    """Return the chance that a good match has a higher one than a bad one, ties counting half; None without both.

    Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic curve", 1982.
    """
    flags = np.asarray(good, dtype=np.bool_)
    count, others = int(flags.sum()), int((~flags).sum())
    if not count or not others:
        return None
    ranks = rankdata(np.asarray(chances, dtype=np.float64))
    return float((ranks[flags].sum() - count * (count + 1) / 2) / (count * others))


def _check(found: MatchLessons) -> None:
    queries = len({one.query for one in found.lessons})
    good = sum(one.good for one in found.lessons)
    least = min(queries, good, len(found.lessons) - good)
    if least < _LEAST or len({one.fold for one in found.lessons}) < FOLDS:
        raise NoMatchLessons(
            f"{queries:,} queries with {good:,} good and {len(found.lessons) - good:,} bad matches teach no filter",
            hint="`querywise match pairs` chooses what to ask, and `querywise judge --task relevance --pairs` asks it",
        )


def threshold_of(chances: Floats, good: Flags, cost: float) -> float:
    """Return the highest chance below which at most a share of the good lies."""
    of_good = np.sort(chances[good])
    return float(of_good[min(math.floor(cost * len(of_good)), len(of_good) - 1)])


def _bounds(chances: Floats, good: Flags, threshold: float) -> Bounds:
    kept = chances >= threshold
    return Bounds(
        auroc=auroc(chances, good),
        precision=float(good[kept].mean()) if kept.any() else 0.0,
        removed=float((~kept[~good]).mean()),
        cost=float((~kept[good]).mean()),
    )
