"""Why something of an answer is not served, and what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DropReason", "Part", "Rejected"]

Part = Literal["category", "annotation", "rewrite", "specificity", "idea"]

DropReason = Literal[
    "category_not_offered",
    "category_repeated",
    "category_with_its_ancestor",
    "category_unlike_and_unseen",
    "category_against_evidence",
    "category_unsure",
    "annotation_not_in_query",
    "annotation_overlaps",
    "annotation_against_spelling",
    "annotation_value_unfit",
    "annotation_value_unknown",
    "annotation_value_elsewhere",
    "rewrite_empty",
    "rewrite_is_query",
    "rewrite_repeated",
    "rewrite_not_matchable",
    "rewrite_drops_constraint",
    "rewrite_narrows",
    "rewrite_broadens",
    "rewrite_too_far",
    "rewrite_elsewhere",
    "spelling_not_matchable",
    "spelling_is_another_query",
    "spelling_against_brand",
    "specificity_against_annotation",
    "specificity_against_evidence",
    "idea_empty",
    "idea_too_long",
    "idea_repeated",
    "idea_one_too_many",
]
"""The reason begins with the part that it takes out; a spelling is a rewrite. An idea is discovery content; one that
says what the query or another idea says is repeated.

``annotation_value_*`` takes out the value alone: the words stay tagged, and are their own value."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """One thing that was taken out of an answer: which part, its text as the model gave it, and why."""

    part: Part
    text: str
    reason: DropReason
