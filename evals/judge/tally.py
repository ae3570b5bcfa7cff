"""The verdicts of one judge: its grades, and how many items it did not score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from domain.errors import UserError
from domain.verdict import Item, JudgeTask, Unscored, UnscoredKind, Verdict

__all__ = ["Judged", "Tally", "judged", "latest", "tally"]

_S = TypeVar("_S", bound=str)


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Items with a verdict, and by reason those without: they are left out of means, never taken for 0."""

    scored: int
    unscored: dict[UnscoredKind, int]

    @property
    def items(self) -> int:
        """All items."""
        return self.scored + sum(self.unscored.values())

    @property
    def unscored_share(self) -> float:
        """Items without a verdict as a share of all; 0 where there is no item."""
        return sum(self.unscored.values()) / self.items if self.items else 0.0


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What one judge said of the items of one task, in one repeat; ``unscored`` are those without a verdict."""

    judge: str
    task: JudgeTask
    grades: dict[Item, int]
    unscored: frozenset[Item]
    tally: Tally


def latest(verdicts: Iterable[Verdict | Unscored]) -> dict[Item, Verdict | Unscored]:
    """Return the last thing said of each item."""
    return {verdict.item: verdict for verdict in verdicts}


def tally(verdicts: Iterable[Verdict | Unscored]) -> Tally:
    """Count items; where several things are said of one, the last counts."""
    last = latest(verdicts).values()
    kinds = Counter(verdict.kind for verdict in last if isinstance(verdict, Unscored))
    return Tally(scored=len(last) - kinds.total(), unscored=dict(sorted(kinds.items())))


def judged(verdicts: Iterable[Verdict | Unscored]) -> Judged:
    """Collect the verdicts of one judge; where several things are said of one item, the last counts.

    Raises:
        UserError: there is no verdict, or they are of several judges, tasks or repeats, whose numbers would be mixed.
    """
    found = list(verdicts)
    task, judge = _only({v.item.task for v in found}, "task"), _only({v.judge for v in found}, "judge")
    _only({v.repeat for v in found}, "repeat")
    last = latest(found)
    grades = {item: verdict.grade for item, verdict in last.items() if isinstance(verdict, Verdict)}
    return Judged(
        judge=judge, task=task, grades=grades, unscored=frozenset(last.keys() - grades.keys()), tally=tally(found)
    )


def _only(names: set[_S], what: str) -> _S:
    if not names:
        raise UserError("there is no verdict", hint="judge some items first")
    if len(names) > 1:
        shown = ", ".join(repr(name[:60]) for name in sorted(names)[:3])
        raise UserError(
            f"the verdicts are of {len(names)} {what}s: {shown}", hint=f"take those of one {what} at a time"
        )
    return next(iter(names))
