"""The answer of a model, held against the shop: what does not stand is dropped, counted and named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from domain.taxonomy import Taxonomy
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import Annotation, Category, Rewrite, Specificity
from prompts.answer import Answer, AnswerAnnotation, AnswerCategory, AnswerRewrite

__all__ = ["Checked", "DropReason", "check_answer"]

DropReason = Literal[
    "category_not_offered",
    "category_repeated",
    "category_with_its_ancestor",
    "annotation_not_in_query",
    "annotation_overlaps",
    "annotation_against_spelling",
    "rewrite_empty",
    "rewrite_is_query",
    "rewrite_repeated",
    "rewrite_not_matchable",
    "spelling_not_matchable",
]


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What is left of an answer, and how many things were dropped by reason."""

    need: str
    specificity: Specificity
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    rewrites: tuple[Rewrite, ...]
    dropped: dict[str, int]


def check_answer(
    answer: Answer,
    *,
    query: str,
    offered: Mapping[str, str],
    taxonomy: Taxonomy,
    matches: Callable[[str], bool],
) -> Checked:
    """Keep of an answer what the shop bears out.

    Args:
        answer: As the model gave it.
        query: The normalised query.
        offered: Category ids by the short ids that the model was shown.
        taxonomy: The tree.
        matches: Whether the shop knows every word of a text.
    """
    dropped: Counter[DropReason] = Counter()
    rewrites = _rewrites(answer, query, matches, dropped)
    spelling = next((r.query for r in rewrites if r.type == "spelling"), None)
    return Checked(
        need=answer.need.strip(),
        specificity=answer.specificity,
        categories=_categories(answer.categories, offered, taxonomy, dropped),
        annotations=_annotations(answer.annotations, query, spelling, dropped),
        rewrites=rewrites,
        dropped={str(reason): count for reason, count in dropped.items()},
    )


def _categories(
    answered: tuple[AnswerCategory, ...],
    offered: Mapping[str, str],
    taxonomy: Taxonomy,
    dropped: Counter[DropReason],
) -> tuple[Category, ...]:
    kept: dict[str, float] = {}
    for category in sorted(answered, key=lambda c: -_unit(c.confidence)):
        category_id = offered.get(category.id.strip())
        if category_id is None:
            dropped["category_not_offered"] += 1
        elif category_id in kept:
            dropped["category_repeated"] += 1
        elif any(taxonomy.is_ancestor(category_id, k) or taxonomy.is_ancestor(k, category_id) for k in kept):
            dropped["category_with_its_ancestor"] += 1
        else:
            kept[category_id] = _unit(category.confidence)
    return tuple(Category(id=i, path=taxonomy.path(i), confidence=c) for i, c in kept.items())


def _annotations(
    answered: tuple[AnswerAnnotation, ...], query: str, spelling: str | None, dropped: Counter[DropReason]
) -> tuple[Annotation, ...]:
    kept: list[Annotation] = []
    for annotation in answered:
        text = normalise(annotation.text)
        starts = [found.start() for found in re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", query)] if text else []
        free = [s for s in starts if all(s + len(text) <= k.start or s >= k.end for k in kept)]
        if not starts:
            dropped["annotation_not_in_query"] += 1
        elif not free:
            dropped["annotation_overlaps"] += 1
        elif spelling and _contradicts(annotation, text, spelling):
            dropped["annotation_against_spelling"] += 1
        else:
            start, value = free[0], annotation.value.strip() or text
            kept.append(Annotation(text=text, start=start, end=start + len(text), type=annotation.type, value=value))
    return tuple(sorted(kept, key=lambda a: a.start))


def _contradicts(annotation: AnswerAnnotation, text: str, spelling: str) -> bool:
    """A brand whose words were mended must be the brand that the mended query names."""
    if annotation.type != "brand" or f" {text} " in f" {spelling} ":
        return False
    value = normalise(annotation.value) or text
    return f" {value} " not in f" {spelling} " and value.replace(" ", "") not in spelling.replace(" ", "")


def _rewrites(
    answer: Answer, query: str, matches: Callable[[str], bool], dropped: Counter[DropReason]
) -> tuple[Rewrite, ...]:
    answered = list(answer.rewrites)
    if answer.spelling and not any(r.type == "spelling" for r in answered):
        answered.insert(0, AnswerRewrite(query=answer.spelling, type="spelling", confidence=1.0))
    kept: dict[str, Rewrite] = {}
    for rewrite in answered:
        text = normalise(rewrite.query)
        if not text:
            dropped["rewrite_empty"] += 1
        elif text == query:
            dropped["rewrite_is_query"] += 1
        elif text in kept:
            dropped["rewrite_repeated"] += 1
        elif len(text) > MAX_QUERY_LENGTH or not matches(text):
            dropped["spelling_not_matchable" if rewrite.type == "spelling" else "rewrite_not_matchable"] += 1
        else:
            kept[text] = Rewrite(query=text, type=rewrite.type, confidence=_unit(rewrite.confidence))
    return tuple(kept.values())


def _unit(confidence: float) -> float:
    """A model's confidence held within [0, 1]; not a number counts as none."""
    return round(min(1.0, max(0.0, confidence)), 4) if confidence == confidence else 0.0
