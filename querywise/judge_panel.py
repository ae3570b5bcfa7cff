"""The judges of a task as one: what they agree with people together, beside each alone, and what each cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from domain.errors import UserError
from domain.shop import Shop
from domain.verdict import JudgeTask, Unscored, Verdict
from evals.judge import JudgeAgreement, Panel, judge_agreement, panel
from evals.judge.blocks import Block, Grid, as_text
from evals.judge.panel import PanelMethod
from prompts.ledger import read_ledger
from querywise.judge_worth import shown
from querywise.judges import People, verdict_files

__all__ = ["Cost", "Member", "PanelWorth", "panel_of"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What verdicts cost: ``usd`` of the completions whose price is known, None where that is of none.

    ``unpriced`` are the completions of unknown price: those of a recording, of a deleted ledger, or of a model without
    a price.
    """

    usd: float | None
    unpriced: int

    @property
    def whole(self) -> float | None:
        """The price of all, in US dollars; None where any is unknown."""
        return None if self.unpriced else self.usd

    def __str__(self) -> str:
        if self.usd is None:
            return "unknown"
        return f"${self.usd:,.4f}" + (f" and the unknown price of {self.unpriced:,}" if self.unpriced else "")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A judge on a panel; ``agreement`` is with people on the panel's items, None where they graded none."""

    judge: str
    cost: Cost
    agreement: JudgeAgreement | None


@dataclass(frozen=True, kw_only=True)
class PanelWorth:
    """A panel beside its members, on the items that every member was asked about.

    ``left_out`` are the items that only some were asked about. ``cost`` is that of all members together.
    """

    panel: Panel
    agreement: JudgeAgreement | None
    members: tuple[Member, ...]
    cost: Cost
    left_out: int

    def text(self) -> str:
        """Return what a reader needs."""
        found = self.panel
        rows = [(member.judge, *_agreed(member.agreement), str(member.cost)) for member in self.members]
        rows.append((f"the panel, {found.method.replace('_', ' ')}", *_agreed(self.agreement), str(self.cost)))
        if self.agreement:
            people = self.agreement.people
            kappas = shown(people.pairwise.plain), shown(people.pairwise.quadratic)
            rows.append(("people in pairs", *kappas, shown(people.alpha), ""))
        same = "" if found.unanimous is None else f", the members of one mind on {found.unanimous:.1%}"
        few = f" {self.left_out:,} items that only some of them judged are left out." if self.left_out else ""
        blocks: list[Block] = [
            f"{len(self.members)} judges of {found.task}, {len(found.verdicts):,} items{same}.{few}",
            Grid(head=("agreement with people", "Cohen's kappa", "quadratic kappa", "alpha", "cost"), rows=tuple(rows)),
            f"Judges with the median of people, on {self.agreement.with_people.items:,} items of "
            f"{self.agreement.with_people.queries:,} queries. Brackets: 95% cluster bootstrap over queries."
            if self.agreement
            else "Nobody knows how good any of them is: no person graded any of the items.",
        ]
        return as_text(blocks)


def panel_of(shop: Shop, task: JudgeTask, method: PanelMethod, people: People) -> PanelWorth:
    """Let the judges of a task decide together whose verdicts are kept; repeats and audits have no voice.

    Args:
        shop: The shop.
        task: The task.
        method: How grades become one.
        people: What people say.

    Raises:
        UserError: there are fewer than two judges, they share no item, a file cannot be used, or the extra `judge` is
            not installed.
    """
    given = [file.first for file in verdict_files(shop, task) if not file.perturbation and file.first]
    if len(given) < 2:
        raise UserError(
            f"a panel has two members or more, and {len(given)} judged {task}",
            hint="run `querywise judge` with another --model or --rubric first",
        )
    asked = [{verdict.item for verdict in verdicts} for verdicts in given]
    shared = set.intersection(*asked)
    if not shared:
        raise UserError(
            f"the {len(given)} judges of {task} were asked about no item in common",
            hint="give each the same --queries, or the same --sample and --seed",
        )
    theirs = [tuple(verdict for verdict in verdicts if verdict.item in shared) for verdicts in given]
    ledger = read_ledger(shop.ledger).select("key", "price")
    costs = [_cost(ledger, _keys(verdicts)) for verdicts in theirs]
    cost = _cost(ledger, {key for verdicts in theirs for key in _keys(verdicts)})
    found = panel(theirs, task=task, method=method, usd=cost.whole)
    ratings = people.on(theirs[0])
    members = tuple(
        Member(judge=name, cost=spent, agreement=judge_agreement(verdicts, ratings) if ratings else None)
        for name, spent, verdicts in zip(found.members, costs, theirs, strict=True)
    )
    return PanelWorth(
        panel=found,
        agreement=found.agreement(ratings) if ratings else None,
        members=members,
        cost=cost,
        left_out=len(set.union(*asked) - shared),
    )


def _agreed(found: JudgeAgreement | None) -> Sequence[str]:
    if found is None:
        return "–", "–", "–"
    whole = found.with_people
    return shown(whole.kappa), shown(whole.quadratic_kappa), shown(whole.alpha)


def _keys(verdicts: Iterable[Verdict | Unscored]) -> set[str]:
    return {verdict.key for verdict in verdicts if isinstance(verdict, Verdict)}


def _cost(ledger: pl.DataFrame, keys: set[str]) -> Cost:
    """Sum what the ledger has of these requests; one that it lacks was paid for elsewhere."""
    lines = ledger.filter(pl.col("key").is_in(list(keys)))
    priced = lines.drop_nulls("price")
    unpriced = len(keys - set(lines["key"])) + lines.height - priced.height
    return Cost(usd=float(priced["price"].sum()) if priced.height else None, unpriced=unpriced)
