"""What the judges of a shop said, what people say of the same items, and what the judges are worth by that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from domain.judgements import read_judgements
from domain.privacy import region_of
from domain.shop import Shop
from domain.understanding import Understanding
from domain.verdict import Item, JudgeTask, Unscored, Verdict
from evals import GoldSet
from evals.gate import JudgeFigures
from evals.judge import (
    JudgeAgreement,
    JudgedFigure,
    Rating,
    category_ratings,
    judge_agreement,
    judged_figure,
    ratings_of,
)
from prompts.judge import PERTURBATIONS, Perturbation
from prompts.judge.keeping import read_kept

__all__ = ["Judged", "People", "VerdictFile", "judged_shop", "verdict_files"]


@dataclass(frozen=True, kw_only=True)
class VerdictFile:
    """What is kept of one judge on one task: as it is, with its repeats, or with one change made for an audit.

    ``judge`` names model and rubric, and not the change, which is ``perturbation``.
    """

    path: Path
    task: JudgeTask
    judge: str
    perturbation: Perturbation | None
    verdicts: tuple[Verdict | Unscored, ...]

    @property
    def first(self) -> tuple[Verdict | Unscored, ...]:
        """The verdicts that are of no repeat."""
        return self.of_repeat("")

    @property
    def repeats(self) -> tuple[str, ...]:
        """The nonces of the repeats."""
        return tuple(sorted({verdict.repeat for verdict in self.verdicts} - {""}))

    def of_repeat(self, repeat: str) -> tuple[Verdict | Unscored, ...]:
        """Return the verdicts of one repeat."""
        return tuple(verdict for verdict in self.verdicts if verdict.repeat == repeat)


def verdict_files(shop: Shop, task: JudgeTask | None = None) -> Iterator[VerdictFile]:
    """Yield the files of verdicts in a shop's work folder by task and name, those that hold none left out.

    Raises:
        UserError: a file holds something else.
    """
    for path in sorted((shop.work / "verdicts").glob(f"{task or '*'}/*.jsonl")):
        verdicts = tuple(read_kept(path))
        if not verdicts:
            continue
        name = verdicts[0].judge
        change = next((change for change in PERTURBATIONS if name.endswith(f", {change}")), None)
        yield VerdictFile(
            path=path,
            task=verdicts[0].item.task,
            judge=name.removesuffix(f", {change}") if change else name,
            perturbation=change,
            verdicts=verdicts,
        )


class People:
    """What people say of a shop's items: of products its judgements, of categories its labelled queries.

    Args:
        shop: The shop.
        gold: Its labelled queries, if any.
    """

    def __init__(self, shop: Shop, gold: GoldSet | None) -> None:
        self._shop = shop
        self._gold = gold

    def on(self, verdicts: Sequence[Verdict | Unscored]) -> tuple[Rating, ...]:
        """Return people's ratings of the items of verdicts, which are of one task.

        Raises:
            ShopError: a file of judgements cannot be used.
        """
        items = dict.fromkeys(verdict.item for verdict in verdicts)
        tasks = {item.task for item in items}
        if "category" in tasks and self._gold is not None:
            return category_ratings((*self._gold.cases, *self._gold.further), items)
        return tuple(rating for rating in self._of_products if rating.item in items) if "relevance" in tasks else ()

    @cached_property
    def _of_products(self) -> tuple[Rating, ...]:
        files = self._shop.files("judgements")
        if not files:
            return ()
        products = pl.read_parquet(self._shop.need_products(), columns=["product_id"])
        known, config = frozenset(products["product_id"]), self._shop.config
        columns, region = config.columns.get("judgements"), region_of(config.locale)
        read = (read_judgements(path, known, columns=columns, region=region) for path in files)
        return tuple(rating for some in read for rating in ratings_of(some))


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Every judge whose verdicts people can be held against.

    ``of_gate`` has by task the one that agrees least with people: to take the best of several would flatter it.
    """

    agreements: tuple[JudgeAgreement, ...]
    figures: tuple[JudgedFigure, ...]
    of_gate: dict[JudgeTask, JudgeFigures]


def judged_shop(shop: Shop, gold: GoldSet | None, answers: Iterable[Understanding]) -> Judged:
    """Hold the verdicts of a shop's judges against what people say, and sum up those on what is served.

    A judge without a single item that people rated is left out: its figures could not be believed.

    Args:
        shop: The shop.
        gold: Labelled queries, for verdicts on categories.
        answers: What is served.

    Raises:
        UserError: a file of verdicts or of judgements cannot be used.
    """
    served, people = _parts(answers), People(shop, gold)
    agreements: list[JudgeAgreement] = []
    figures: list[JudgedFigure] = []
    for file in verdict_files(shop):
        ratings = () if file.perturbation else people.on(file.first)
        if not ratings:
            continue
        found = judge_agreement(file.first, ratings)
        agreements.append(found)
        mine = [verdict for verdict in file.first if verdict.item in served]
        if any(isinstance(verdict, Verdict) for verdict in mine):
            figures.append(judged_figure(f"served {found.task}", mine, found, ratings))
    return Judged(agreements=tuple(agreements), figures=tuple(figures), of_gate=_of_gate(agreements))


def _of_gate(agreements: Sequence[JudgeAgreement]) -> dict[JudgeTask, JudgeFigures]:
    worst: dict[JudgeTask, JudgeFigures] = {}
    for found in agreements:
        figures = JudgeFigures(
            quadratic_kappa=found.with_people.quadratic_kappa.estimate, unscored=found.tally.unscored_share
        )
        worst[found.task] = min(worst.get(found.task, figures), figures, key=_low)
    return worst


def _low(figures: JudgeFigures) -> float:
    return figures.quadratic_kappa.low if figures.quadratic_kappa else -1.0


def _parts(answers: Iterable[Understanding]) -> frozenset[Item]:
    """Return what a judge can be asked of answers, as items."""
    return frozenset(
        Item(task=task, query=answer.normalized, subject=subject)
        for answer in answers
        for task, subjects in _subjects(answer)
        for subject in subjects
    )


def _subjects(answer: Understanding) -> Iterator[tuple[JudgeTask, list[str]]]:
    yield "category", [category.id for category in answer.categories]
    yield "rewrite", [f"{rewrite.type}:{rewrite.query}" for rewrite in answer.rewrites]
    yield "substitute", [f"{idea.category_id}:{idea.label}" for idea in answer.substitutes]
    yield "complement", [f"{idea.category_id}:{idea.label}" for idea in answer.complements]
