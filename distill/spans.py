"""What the tagger is taught and measured by: the teacher's spans, and the forms that the shop writes them in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from domain.label import Label
from domain.text import normalise
from domain.understanding import Annotation, AnnotationType
from release.student.tagger import Values

__all__ = ["TYPES", "SpanAgreement", "SpanExample", "span_agreement", "span_examples", "value_forms"]

TYPES: Final[tuple[AnnotationType, ...]] = get_args(AnnotationType)

_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class SpanExample:
    """A normalised query, where its words start and end, and their tags as `release.student.tagger` numbers them."""

    query: str
    places: tuple[tuple[int, int], ...]
    tags: tuple[int, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The words themselves."""
        return tuple(self.query[start:end] for start, end in self.places)


def span_examples(labels: Iterable[Label]) -> list[SpanExample]:
    """Return an example for each query that has words, the last label of a query alone.

    A word belongs to a span where it lies within it as a whole; where spans overlap, the later one has it. A query
    without a span is an example too: of what is not to be tagged.
    """
    last = {label.understanding.normalized: label.understanding.annotations for label in labels}
    return [_example(query, annotations) for query, annotations in last.items() if query.strip()]


def _example(query: str, annotations: Sequence[Annotation]) -> SpanExample:
    words = [(found.start(), found.end()) for found in _WORD.finditer(query)]
    tags = [0] * len(words)
    for annotation in annotations:
        within = [i for i, (start, end) in enumerate(words) if annotation.start <= start and end <= annotation.end]
        begins = 1 + 2 * TYPES.index(annotation.type)
        for i in within:
            tags[i] = begins if i == within[0] else begins + 1
    return SpanExample(query=query, places=tuple(words), tags=tuple(tags))


def value_forms(labels: Iterable[Label], brands: Iterable[str]) -> Values:
    """Return by type the shop's form of each normalised text, where it is another than the text.

    Args:
        labels: The form that most of them give counts.
        brands: As the catalogue writes them, one for each product; the most frequent spelling counts, for texts that
            no label gives a form of.
    """
    given: dict[AnnotationType, dict[str, Counter[str]]] = {kind: {} for kind in TYPES}
    for brand in brands:
        given["brand"].setdefault(normalise(brand), Counter())[brand] += 1
    labelled: dict[AnnotationType, dict[str, Counter[str]]] = {kind: {} for kind in TYPES}
    for label in labels:
        for annotation in label.understanding.annotations:
            labelled[annotation.type].setdefault(annotation.text, Counter())[annotation.value] += 1
    forms = {kind: {text: _likeliest(seen) for text, seen in (given[kind] | labelled[kind]).items()} for kind in TYPES}
    return {kind: kept for kind in TYPES if (kept := {t: form for t, form in forms[kind].items() if t and form != t})}


def _likeliest(seen: Counter[str]) -> str:
    return min(seen, key=lambda form: (-seen[form], form))


@dataclass(frozen=True, kw_only=True)
class SpanAgreement:
    """F1 of spans over queries: of the same place and type, and of the same type with a character in common.

    Spans are counted over all queries together. Where neither side has a span, both are 1.
    """

    queries: int
    exact: float
    overlap: float


def span_agreement(
    expected: Sequence[Collection[Annotation]], found: Sequence[Collection[Annotation]]
) -> SpanAgreement:
    """Hold the spans found in each query against those expected in it."""
    exact = right = matched = 0
    for theirs, ours in zip(expected, found, strict=True):
        places = {(a.start, a.end, a.type) for a in theirs}
        exact += sum((a.start, a.end, a.type) in places for a in ours)
        right += sum(any(_overlap(a, b) for b in theirs) for a in ours)
        matched += sum(any(_overlap(a, b) for b in ours) for a in theirs)
    asked, given = sum(map(len, expected)), sum(map(len, found))
    precision, recall = right / given if given else 0.0, matched / asked if asked else 0.0
    return SpanAgreement(
        queries=len(expected),
        exact=2 * exact / (asked + given) if asked + given else 1.0,
        overlap=2 * precision * recall / (precision + recall) if precision + recall else float(not asked + given),
    )


def _overlap(one: Annotation, other: Annotation) -> bool:
    return one.type == other.type and one.start < other.end and other.start < one.end
