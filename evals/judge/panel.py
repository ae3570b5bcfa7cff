"""Several judges as one: the majority of their grades, or what each one's errors make likely.

Source: Dawid, Skene (1979), Maximum likelihood estimation of observer error-rates using the EM algorithm.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from domain.errors import UserError
from domain.verdict import Item, JudgeTask, Unscored, Verdict
from evals.estimates import Array
from evals.judge.judge_agreement import JudgeAgreement, judge_agreement
from evals.judge.libraries import library
from evals.judge.rating import Rating
from evals.judge.table import GradeTable, tabulate
from evals.judge.tally import judged

__all__ = ["Panel", "PanelMethod", "panel"]

PanelMethod = Literal["majority", "dawid_skene"]
"""How grades become one: the most frequent, of several such the lowest; or the most likely by each member's errors."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What several judges say together.

    Attributes:
        task: What was judged.
        method: How their grades became one.
        members: Judges, or people, by name.
        verdicts: One for each item that any member was asked about; unscored where no member scored it.
        unanimous: Share of the items with two grades or more on which all grades are the same; None without such items.
        usd: What the verdicts of all members cost, where the caller knows.
    """

    task: JudgeTask
    method: PanelMethod
    members: tuple[str, ...]
    verdicts: tuple[Verdict | Unscored, ...]
    unanimous: float | None
    usd: float | None

    def agreement(self, ratings: Sequence[Rating], *, draws: int = 1000, seed: int = 0) -> JudgeAgreement:
        """Compare the panel with people, those left out who sit on it.

        Raises:
            UserError: krippendorff is not installed, or a grade is not on its scale.
        """
        outside = [rating for rating in ratings if rating.rater not in self.members]
        return judge_agreement(self.verdicts, outside, draws=draws, seed=seed)


def panel(
    verdicts: Iterable[Sequence[Verdict | Unscored]],
    *,
    people: Mapping[str, Mapping[Item, int]] | None = None,
    task: JudgeTask,
    method: PanelMethod,
    usd: float | None = None,
) -> Panel:
    """Let several judges, and people if any, decide together; a member without a grade for an item has no voice in it.

    Args:
        verdicts: Those of each judge on the panel, of one repeat.
        people: Grades of people who sit on the panel, by name.
        task: What was judged.
        method: How grades become one.
        usd: What the verdicts cost, if known.

    Raises:
        UserError: there are fewer than two members, one is there twice, they judged different tasks, a grade is not on
            its scale, or crowd-kit is not installed.
    """
    if method not in get_args(PanelMethod):
        raise UserError(f"there is no panel method {method!r}", hint=f"use one of {', '.join(get_args(PanelMethod))}")
    columns: dict[str, Mapping[Item, int]] = dict(people or {})
    unscored: dict[Item, Unscored] = {}
    for given in verdicts:
        found = judged(given)
        if found.task != task:
            raise UserError(f"{found.judge!r} judged {found.task}, not {task}", hint="a panel judges one task")
        if found.judge in columns:
            raise UserError(f"{found.judge!r} is on the panel twice", hint="a member has one voice")
        columns[found.judge] = found.grades
        unscored |= {v.item: v for v in given if isinstance(v, Unscored) and v.item not in unscored}
    if len(columns) < 2:
        raise UserError("a panel has two members or more", hint="give the verdicts of several judges")
    table = tabulate(task, columns)
    decided = _majority(table) if method == "majority" else _dawid_skene(table)
    name = f"panel, {method} of {'; '.join(columns)}"
    left = [item for item in unscored if item not in set(table.items)]
    return Panel(
        task=task,
        method=method,
        members=tuple(columns),
        verdicts=(
            *(_verdict(table, row, int(grade), name) for row, grade in enumerate(decided)),
            *(
                Unscored(item=i, kind=unscored[i].kind, detail="no member scored it", judge=name, repeat="")
                for i in sorted(left, key=lambda item: (item.query, item.subject))
            ),
        ),
        unanimous=_unanimous(table.grades),
        usd=usd,
    )


def _majority(table: GradeTable) -> Array:
    votes = (table.grades[:, :, np.newaxis] == np.arange(table.levels)).sum(axis=1)
    return np.asarray(votes.argmax(axis=1), dtype=np.float64)  # the first of equal ones: the lower grade


def _dawid_skene(table: GradeTable) -> Array:
    """Return the most likely grade of each item, of equally likely ones the lowest."""
    if not table.items:
        return np.empty(0)
    aggregation, pandas = library("crowdkit.aggregation"), library("pandas")
    rows, members = np.nonzero(~np.isnan(table.grades))
    labels = table.grades[rows, members].astype(np.int64)
    votes = pandas.DataFrame({"task": rows, "worker": members, "label": labels})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # crowd-kit's, of pandas
        chances = aggregation.DawidSkene(n_iter=100).fit_predict_proba(votes)
    # Its columns are in the order in which grades first occur; of equal chances the lowest grade is taken.
    chances = chances.reindex(index=range(len(table.items)), columns=range(table.levels), fill_value=0.0)
    return np.asarray(chances.to_numpy().argmax(axis=1), dtype=np.float64)


def _verdict(table: GradeTable, row: int, grade: int, name: str) -> Verdict:
    voices = Counter(int(grade) for grade in table.grades[row] if not np.isnan(grade))
    told = ", ".join(f"{n} x grade {grade}" for grade, n in sorted(voices.items()))
    return Verdict(item=table.items[row], grade=grade, facets={}, reason=told, judge=name, repeat="", key="")


def _unanimous(grades: Array) -> float | None:
    several = grades[(~np.isnan(grades)).sum(axis=1) > 1]
    if not len(several):
        return None
    return float((np.nanmax(several, axis=1) == np.nanmin(several, axis=1)).mean())
