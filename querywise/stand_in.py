"""The judge whose grades stand in where no person rated a product for a query."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from domain.errors import UserError
from domain.judgements import Judgement
from domain.shop import Shop
from domain.verdict import Verdict
from evals.judge import JudgeAgreement, judge_agreement, judged, may_gate
from querywise.judges import People, VerdictFile, verdict_files

__all__ = ["LEAST_KAPPA", "StandIn", "stand_in_of"]

LEAST_KAPPA: Final = 0.6
"""What the lower end of a judge's quadratic kappa with people has to reach before its grades stand in for theirs."""


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A judge's agreement with people, and its grades as judgements, those of pairs that people rated among them."""

    agreement: JudgeAgreement
    grades: tuple[Judgement, ...]


def stand_in_of(shop: Shop, product_ids: Container[str]) -> StandIn:
    """Return the shop's judge of relevance with most verdicts of those that may gate; of equals the first by name.

    Its verdicts are those of the first repeat, nothing perturbed.

    Args:
        shop: The shop.
        product_ids: Products of the shop; a grade of any other is left out.

    Raises:
        UserError: no judge has a verdict, none may gate, a file cannot be used, or the extra `judge` is not installed.
    """
    files = [file for file in verdict_files(shop, "relevance") if not file.perturbation and _verdicts(file)]
    if not files:
        raise UserError(
            "no judge has a verdict on relevance", hint=f"run `querywise judge {shop.folder} --task relevance` first"
        )
    people, refused = People(shop, None), list[str]()
    for file in sorted(files, key=lambda file: (-_verdicts(file), file.judge)):
        agreement = judge_agreement(file.first, people.on(file.first))
        gate = may_gate(agreement, minimum=LEAST_KAPPA, kappa="quadratic")
        if gate.passes:
            return StandIn(agreement=agreement, grades=_grades(file, product_ids))
        refused.append(f"{file.judge}: {'; '.join(objection.detail for objection in gate.objections)}")
    raise UserError(
        f"no judge agrees with people well enough to stand in for them. {'. '.join(refused)}",
        hint="let `querywise judge` judge more of the pairs that people rated, or name a better model",
    )


def _verdicts(file: VerdictFile) -> int:
    return sum(isinstance(verdict, Verdict) for verdict in file.first)


def _grades(file: VerdictFile, product_ids: Container[str]) -> tuple[Judgement, ...]:
    return tuple(
        Judgement(query=item.query, product_id=item.subject, rating=grade, rater=file.judge)
        for item, grade in judged(file.first).grades.items()
        if item.subject in product_ids
    )
