"""Grades of items by raters, people and judges alike, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from domain.errors import UserError
from domain.verdict import Item, JudgeTask
from evals.estimates import Array, Ratio
from evals.judge.rating import Rating

__all__ = ["TOP_GRADE", "GradeTable", "by_rater", "confusion", "item_mean", "lower_median", "tabulate"]

TOP_GRADE: Final[Mapping[JudgeTask, int]] = {
    "relevance": 3,
    "category": 1,
    "rewrite": 1,
    "substitute": 1,
    "complement": 1,
}
"""The highest grade of each task; all grades are whole and the lowest is 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GradeTable:
    """Grades of one task: ``grades`` is items x raters, NaN where a rater gave none.

    Items are in the order of their queries and subjects, so that nothing depends on the order of a file.
    """

    task: JudgeTask
    items: tuple[Item, ...]
    raters: tuple[str, ...]
    grades: Array

    @cached_property
    def query_of(self) -> NDArray[np.intp]:
        """The place of each item's query among the queries of the table."""
        places: dict[str, int] = {}
        return np.array([places.setdefault(item.query, len(places)) for item in self.items], dtype=np.intp)

    @property
    def queries(self) -> int:
        """How many queries the items have."""
        return int(self.query_of[-1]) + 1 if self.items else 0

    @property
    def levels(self) -> int:
        """How many grades there are."""
        return TOP_GRADE[self.task] + 1

    def only(self, rows: NDArray[np.bool_]) -> GradeTable:
        """Return the table of these items alone."""
        items = tuple(item for item, kept in zip(self.items, rows, strict=True) if kept)
        return GradeTable(task=self.task, items=items, raters=self.raters, grades=self.grades[rows])


def by_rater(ratings: Iterable[Rating], task: JudgeTask) -> dict[str, dict[Item, int]]:
    """Return the ratings of one task by rater, those of other tasks left out; of two of one item the last counts."""
    found: dict[str, dict[Item, int]] = {}
    for rating in ratings:
        if rating.item.task == task:
            found.setdefault(rating.rater, {})[rating.item] = rating.grade
    return dict(sorted(found.items()))


def tabulate(task: JudgeTask, columns: Mapping[str, Mapping[Item, int]]) -> GradeTable:
    """Return the table with a column for each rater, in the order given, and a row for each item that any rater graded.

    Raises:
        UserError: an item is of another task, or a grade is not on its scale.
    """
    every = {item for grades in columns.values() for item in grades}
    items = tuple(sorted(every, key=lambda item: (item.query, item.subject)))
    for item in items:
        if item.task != task:
            raise UserError(
                f"{item.subject!r} is of the task {item.task}, not {task}", hint="grade each task by itself"
            )
    place = {item: row for row, item in enumerate(items)}
    table = np.full((len(items), len(columns)), np.nan)
    for column, (rater, grades) in enumerate(columns.items()):
        for item, grade in grades.items():
            if grade not in range(TOP_GRADE[task] + 1):
                raise UserError(
                    f"{rater or 'a rater'} gives {item.subject!r} the grade {grade}",
                    hint=f"grades of {task} are whole numbers from 0 to {TOP_GRADE[task]}",
                )
            table[place[item], column] = grade
    return GradeTable(task=task, items=items, raters=tuple(columns), grades=table)


def lower_median(grades: Array) -> Array:
    """Return the median of each row, of an even number the lower of the two in the middle; NaN where a row has none."""
    if not grades.shape[1]:
        return np.full(len(grades), np.nan)
    ordered = np.sort(grades, axis=1)  # NaN last
    middle = np.maximum((~np.isnan(grades)).sum(axis=1) - 1, 0) // 2
    return np.take_along_axis(ordered, middle[:, np.newaxis], axis=1)[:, 0]


def confusion(one: Array, other: Array, table: GradeTable) -> Array:
    """Count items by query, by the grade of one rater (rows) and by that of another (columns).

    Args:
        one: A grade for each item of the table, or NaN; an item that lacks either grade is not counted.
        other: The same of the other rater.
        table: Whose items they are.

    Returns:
        Counts, queries x grades x grades.
    """
    both = ~(np.isnan(one) | np.isnan(other))
    counts = np.zeros((table.queries, table.levels, table.levels))
    np.add.at(counts, (table.query_of[both], one[both].astype(np.intp), other[both].astype(np.intp)), 1.0)
    return counts


def item_mean(values: Array, table: GradeTable) -> Ratio:
    """Return the mean of a value of each item of a table, drawn by queries."""
    return Ratio(
        top=np.bincount(table.query_of, weights=values, minlength=table.queries).astype(np.float64),
        bottom=np.bincount(table.query_of, minlength=table.queries).astype(np.float64),
    )
