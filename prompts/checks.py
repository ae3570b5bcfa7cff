"""The answer of a model, held against the shop: what does not stand is dropped, counted and named."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.context import DomainContext
from domain.discovery import Ideas
from domain.encoder import Vectors
from domain.retrieval import RetrievalIndex
from domain.taxonomy import Taxonomy
from domain.text import MAX_QUERY_LENGTH, normalise
from domain.understanding import Annotation, Category, Rewrite, Specificity
from prompts.annotation_value import ValueJudge
from prompts.answer import Answer, AnswerRewrite
from prompts.bounds import DEFAULT_BOUNDS, Bounds
from prompts.coherence import (
    brand_against_spelling,
    fits_annotations,
    fits_evidence,
    is_bare_brand,
    spelling_against_brand,
)
from prompts.departments import Departments
from prompts.guardrail import DEFAULT_GUARDRAIL, Guardrail, judge_categories
from prompts.ideas import check_ideas
from prompts.rejection import DropReason, Part, Rejected
from prompts.rewrite_safety import RewriteJudge

__all__ = ["Checked", "check_answer"]

# The encoder reads 32 tokens; there is no point in handing it more.
_LONGEST = 512


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What is left of an answer, and what was taken out of it and why, in the order of the checks."""

    need: str
    specificity: Specificity | None
    categories: tuple[Category, ...]
    annotations: tuple[Annotation, ...]
    rewrites: tuple[Rewrite, ...]
    ideas: Ideas
    rejected: tuple[Rejected, ...]

    @property
    def dropped(self) -> dict[str, int]:
        """How many things were taken out, by reason."""
        return dict(Counter(str(rejected.reason) for rejected in self.rejected))


