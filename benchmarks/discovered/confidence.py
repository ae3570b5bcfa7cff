"""Whether anything that is known when content is made tells right ideas from wrong ones, and what a threshold would do.

Ideas of half of the queries choose a threshold, those of the other half say what it does; queries are parted by a hash,
so that no query has ideas on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.auroc import Auroc
from distill.calibrate import NEVER, risk_controlled_threshold
from domain.discovery import Role
from domain.discovery.asked import Asked
from domain.discovery.assemble import Assembler
from domain.discovery.ground import Grounded
from domain.text import normalise
from domain.verdict import Item
from evals.cells import interval, table
from evals.estimates import Array, Ratio, Statistic, bootstrap
from querywise.idea_sides import ROLES, IdeaSide, item_of
from release.match import Offer

__all__ = ["Scored", "score_table", "scored_of", "threshold_table"]

_DRAWS: Final = 2000
_ERROR: Final = 0.05
_TARGETS: Final = (0.8, 0.85, 0.9, 0.95)

FIT: Final = "meaning of idea and titles"
"""The score that thresholds are tried on: the mean cosine of an idea's query to the titles that it shows."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A judged idea that is shown, with what is known of it when content is made; NaN where a score says nothing."""

    role: Role
    query: str
    item: Item
    right: bool
    scores: Mapping[str, float]


def scored_of(
    sides: Iterable[IdeaSide],
    assembler: Assembler,
    verdicts: Mapping[Item, bool],
    chances: Callable[[Sequence[Offer]], Sequence[float]] | None,
) -> list[Scored]:
    """Return each shown idea that has a verdict once, whichever side proposed it first.

    Args:
        sides: Of all queries.
        assembler: What made them.
        verdicts: Whether an item is right.
        chances: Of the filter of bad matches, where the shop has one.
    """
    found: dict[Item, Scored] = {}
    contexts = assembler.judge.grounder.contexts
    grounder = assembler.judge.grounder
    for side in sides:
        asked = assembler.asked(side.label.understanding, contexts.get(side.label.query) if contexts else None)
        for role in ROLES:
            ideas = side.label.ideas
            proposed = (ideas.substitutes if role == "substitute" else ideas.complements) if ideas else ()
            places = {normalise(idea.query): place for place, idea in reversed(list(enumerate(proposed)))}
            for shown in side.shown(role):
                item = item_of(side.label.query, role, shown)
                grounded = grounder.ground(shown.query, lambda text: grounder.index.encoder.encode([text])[0])
                if item not in verdicts or item in found or not isinstance(grounded, Grounded):
                    continue
                left = grounder.without(grounded, asked.own) if role == "substitute" else grounded
                place = places.get(shown.query, len(proposed))
                found[item] = Scored(
                    role=role,
                    query=side.label.query,
                    item=item,
                    right=verdicts[item],
                    scores=_scores(asked, left or grounded, place, assembler, chances),
                )
    return list(found.values())


def score_table(scored: Sequence[Scored]) -> list[str]:
    """Return how well each score tells right ideas of a kind from wrong ones, as AUROC."""
    rows = []
    for role in ROLES:
        some = [one for one in scored if one.role == role]
        right = np.array([one.right for one in some], dtype=np.bool_)
        if right.all() or not right.any():
            continue
        query = _numbered([one.query for one in some])
        count = int(query.max()) + 1
        areas: dict[str, Statistic] = {}
        for name in some[0].scores:
            scores = np.array([one.scores[name] for one in some])
            told = ~np.isnan(scores)
            areas[name] = Auroc.of(scores[told], right[told], query[told], count)
        samples = bootstrap(areas, queries=count, draws=_DRAWS, seed=0)
        head = (role, f"{right.size:,}", f"{int((~right).sum()):,}")
        rows += [(*head, name, interval(samples[name].estimate())) for name in areas]
    return table(("kind", "ideas judged", "wrong", "score", "AUROC"), rows)


