"""How the student answers one query: up the tree from the likeliest category, until one is sure enough."""

from __future__ import annotations

from dataclasses import dataclass

from domain.taxonomy import Taxonomy
from release.student import Student

__all__ = ["Step", "steps_of"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One category on the way up.

    Attributes:
        id: Of the category.
        path: Its names from the root.
        chance: Calibrated: of the category itself in the first step, of anything below it in the others.
        threshold: What the chance has to reach; above 1 it never does.
        answered: Whether it did, and the walk ended.
    """

    id: str
    path: tuple[str, ...]
    chance: float
    threshold: float
    answered: bool


def steps_of(student: Student, taxonomy: Taxonomy, normalised: str) -> tuple[Step, ...]:
    """Return the steps that `release.student.decide` takes; where none is answered, it abstains.

    Args:
        student: Of the release.
        taxonomy: Of the release.
        normalised: The query, not empty.
    """
    [probabilities] = student.predict([normalised]).probabilities
    tree, policy = student.tree, student.about.policy
    best, steps = int(probabilities.argmax()), list[Step]()
    for row in tree.path(best):
        levels = policy.own if row == best else policy.ancestor
        raw = probabilities[row] if row == best else probabilities[row : tree.end[row]].sum()
        level = levels[tree.depth[row]]
        chance, category = level.calibrated(float(raw)), tree.ids[row]
        step = Step(
            id=category,
            path=taxonomy.path(category),
            chance=round(chance, 4),
            threshold=round(level.threshold, 4),
            answered=chance >= level.threshold,
        )
        steps.append(step)
        if step.answered:
            break
    return tuple(steps)
