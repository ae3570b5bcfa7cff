"""How right the categories of an answer are: counts per query, at three levels of the tree.

A case that asks for an abstention asks for one thing, which only an answer without categories gives; any other answer
to it is wrong and leaves it unfound. This is how SQuAD 2.0 scores questions without an answer (Rajpurkar et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Literal

from domain.taxonomy import Taxonomy
from domain.understanding import Understanding
from evals.case import Case

__all__ = ["Counts", "Level", "count", "is_top_right", "predicted_ids"]

Level = Literal["leaf", "parent", "hierarchical"]


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Ids of one answer: ``right`` of the ``given`` ones, ``found`` of the ``asked`` ones."""

    right: int
    given: int
    found: int
    asked: int

    @property
    def f1(self) -> float:
        """Harmonic mean of right/given and found/asked; 0 where nothing is right or found."""
        if not self.right or not self.found:
            return 0.0
        precision, recall = self.right / self.given, self.found / self.asked
        return 2 * precision * recall / (precision + recall)


def predicted_ids(answer: Understanding) -> tuple[str, ...]:
    """Return the ids of an answer, each once, best first."""
    return tuple(dict.fromkeys(category.id for category in answer.categories))


def count(case: Case, predicted: Sequence[str], taxonomy: Taxonomy, level: Level) -> Counts | None:
    """Count one answer at one level, or return None where the categories are not labelled.

    ``leaf`` compares the ids as they are; ``parent`` compares their parents, a root standing for itself, and takes an
    answer that already is the parent of an expected id as it is, so that backing off is not punished twice;
    ``hierarchical`` compares ids with all their ancestors (Kiritchenko et al. 2006).
    """
    if case.categories is None:
        return None
    if not case.categories and not predicted:
        return Counts(right=1, given=1, found=1, asked=1)
    gold = _raised(case.categories, taxonomy, level)
    right = gold | _raised(case.acceptable, taxonomy, level)
    given = (
        _raised(predicted, taxonomy, level) if level != "parent" else _parents_given(predicted, gold, right, taxonomy)
    )
    return Counts(right=len(given & right), given=len(given), found=len(given & gold), asked=len(gold) or 1)


def is_top_right(case: Case, predicted: Sequence[str]) -> bool | None:
    """Whether the first id is expected or acceptable, or the abstention is; None where categories are not labelled."""
    if case.categories is None:
        return None
    if not predicted:
        return not case.categories
    return predicted[0] in case.categories or predicted[0] in case.acceptable


def _raised(ids: Sequence[str], taxonomy: Taxonomy, level: Level) -> Set[str]:
    if level == "leaf":
        return set(ids)
    if level == "parent":
        return {_parent(i, taxonomy) for i in ids}
    return {above for i in ids for above in (taxonomy.lineage(i) if i in taxonomy else (i,))}


def _parent(category_id: str, taxonomy: Taxonomy) -> str:
    """Return the parent; a root, or an id that does not exist, stands for itself."""
    node = taxonomy[category_id] if category_id in taxonomy else None
    return (node.parent_id or category_id) if node else category_id


def _parents_given(ids: Sequence[str], gold: Set[str], right: Set[str], taxonomy: Taxonomy) -> Set[str]:
    """Raise each id, unless it stays right only as it is."""
    chosen = set()
    for i in ids:
        forms = (_parent(i, taxonomy), i)
        chosen.add(next((form for wanted in (gold, right) for form in forms if form in wanted), forms[0]))
    return chosen
