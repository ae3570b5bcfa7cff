"""What the verdicts of one judge are worth, from all that is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from domain.errors import UserError
from domain.shop import Shop
from domain.verdict import JudgeTask, Unscored, Verdict
from evals.cells import difference, interval
from evals.judge import (
    Audit,
    Coefficient,
    Consistency,
    JudgeAgreement,
    JudgedFigure,
    audit,
    judge_agreement,
    judged_figure,
    self_consistency,
    to_text,
)
from evals.judge.blocks import Block, Grid, as_text
from prompts.judge import PERTURBATIONS
from querywise.judges import People, VerdictFile, verdict_files

__all__ = ["Worth", "nothing_known", "shown", "worth_of"]

_UNHEARD: Final = (
    "Read some of their reasons yourself before you rely on them: people's grades of {task}s are read from no file."
)
_TO_ADD: Final[Mapping[JudgeTask, str]] = {
    "relevance": "Add ratings of these products to the shop's judgements.",
    "category": "Add some of these queries, drawn at random, with the categories that you expect to the shop's gold.",
    "rewrite": _UNHEARD,
    "substitute": _UNHEARD,
    "complement": _UNHEARD,
}


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What one judge's verdicts on one task are worth, as far as it is known.

    Attributes:
        judge: Model and rubric.
        task: What is judged.
        agreement: With people; None where nobody graded any of the items.
        figure: The mean grade of all items, corrected by people; None likewise.
        consistency: Between the repeats; None without any.
        audit: What the changes do that should do nothing; None where none was tried.
        unknown: Where there is no agreement, a sentence that says why, and what to add.
    """

    judge: str
    task: JudgeTask
    agreement: JudgeAgreement | None
    figure: JudgedFigure | None
    consistency: Consistency | None
    audit: Audit | None
    unknown: str

    def document(self) -> dict[str, Any]:
        """Return everything as one document of JSON; the agreement is in it once."""
        found = asdict(self)
        if found["figure"]:
            del found["figure"]["agreement"]
        return found

    def text(self) -> str:
        """Return what a reader needs, in some thirty lines."""
        blocks: list[Block] = []
        if self.agreement and self.figure:
            blocks += [*_agreement(self.agreement), _mean(self.figure)]
        else:
            blocks.append(self.unknown)
        if self.consistency:
            blocks.append(_steadiness(self.consistency))
        page = as_text(blocks)
        return f"{page}\n{to_text(self.audit)}" if self.audit else page


def worth_of(shop: Shop, task: JudgeTask, judge: str, people: People) -> Worth:
    """Return what the verdicts of a judge that are kept in a shop's work folder are worth.

    Args:
        shop: The shop.
        task: The task.
        judge: Model and rubric, as verdicts name them.
        people: What people say.

    Raises:
        UserError: there is no verdict, a file cannot be used, or the extra `judge` is not installed.
    """
    files = [file for file in verdict_files(shop, task) if file.judge == judge]
    plain = next((file for file in files if not file.perturbation), None)
    if plain is None or not plain.first:
        raise UserError(f"{judge} has no verdict on {task}", hint="`querywise judge` asks for them")
    ratings = people.on(plain.first)
    agreement = judge_agreement(plain.first, ratings) if ratings else None
    scored = any(isinstance(verdict, Verdict) for verdict in plain.first)
    return Worth(
        judge=judge,
        task=task,
        agreement=agreement,
        figure=judged_figure(f"mean grade of {task}", plain.first, agreement, ratings)
        if agreement and scored
        else None,
        consistency=self_consistency(plain.verdicts) if plain.repeats else None,
        audit=_audited(
            plain, {change: file.first for change in PERTURBATIONS for file in files if file.perturbation == change}
        ),
        unknown="" if agreement else _unknown(task),
    )


def nothing_known(task: JudgeTask, judge: str, why: str) -> Worth:
    """Return the worth of verdicts of which nothing is known, with a sentence that says why."""
    return Worth(judge=judge, task=task, agreement=None, figure=None, consistency=None, audit=None, unknown=why)


def _unknown(task: JudgeTask) -> str:
    why = "Nobody knows how good these verdicts are: no person graded any of the items."
    return f"{why} {_TO_ADD[task].format(task=task)}"


def _audited(plain: VerdictFile, changed: Mapping[str, Sequence[Verdict | Unscored]]) -> Audit | None:
    """Compare with the changes, beside the first repeat that has all their items."""
    if not changed:
        return None
    wanted = {verdict.item for verdicts in changed.values() for verdict in verdicts}
    repeats = map(plain.of_repeat, plain.repeats)
    whole = (repeat for repeat in repeats if wanted <= {verdict.item for verdict in repeat})
    return audit(plain.first, changed, repeat=next(whole, None))


def _agreement(found: JudgeAgreement) -> list[Block]:
    held, whole, people = found.ceiling, found.with_people, found.people
    rows = [("the judge with the median of people", shown(whole.kappa), shown(whole.quadratic_kappa))]
    raters, beside = "one person" if len(held.lines) == 1 else f"{len(held.lines):,} people", ""
    if people.raters > 1:
        rows += [
            ("the judge in the place of a person", shown(held.judge.plain), shown(held.judge.quadratic)),
            ("a person: the ceiling", shown(held.person.plain), shown(held.person.quadratic)),
            ("the judge less a person", _gap(held.gap.plain), _gap(held.gap.quadratic)),
            ("people in pairs", shown(people.pairwise.plain), shown(people.pairwise.quadratic)),
        ]
        beside = (
            f", of people among themselves {shown(people.alpha)}. In the place of a person: against the median of the "
            "others, each person left out in turn"
        )
    else:
        raters += ", no item by two of them: how far people agree, which no judge can be asked to pass, is not known"
    return [
        f"{found.judge}, on {found.task}: {whole.items:,} items of {whole.queries:,} queries have a verdict and were "
        f"graded by {raters}.",
        Grid(head=("agreement", "Cohen's kappa", "quadratic kappa"), rows=tuple(rows)),
        f"Exact agreement {shown(whole.exact)}; Krippendorff's alpha {shown(whole.alpha)}{beside}. "
        "Brackets: 95% cluster bootstrap over queries.",
    ]


def _mean(found: JudgedFigure) -> str:
    alone = f"{interval(found.naive)} over {found.naive.queries:,} queries by the judge alone"
    if found.correction is None:
        return f"Mean grade: {alone}; people labelled too few of them to correct it."
    return (
        f"Mean grade: {interval(found.correction.corrected)} corrected by people, {alone}, "
        f"{interval(found.correction.people)} over {found.correction.people.queries:,} by people alone."
    )


def _steadiness(found: Consistency) -> str:
    return (
        f"Asked {found.repeats} times: {interval(found.same)} of {found.items:,} items have one grade throughout, and "
        f"two repeats differ on {interval(found.flips)}; Krippendorff's alpha between them {shown(found.alpha)}."
    )


def shown(found: Coefficient) -> str:
    """Return a coefficient with its interval, or why it is not defined."""
    return interval(found.estimate) if found.estimate else f"not defined ({found.undefined})"


def _gap(found: Coefficient) -> str:
    return difference(found.estimate) if found.estimate else f"not defined ({found.undefined})"