def threshold_table(scored: Sequence[Scored], name: str = FIT) -> list[str]:
    """Return what thresholds on a score do, each chosen on one half of the queries and measured on the other.

    A threshold is the least from which on a test of those queries shows that precision is at least the target, at an
    error of 5% (`distill.calibrate`); with a dash there is none. What is dropped is counted on the other half.
    """
    rows = []
    for role in ROLES:
        some = [one for one in scored if one.role == role]
        chosen, other = ([one for one in some if _half(one.query) == half] for half in (0, 1))
        if not chosen or not other:
            continue
        rows.append((role, "none", "–", *_effect(other, -np.inf, name)))
        for target in _TARGETS:
            threshold = risk_controlled_threshold(
                np.array([one.scores[name] for one in chosen]),
                np.array([one.right for one in chosen], dtype=np.bool_),
                target=target,
                error=_ERROR,
            )
            if threshold >= NEVER:
                rows.append((role, f"{target:g}", "–", "–", "–", "–"))
            else:
                rows.append((role, f"{target:g}", f"{threshold:.3f}", *_effect(other, threshold, name)))
    head = ("kind", "target", "threshold", "precision on the other half", "right ones dropped", "wrong ones dropped")
    return table(head, rows)


def _effect(some: Sequence[Scored], threshold: float, name: str) -> tuple[str, str, str]:
    query = _numbered([one.query for one in some])
    right = np.array([one.right for one in some], dtype=np.bool_)
    kept = np.array([one.scores[name] >= threshold for one in some], dtype=np.bool_)
    count = int(query.max()) + 1

    def sums(flags: npt.NDArray[np.bool_]) -> Array:
        return np.bincount(query, weights=flags, minlength=count).astype(np.float64)

    ratio = Ratio(top=sums(kept & right), bottom=sums(kept))
    sample = bootstrap({"precision": ratio}, queries=count, draws=_DRAWS, seed=0)["precision"]
    lost, rid = (f"{int((~kept & flags).sum())} of {int(flags.sum())}" for flags in (right, ~right))
    return interval(sample.estimate()), lost, rid


def _scores(
    asked: Asked,
    grounded: Grounded,
    place: int,
    assembler: Assembler,
    chances: Callable[[Sequence[Offer]], Sequence[float]] | None,
) -> dict[str, float]:
    grounder = assembler.judge.grounder
    lift = assembler.judge.lift(asked, grounded)
    own = set(grounder.index.words(asked.query))
    words = set(grounder.index.words(grounded.query))
    texts = [set(grounder.index.stems(grounder.shelf.text(row))) for row in grounded.rows]
    scores = {
        FIT: grounded.cosine,
        "share of the idea's words in the titles": float(
            np.mean([len(text & set(words)) / len(words) for text in texts])
        ),
        "meaning of idea and query": float("nan"),
        "likeness of the categories' names": float("nan"),
        "share of the idea's words that the query has": len(own & words) / len(words),
        "place among those proposed, from the end": -float(place),
        "lift with the query's categories": lift.estimate,
        "the same, its 5th percentile": lift.low,
        "products that show it": float(len(grounded.rows)),
        "whether somebody searched for it": float(
            grounder.contexts is not None and grounder.contexts.get(grounded.query) is not None
        ),
    }
    if asked.vector is not None and grounded.vector is not None:
        scores["meaning of idea and query"] = float(asked.vector @ grounded.vector)
    if asked.categories:
        scores["likeness of the categories' names"] = grounder.index.similarity(
            asked.categories, [grounded.category_id]
        )
    if chances is not None:
        titles = [grounder.shelf.titles[row] for row in grounded.rows]
        for name, query in (("idea", grounded.query), ("query", asked.query)):
            offers = [Offer(query=query, text=title, category_id=grounded.category_id) for title in titles]
            scores[f"the filter's chance of {name} and titles"] = float(np.mean(chances(offers)))
    return scores


def _half(query: str) -> int:
    return hashlib.sha256(query.encode()).digest()[0] % 2


def _numbered(names: Sequence[str]) -> npt.NDArray[np.intp]:
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], dtype=np.intp)
