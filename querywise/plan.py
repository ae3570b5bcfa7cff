"""What a run has to ask of a shop, and what is kept of it that has to be forgotten first."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from domain.context import ContextStore
from domain.label import Tier, read_labels
from domain.shop import Shop
from prompts import FailureClass, Teacher
from prompts.answer import Answer, read_completion
from prompts.cache import CompletionCache
from prompts.increment import Plan, make_plan, tree_of
from prompts.teacher import Question, Turn, turns_of
from querywise.further import Further
from querywise.labels import labels_file, read_failures
from querywise.trees import read_trees, tree_fingerprint

__all__ = ["plan_labels", "unusable_keys"]


def plan_labels(
    shop: Shop,
    teacher: Teacher,
    *,
    tiers: tuple[Tier, ...],
    further: Further | None = None,
    nonce: str = "",
    again: frozenset[FailureClass] = frozenset(),
    anew: bool = False,
) -> Plan:
    """Return what a run has to ask of its tiers and of what is further; with `anew` that is everything.

    Raises:
        StageMissing: when there are no contexts.
    """
    taxonomy = shop.load_taxonomy()
    now = tree_fingerprint(taxonomy)
    path = labels_file(shop, with_context=teacher.has_context, nonce=nonce)
    further = further or Further()
    return make_plan(
        further.contexts(ContextStore(shop.context_file)),
        tiers=tiers,
        named=further.named,
        teacher=teacher,
        labels=read_labels(path) if path.is_file() else (),
        failures=read_failures(path),
        trees=read_trees(shop) | {now: tree_of(taxonomy)},
        taxonomy=now,
        furthest=shop.config.llm.relabel_distance,
        again=again,
        anew=anew,
    )


def unusable_keys(
    plan: Plan, labels: Path, teacher: Teacher, cache: CompletionCache, again: frozenset[FailureClass]
) -> set[str]:
    """Return the keys of refusals and unreadable answers that are kept of failures of some classes.

    Only of parts that have no other answer: what can be used is not paid for again.
    """
    failed = {failure.query for failure in read_failures(labels) if failure.kind in again}
    found: set[str] = set()
    for query in plan.ask:
        question: Question | None = teacher.ask(query) if query in failed else None
        # The answer may be one to a question that was cut.
        while question is not None:
            for _, turns in groupby(turns_of(question, cache.get), key=lambda turn: turn.part.request.key):
                kept = [turn for turn in turns if turn.completion is not None]
                if kept and not _usable(kept[-1]):
                    found |= {turn.request.key for turn in kept}
            question = teacher.shorter(question)
    return found


def _usable(turn: Turn) -> bool:
    answer = turn.completion
    return (
        answer is not None
        and answer.finish != "refused"
        and isinstance(read_completion(answer, turn.part.prompt.task), Answer)
    )