def check_answer(
    answer: Answer,
    *,
    query: str,
    offered: Mapping[str, str],
    taxonomy: Taxonomy,
    index: RetrievalIndex,
    context: DomainContext | None,
    guardrail: Guardrail = DEFAULT_GUARDRAIL,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> Checked:
    """Keep of an answer what the shop bears out.

    Args:
        answer: As the model gave it.
        query: The normalised query.
        offered: Category ids by the short ids that the model was shown.
        taxonomy: The tree.
        index: Retrieval of the shop.
        context: What the log says of the query, or None where it says nothing. It is evidence here even where the
            model was shown none of it.
        guardrail: What speaks too little for a category.
        bounds: How far from the query a rewrite may be.
    """
    check = _Check(answer=answer, query=query, departments=Departments(context, taxonomy, index))
    categories = check.categories(offered, guardrail)
    rewrites = check.rewrites(bounds, [c.id for c in categories])
    spelling = next((r.query for r in rewrites if r.type == "spelling"), None)
    annotations = check.annotations(spelling, [c.id for c in categories])
    ideas = check_ideas(answer, query=query, reject=check.reject)
    return Checked(
        need=answer.need.strip(),
        specificity=check.specificity(annotations),
        categories=categories,
        annotations=annotations,
        rewrites=rewrites,
        ideas=ideas,
        rejected=tuple(check.rejected),
    )


@dataclass(kw_only=True)
class _Check:
    """One answer on its way through the checks."""

    answer: Answer
    query: str
    departments: Departments
    rejected: list[Rejected] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.taxonomy, self.index = self.departments.taxonomy, self.departments.index
        self._answered = self._rewrites_with_spelling()
        # The words of the query count, not the model's value for them.
        types = [t for a in self.answer.annotations if a.type == "product_type" and (t := normalise(a.text))]
        in_query = [t for t in types if f" {t} " in f" {self.query} "] if self.answer.categories else []
        self._said = [text[:_LONGEST] for text in dict.fromkeys((self.query, *in_query))]
        texts = list(dict.fromkeys([*self._said, *(_short(r.query) for r in self._answered)]))
        # One call for everything, for a call costs more than a text.
        self._vectors: dict[str, Vectors] = dict(zip(texts, self.index.encoder.encode(texts), strict=True))

    def categories(self, offered: Mapping[str, str], guardrail: Guardrail) -> tuple[Category, ...]:
        chosen = sorted(self.answer.categories, key=lambda c: -_unit(c.confidence))
        ids = [i for i in dict.fromkeys(offered.get(c.id.strip()) for c in chosen) if i is not None]
        doubted = self._doubted(ids, guardrail)
        kept: dict[str, float] = {}
        for category in chosen:
            category_id = offered.get(category.id.strip())
            if category_id is None:
                self.reject("category", category.id, "category_not_offered")
                continue
            path = " > ".join(self.taxonomy.path(category_id))
            if category_id in kept:
                self.reject("category", path, "category_repeated")
            elif category_id in doubted:
                self.reject("category", path, doubted[category_id])
            elif any(
                self.taxonomy.is_ancestor(category_id, k) or self.taxonomy.is_ancestor(k, category_id) for k in kept
            ):
                self.reject("category", path, "category_with_its_ancestor")
            elif kept and _unit(category.confidence) < guardrail.confidence:
                self.reject("category", path, "category_unsure")
            else:
                kept[category_id] = _unit(category.confidence)
        return tuple(Category(id=i, path=self.taxonomy.path(i), confidence=c) for i, c in kept.items())

    def _doubted(self, category_ids: Sequence[str], guardrail: Guardrail) -> dict[str, DropReason]:
        """Return the categories for which neither the words nor the need nor the log speak."""
        vectors = [self._vectors[text] for text in self._said]
        judged = judge_categories(category_ids, said=vectors, departments=self.departments)
        doubted = [i for i in category_ids if guardrail.doubts(judged[i])]
        # A model's word does not stand against a deep log, neither that a name is a brand nor what the need is.
        open_ = [i for i in doubted if not judged[i].against]
        if open_ and is_bare_brand(self.query, self.answer.annotations):
            brand = self.index.finds(self.query, self.taxonomy)
            open_ = [i for i in open_ if not any(b == i or self.taxonomy.is_ancestor(i, b) for b in brand)]
        if open_ and self.answer.need.strip():
            # A sentence costs the encoder as much as all the words, so it is read only where they leave a doubt.
            need = list(self.index.encoder.encode([self.answer.need[:_LONGEST]]))
            by_need = judge_categories(open_, said=[*vectors, *need], departments=self.departments)
            open_ = [i for i in open_ if guardrail.doubts(by_need[i])]
        reasons: dict[str, DropReason] = dict.fromkeys(open_, "category_unlike_and_unseen")
        return reasons | {i: "category_against_evidence" for i in doubted if judged[i].against}

    def annotations(self, spelling: str | None, categories: Sequence[str]) -> tuple[Annotation, ...]:
        judge = ValueJudge(query=self.query, spelling=spelling, categories=categories, departments=self.departments)
        kept: list[Annotation] = []
        for annotation in self.answer.annotations:
            text = normalise(annotation.text)
            found = re.finditer(rf"(?<!\w){re.escape(text)}(?!\w)", self.query) if text else ()
            starts = [match.start() for match in found]
            free = [s for s in starts if all(s + len(text) <= k.start or s >= k.end for k in kept)]
            if not starts:
                self.reject("annotation", annotation.text, "annotation_not_in_query")
            elif not free:
                self.reject("annotation", annotation.text, "annotation_overlaps")
            elif spelling and brand_against_spelling(annotation, spelling):
                self.reject("annotation", annotation.text, "annotation_against_spelling")
            else:
                verdict = judge.read(text, annotation.type, annotation.value)
                if verdict.objection is not None:
                    self.reject("annotation", annotation.value, verdict.objection)
                span = {"start": free[0], "end": free[0] + len(text)}
                kept.append(Annotation(text=text, type=annotation.type, value=verdict.value, **span))
        return tuple(sorted(kept, key=lambda a: a.start))

    def rewrites(self, bounds: Bounds, categories: Sequence[str]) -> tuple[Rewrite, ...]:
        judge = RewriteJudge(
            query=self.query,
            annotations=self.answer.annotations,
            vector=self._vectors[self.query],
            departments=self.departments,
            categories=categories,
            bounds=bounds,
        )
        kept: dict[str, Rewrite] = {}
        for rewrite in self._answered:
            text = _short(rewrite.query)
            objection = self._formal_objection(text, kept) or judge.objection(text, rewrite.type, self._vectors[text])
            if objection is None and rewrite.type == "spelling" and self._respells_brand(text):
                objection = "spelling_against_brand"
            if objection is None:
                kept[text] = Rewrite(query=text, type=rewrite.type, confidence=_unit(rewrite.confidence))
            else:
                self.reject("rewrite", rewrite.query, objection)
        return tuple(kept.values())

    def specificity(self, annotations: tuple[Annotation, ...]) -> Specificity | None:
        specificity = self.answer.specificity
        if specificity is None:
            return None
        if not fits_annotations(specificity, annotations):
            self.reject("specificity", specificity, "specificity_against_annotation")
            return None
        if not fits_evidence(specificity, self.query, annotations, self.departments):
            self.reject("specificity", specificity, "specificity_against_evidence")
            return None
        return specificity

    def _rewrites_with_spelling(self) -> list[AnswerRewrite]:
        answered = list(self.answer.rewrites)
        if self.answer.spelling and not any(r.type == "spelling" for r in answered):
            answered.insert(0, AnswerRewrite(query=self.answer.spelling, type="spelling", confidence=1.0))
        return answered

    def _formal_objection(self, text: str, kept: Mapping[str, Rewrite]) -> DropReason | None:
        if not text:
            return "rewrite_empty"
        if text == self.query:
            return "rewrite_is_query"
        return "rewrite_repeated" if text in kept else None

    def _respells_brand(self, text: str) -> bool:
        def is_known(name: str) -> bool:
            return bool(self.index.finds(name, self.taxonomy))

        return spelling_against_brand(text, self.answer.annotations, self.query, is_known)

    def reject(self, part: Part, text: str, reason: DropReason) -> None:
        """Note that something is left out."""
        self.rejected.append(Rejected(part=part, text=text, reason=reason))


def _short(query: str) -> str:
    """The normal form of a rewrite; one that is too long stays too long."""
    return normalise(query)[: MAX_QUERY_LENGTH + 1]


def _unit(confidence: float) -> float:
    """A model's confidence held within [0, 1]; not a number counts as none."""
    return round(min(1.0, max(0.0, confidence)), 4) if confidence == confidence else 0.0
