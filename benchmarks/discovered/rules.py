"""What the rules about roles refuse, and what a judge says of that beside what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from domain.discovery import Ideas, Role
from domain.discovery.asked import Asked
from domain.discovery.drops import DropReason
from domain.discovery.ground import Grounded
from domain.discovery.roles import RoleJudge
from domain.text import normalise
from domain.verdict import Item
from evals.cells import difference, interval, table
from evals.estimates import Array, Ratio, Sample, bootstrap
from querywise.idea_sides import ROLES, IdeaSide, item_of

__all__ = ["change_table", "refused_table", "swapped_table"]

_DRAWS: Final = 2000
_FEW: Final = 10
"""Ideas of a rule below which no difference is told: the bootstrap of a few that are all right has no width."""


def refused_table(strict: Sequence[IdeaSide], now: Sequence[IdeaSide], verdicts: Mapping[Item, bool]) -> list[str]:
    """Return a row for each kind and rule: judged ideas that it refuses, how many are right, and how many of the kept.

    Args:
        strict: Sides, by the strict rules; an idea of several counts once.
        now: The same by the rules that are in force: how many ideas these let through is counted.
        verdicts: Whether an item is right.
    """
    rows = []
    queries = list(dict.fromkeys(side.label.query for side in strict))
    for role in ROLES:
        items = _items(strict, role)
        kept = {item for some in _items(now, role)[None].values() for item in some}
        ratios = {
            reason: _precision([by_query.get(query, set()) for query in queries], verdicts)
            for reason, by_query in items.items()
        }
        samples = bootstrap(ratios, queries=len(queries), draws=_DRAWS, seed=0)
        for reason, ratio in sorted(ratios.items(), key=lambda one: one[0] or ""):
            judged = {item for some in items[reason].values() for item in some if item in verdicts}
            if not judged:
                continue
            told = reason is not None and len(judged) >= _FEW
            less = difference(samples[reason].over(samples[None]).estimate()) if told else "–"
            through = "–" if reason is None else str(len(judged & kept))
            share = interval(samples[reason].estimate())
            rows.append((role, reason or "(kept)", str(len(judged)), str(ratio.judged), share, less, through))
    head = ("kind", "refused as", "ideas", "queries", "right by the judge", "less that of the kept", "now kept")
    return table(head, rows)


def swapped_table(proposed: Sequence[tuple[Asked, Ideas]], judges: Mapping[str, RoleJudge]) -> list[str]:
    """Return how many ideas have the role that they were proposed for, and how many the other one, by whose rules.

    A model that mixes the roles up proposes complements as substitutes: what of a good model's complements would be let
    through as substitutes says what the rules are worth against that.

    Args:
        proposed: Queries, with what was proposed for them.
        judges: By what they are called.
    """
    rows = []
    for role in ROLES:
        for name, judge in judges.items():
            for offered in ROLES:
                counts = [_let_through(judge, role, offered, asked, ideas) for asked, ideas in proposed]
                ratio = Ratio(
                    top=_array([one.through for one in counts]), bottom=_array([one.grounded for one in counts])
                )
                sample = bootstrap({"share": ratio}, queries=len(counts), draws=_DRAWS, seed=0)["share"]
                rows.append(
                    (f"{offered}s", f"a {role}", name, f"{int(ratio.bottom.sum()):,}", interval(sample.estimate()))
                )
    return table(("ideas proposed as", "taken for", "rules", "ideas in stock", "let through"), rows)


def change_table(before: Sequence[IdeaSide], after: Sequence[IdeaSide], verdicts: Mapping[Item, bool]) -> list[str]:
    """Return what a change of the rules does to one side: the same queries in the same order, with other rules."""
    rows = []
    for role in ROLES:
        ratios: dict[tuple[str, str], Ratio] = {}
        for when, sides in (("before", before), ("after", after)):
            judged = [_judged(side, role, verdicts) for side in sides]
            right = np.array([float(sum(some)) for some in judged])
            asked = np.array([float(len(some)) for some in judged])
            shows = np.array([float(bool(side.shown(role))) for side in sides])
            ratios |= {
                (when, "precision"): Ratio(top=right, bottom=asked),
                # Of a query whose ideas nobody judged it is not known how many are right.
                (when, "right"): Ratio.mean(np.where((shows > 0) & (asked == 0), np.nan, right)),
                (when, "any"): Ratio(top=shows, bottom=np.ones(len(sides))),
            }
        samples = bootstrap(ratios, queries=len(before), draws=_DRAWS, seed=0)
        rows.append((role, *(cell for name in ("any", "right", "precision") for cell in _cells(samples, name))))
    named = ("shows any", "right a query", "precision")
    head = [cell for name in named for cell in (f"{name}, strict", "now", "change")]
    return table(("kind", *head), rows)


def _cells(samples: Mapping[tuple[str, str], Sample], name: str) -> tuple[str, str, str]:
    before, after = samples["before", name], samples["after", name]
    return interval(before.estimate()), interval(after.estimate()), difference(after.over(before).estimate())


@dataclass(frozen=True, kw_only=True)
class _Through:
    """Of the ideas of one kind for a query that ground in something, how many have a role."""

    grounded: int
    through: int


def _let_through(judge: RoleJudge, role: Role, offered: Role, asked: Asked, ideas: Ideas) -> _Through:
    grounder = judge.grounder
    some = ideas.substitutes if offered == "substitute" else ideas.complements
    found = [
        grounder.ground(normalise(idea.query), lambda text: grounder.index.encoder.encode([text])[0]) for idea in some
    ]
    grounded = [one for one in found if isinstance(one, Grounded)]
    return _Through(
        grounded=len(grounded), through=sum(judge.rule(role, asked, one).objection is None for one in grounded)
    )


def _items(sides: Iterable[IdeaSide], role: Role) -> dict[DropReason | None, dict[str, set[Item]]]:
    """Return the ideas of a kind by the rule that refuses them, None for those that are kept, and by query."""
    items: dict[DropReason | None, dict[str, set[Item]]] = {None: {}}
    for side in sides:
        query = side.label.query
        items[None].setdefault(query, set()).update(item_of(query, role, idea) for idea in side.shown(role))
        for reason, idea in side.refused[role]:
            items.setdefault(reason, {}).setdefault(query, set()).add(item_of(query, role, idea))
    return items


def _precision(items: Sequence[set[Item]], verdicts: Mapping[Item, bool]) -> Ratio:
    judged = [[verdicts[item] for item in some if item in verdicts] for some in items]
    return Ratio(top=_array([sum(some) for some in judged]), bottom=_array([len(some) for some in judged]))


def _judged(side: IdeaSide, role: Role, verdicts: Mapping[Item, bool]) -> list[bool]:
    items = (item_of(side.label.query, role, idea) for idea in side.shown(role))
    return [verdicts[item] for item in items if item in verdicts]


def _array(values: Sequence[float]) -> Array:
    return np.array(values, dtype=np.float64)
