"""What an answer is worth against a person's label, and in words what was wrong with it."""

from __future__ import annotations

from collections.abc import Sequence

from domain.label import Label
from domain.taxonomy import Taxonomy
from evals import Case
from evals.categories import count, predicted_ids
from prompts import Failure
from prompts.bench import Score
from prompts.evidence import quote_path

__all__ = ["judge"]

_DROPS = 0.1
"""What an answer of which the checks leave nothing has less than one that they leave alone, of its F1."""


def judge(case: Case, result: Label | Failure, taxonomy: Taxonomy) -> Score:
    """Score what came of a query that has labelled categories.

    The score is the F1 of its categories as `evals` counts them, less up to a tenth of it for the share of the answer
    that the checks took out. A failure is worth nothing, even where an abstention was right. The words name categories
    by their paths: a short id means another category in every question.
    """
    if isinstance(result, Failure):
        return Score(value=0.0, feedback=f"There is no usable answer ({result.kind}): {result.detail}")
    given = predicted_ids(result.understanding)
    counts = count(case, given, taxonomy, "leaf")
    answer, dropped = result.understanding, result.provenance.dropped
    kept = len(answer.categories) + len(answer.annotations) + len(answer.rewrites)
    share = sum(dropped.values()) / max(1, kept + sum(dropped.values()))
    value = (counts.f1 if counts else 0.0) * (1 - _DROPS * share)
    return Score(value=value, feedback=" ".join([*_on_categories(case, given, taxonomy), *_on_drops(dropped)]))


def _on_categories(case: Case, given: Sequence[str], taxonomy: Taxonomy) -> list[str]:
    expected = case.categories or ()
    missing = [i for i in expected if i not in given]
    wrong = [i for i in given if i not in expected and i not in case.acceptable]
    if not missing and not wrong and bool(given) == bool(expected):
        return ["The categories are right."]
    said = [f"Expected: {_paths(expected, taxonomy) or 'no category at all, which is to abstain'}."]
    if case.acceptable:
        said.append(f"Not wrong either: {_paths(case.acceptable, taxonomy)}.")
    if missing:
        said.append(f"Missing: {_paths(missing, taxonomy)}.")
    if wrong:
        said.append(f"Wrong: {_paths(wrong, taxonomy)}.")
    return said


def _on_drops(dropped: dict[str, int]) -> list[str]:
    reasons = ", ".join(f"{reason.replace('_', ' ')} ({times})" for reason, times in sorted(dropped.items()))
    return [f"Taken out by the checks: {reasons}."] if reasons else []


def _paths(ids: Sequence[str], taxonomy: Taxonomy) -> str:
    return "; ".join(quote_path(taxonomy, i) if i in taxonomy else i for i in ids)
