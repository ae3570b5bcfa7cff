"""What a run has to ask: the queries whose label would no longer be the same, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from domain.context import DomainContext
from domain.label import Label, Tier
from domain.taxonomy import Taxonomy
from prompts.labelling import Failure, FailureClass, demand_of
from prompts.teacher import Teacher

__all__ = ["AskReason", "Plan", "distance", "make_plan", "tree_of", "unseen_context"]

AskReason = Literal[
    "new",
    "model_changed",
    "prompt_changed",
    "examples_changed",
    "taxonomy_changed",
    "context_changed",
    "failed_before",
    "asked_again",
]
"""Why a query is put to the model."""

# What the same question will meet again: asked anew only when somebody says so.
_STANDING: frozenset[FailureClass] = frozenset({"refused", "unparseable", "too_long"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run before it begins.

    Attributes:
        ask: Queries to put to the model, most searched first.
        reasons: How many of them for each reason.
        carried: Labels that stand.
        standing: Failures that would only be met again.
        others: Labels and failures of queries that the run is not about; labels whose categories left the tree are
            gone. Also labels of tail queries without a context, such as those that came from elsewhere than the log.
        replaced: Labels of queries in `ask` and `standing` that would do, should there be no new one.
    """

    ask: tuple[str, ...]
    reasons: dict[AskReason, int]
    carried: tuple[Label, ...]
    standing: tuple[Failure, ...]
    others: tuple[Label | Failure, ...]
    replaced: Mapping[str, Label]

    @property
    def queries(self) -> int:
        """How many queries the run is about."""
        return len(self.ask) + len(self.carried) + len(self.standing)


def distance(old: Mapping[str, float], new: Mapping[str, float]) -> float:
    """Return the total variation distance of two distributions of demand over categories, 0 to 1.

    What a distribution leaves of 1 counts as one further category.
    """
    rest = abs(sum(old.values()) - sum(new.values()))
    moved = sum(abs(old.get(i, 0.0) - new.get(i, 0.0)) for i in old.keys() | new.keys())
    # Shares have four decimals: what lies beyond the sixth is how a computer adds, and would pass a limit that is met.
    return round((moved + rest) / 2, 6)


def unseen_context(query: str, searches: int) -> DomainContext:
    """Return the context of a query that the log does not hold, with how often it was searched elsewhere."""
    return DomainContext(
        query=query, searches=searches, clients=0, tier="tail", share=0.0, zero_share=None, acted_share=0.0
    )


def tree_of(taxonomy: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Return the path of names of every category: what has to be the same for an answer to stand."""
    return {category_id: taxonomy.path(category_id) for category_id in taxonomy}


def make_plan(
    contexts: Iterable[DomainContext],
    *,
    tiers: Collection[Tier],
    named: Collection[str] = (),
    teacher: Teacher,
    labels: Iterable[Label] = (),
    failures: Iterable[Failure] = (),
    trees: Mapping[str, Mapping[str, tuple[str, ...]]],
    taxonomy: str,
    furthest: float,
    again: Collection[FailureClass] = (),
    anew: bool = False,
) -> Plan:
    """Sort the queries of a run into those to ask and those whose label stands.

    Args:
        contexts: Every query of the log with what it says of it now, and every other one of `named`.
        tiers: Those that the run is about.
        named: Queries that it is about whatever their tier.
        teacher: Whose labels are wanted.
        labels: Of the run before.
        failures: Of the run before.
        trees: `tree_of` the taxonomies that the labels were made in, by fingerprint, and of the one of now.
        taxonomy: Fingerprint of the tree of now.
        furthest: The distance of demand beyond which a query is asked anew.
        again: Classes of failures to take up once more. All others are taken up whose question may now be answered.
        anew: Whether to ask everything.
    """
    before = {label.query: label for label in labels}
    failed = {failure.query: failure for failure in failures}
    tree = trees[taxonomy]
    changed = {name: _changed(old, tree) for name, old in trees.items()}
    ask: list[str] = []
    reasons: Counter[AskReason] = Counter()
    carried: list[Label] = []
    standing: list[Failure] = []
    others: list[Label | Failure] = []
    replaced: dict[str, Label] = {}
    for context in contexts:
        label, failure = before.pop(context.query, None), failed.get(context.query)
        # A category that left the tree cannot be served, whoever answered with it.
        stands = label and _brought_up(label, context, teacher, tree)
        if context.tier not in tiers and context.query not in named:
            others += [failure] if failure else []
            others += [stands] if stands else []
            continue
        reason: AskReason | None
        if anew:
            reason = "asked_again"
        elif failure is not None:
            reason = "asked_again" if failure.kind in again else None if _stands(failure, teacher) else "failed_before"
        elif label is None:
            reason = "new"
        else:
            reason = _why(label, context, teacher, changed, furthest) or (None if stands else "taxonomy_changed")
        if reason is not None:
            ask.append(context.query)
            reasons[reason] += 1
        elif failure is not None:
            standing.append(failure)
        elif stands is not None:
            carried.append(stands)
        if stands is not None and (reason is not None or failure is not None):
            replaced[context.query] = stands
    # A head or torso query that has left the log is searched no more; the tail comes and goes, and was paid for.
    left = (label for label in before.values() if label.tier == "tail")
    now = ((label, unseen_context(label.query, label.searches)) for label in left)
    others += [stands for label, context in now if (stands := _brought_up(label, context, teacher, tree))]
    return Plan(
        ask=tuple(ask),
        reasons=dict(reasons),
        carried=tuple(carried),
        standing=tuple(standing),
        others=tuple(others),
        replaced=replaced,
    )


def _stands(failure: Failure, teacher: Teacher) -> bool:
    return failure.kind in _STANDING and failure.key == teacher.ask(failure.query).key


def _why(
    label: Label,
    context: DomainContext,
    teacher: Teacher,
    changed: Mapping[str, frozenset[str]],
    furthest: float,
) -> AskReason | None:
    made = label.provenance
    if made.model != teacher.model:
        return "model_changed"
    if made.prompt != "+".join(prompt.id for prompt in teacher.prompts_of(context)):
        return "prompt_changed"
    if made.examples != teacher.examples_id:
        return "examples_changed"
    if made.taxonomy not in changed:
        return "taxonomy_changed"
    if touched := changed[made.taxonomy]:
        offered = teacher.ask(context.query).offer.ids.values()
        if touched & {*offered, *(category.id for category in label.understanding.categories)}:
            return "taxonomy_changed"
    shown = demand_of(context) if teacher.has_context else {}
    return "context_changed" if distance(made.demand, shown) > furthest else None


def _brought_up(
    label: Label, context: DomainContext, teacher: Teacher, tree: Mapping[str, tuple[str, ...]]
) -> Label | None:
    """Return a label with what log and tree alone decide as it is now, or None where a category has left the tree."""
    if not {category.id for category in label.understanding.categories} <= tree.keys():
        return None
    understanding = replace(
        label.understanding,
        categories=tuple(replace(category, path=tree[category.id]) for category in label.understanding.categories),
        next_queries=teacher.next_queries(context),
    )
    return replace(label, tier=context.tier, searches=context.searches, understanding=understanding)


def _changed(old: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the categories that are new, gone, renamed or elsewhere."""
    return frozenset(i for i in old.keys() | new.keys() if old.get(i) != new.get(i))
