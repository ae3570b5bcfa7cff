"""The model card: what a student was trained on, what it is worth, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from distill.calibrate import APART
from distill.export import Parity
from distill.tagger import TaggerCard
from release.student import Policy, Tree, decide

__all__ = ["Card", "Point", "Share", "TierScore", "card_markdown", "read_card", "score_tiers", "write_card"]


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many examples came from a source."""

    source: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Point:
    """How often the likeliest category was right after some steps, on queries that are only measured on."""

    step: int
    top1: float


@dataclass(frozen=True, kw_only=True)
class TierScore:
    """Agreement with the teacher on queries of one tier that had no part in training or calibration.

    Attributes:
        tier: Of the log; ``all`` for all of them.
        queries: How many.
        top1: Share whose likeliest category is one of the teacher's, of those that the teacher gives one.
        covered: Share that gets a category of its own depth.
        precision: Share of those in which it is one of the teacher's; 0 where there is none.
        backed_off: Share that gets an ancestor.
        ancestor_precision: Share of those in which it lies above one of the teacher's; 0 where there is none.
    """

    tier: str
    queries: int
    top1: float
    covered: float
    precision: float
    backed_off: float
    ancestor_precision: float


@dataclass(frozen=True, kw_only=True)
class Card:
    """All that is known of a student when it is made, and follows from what it was made of: it is part of a release."""

    examples: tuple[Share, ...]
    labels_dropped_for_gold: int
    calibrated_on: int
    curve: tuple[Point, ...]
    tiers: tuple[TierScore, ...]
    parity: tuple[Parity, ...]
    tagger: TaggerCard | None
    target: float
    error: float
    seed: int
    folds: int
    most_flips: float
    cuda: bool


_card: TypeAdapter[Card] = TypeAdapter(Card)


def score_tiers(
    tiers: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    right: Sequence[frozenset[int]],
    tree: Tree,
    policy: Policy,
) -> tuple[TierScore, ...]:
    """Return the scores of each tier that occurs, and of all."""
    of = {"all": list(range(len(tiers)))} | {
        tier: [i for i, own in enumerate(tiers) if own == tier] for tier in dict.fromkeys(tiers)
    }
    return tuple(_score(tier, places, probabilities, right, tree, policy) for tier, places in of.items())


def _score(
    tier: str,
    places: Sequence[int],
    probabilities: npt.NDArray[np.float32],
    right: Sequence[frozenset[int]],
    tree: Tree,
    policy: Policy,
) -> TierScore:
    answerable = [i for i in places if right[i]]
    top = [int(probabilities[i].argmax()) in right[i] for i in answerable]
    own, above = [], []
    for i in places:
        answer = decide(probabilities[i], tree, policy)
        if answer.rows and answer.backed_off:
            [row] = answer.rows
            above.append(any(row <= other < tree.end[row] for other in right[i]))
        elif answer.rows:
            own.append(answer.rows[0] in right[i])
    return TierScore(
        tier=tier,
        queries=len(places),
        top1=_mean(top),
        covered=len(own) / len(places),
        precision=_mean(own),
        backed_off=len(above) / len(places),
        ancestor_precision=_mean(above),
    )


def _mean(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0


def write_card(folder: Path, card: Card) -> None:
    """Write `card.json` and `card.md`."""
    (folder / "card.json").write_bytes(_card.dump_json(card, indent=2) + b"\n")
    (folder / "card.md").write_text(card_markdown(card), encoding="utf-8")


def read_card(folder: Path) -> Card | None:
    """Read `card.json`; None where there is none, or none that can be read."""
    try:
        return _card.validate_json((folder / "card.json").read_bytes())
    except (OSError, ValidationError):
        return None


def _tagger_markdown(card: TaggerCard | None) -> str:
    if card is None:
        return "No label has a span, so that none are marked."
    text = f"Trained on {card.spans:,} spans of {card.examples:,} queries; it knows {card.forms:,} forms of the shop."
    if card.agreement is None:
        return text
    return (
        f"{text}\nOn {card.agreement.queries:,} queries that had no part in training it agrees with the teacher with"
        f" F1 {card.agreement.exact:.3f}\nwhere place and type are the same, and {card.agreement.overlap:.3f} where"
        " type is and places overlap."
    )


def card_markdown(card: Card) -> str:
    """Return the card as a page."""
    rows = [
        f"| {s.tier} | {s.queries} | {s.top1:.3f} | {s.covered:.3f} | {s.precision:.3f} | {s.backed_off:.3f} | "
        f"{s.ancestor_precision:.3f} |"
        for s in card.tiers
    ]
    parity = [
        f"| {p.precision} | {p.texts} | {p.flips:.2%} | {p.largest:.4f} | {p.megabytes:.1f} |" for p in card.parity
    ]
    curve = ", ".join(f"{point.top1:.3f}" for point in card.curve)
    sources = "\n".join(f"- {share.source}: {share.count:,}" for share in card.examples)
    return f"""# The student

Hashed character and word n-grams and pieces of words, summed to an embedding, against a vector for every category.

## What it was trained on

{sources}

{card.labels_dropped_for_gold:,} labels were left out because their query is in the gold, or nearly.
Seed {card.seed}, {card.folds} folds.

## Agreement with the teacher

On queries whose near-duplicates had no part in training or calibration. The thresholds were set on
{card.calibrated_on:,} others: answers agree with the teacher in {card.target:.0%} of queries or more, with
{1 - card.error:.0%} confidence for each depth with {APART} of them or more, and for the other depths together; where
these have fewer than {APART}, for all depths together. Further categories of one answer are not promised.

| tier | queries | top-1 | answered | precision | backed off | precision |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

Top-1 while it was trained, every {card.curve[0].step if card.curve else 0} steps: {curve or "not measured"}.

## What was exported

| precision | queries compared | other category | largest difference | MB |
|---|---|---|---|---|
{chr(10).join(parity)}

## Spans

{_tagger_markdown(card.tagger)}

## Limits

It agrees with the teacher at best: where the model that labelled is wrong, so is the student, and the promise above is
about agreement, not truth. It was calibrated on queries of this shop's log as it is now.
"""
