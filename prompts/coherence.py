"""Whether the parts of an answer fit together: brand and spelling, specificity and the type of product."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from domain.text import normalise
from domain.understanding import Annotation, Specificity
from prompts.answer import AnswerAnnotation
from prompts.departments import Departments

__all__ = ["brand_against_spelling", "fits_annotations", "fits_evidence", "is_bare_brand", "spelling_against_brand"]

_WORD = re.compile(r"\w+")


def brand_against_spelling(annotation: AnswerAnnotation, spelling: str) -> bool:
    """Whether a brand's words were mended into something else than the brand: then nobody knows which is meant."""
    if annotation.type != "brand" or _names(spelling, normalise(annotation.text)):
        return False
    return not _names(spelling, normalise(annotation.value) or normalise(annotation.text))


def spelling_against_brand(
    spelling: str, annotations: Sequence[AnswerAnnotation], query: str, is_known: Callable[[str], bool]
) -> bool:
    """Whether a mended query rewrites a brand that is spelt right: the answer tags it as it stands, the shop has it."""
    for annotation in annotations:
        text = normalise(annotation.text)
        as_typed = annotation.type == "brand" and _names(query, text) and _glued(annotation.value) in ("", _glued(text))
        if as_typed and not _names(spelling, text) and is_known(text):
            return True
    return False


def is_bare_brand(query: str, annotations: Sequence[AnswerAnnotation]) -> bool:
    """Whether the answer calls every word of a query a brand: to a sentence encoder, a name that is like nothing."""
    words = {word for a in annotations if a.type == "brand" for word in normalise(a.text).split()}
    return bool(words) and words.issuperset(query.split())


def fits_annotations(specificity: Specificity, annotations: Sequence[Annotation]) -> bool:
    """Whether a specificity agrees with the annotations: what is navigational names no kind of product."""
    return specificity != "navigational" or all(a.type != "product_type" for a in annotations)


def fits_evidence(
    specificity: Specificity, query: str, annotations: Sequence[Annotation], departments: Departments
) -> bool:
    """Whether a specificity agrees with the log: what is navigational and no brand is a service, and buys nothing."""
    facets = departments.context.annotations if departments.context else ()
    is_brand = any(a.type == "brand" for a in annotations)
    is_brand = is_brand or any(f.name == "brand" and _glued(f.value) == _glued(query) for f in facets)
    return specificity != "navigational" or is_brand or not departments.is_deep


def _names(text: str, name: str) -> bool:
    """Whether consecutive words of a text, however they are split or joined, are a name."""
    words, wanted = _WORD.findall(text), _glued(name)
    runs = ("".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1))
    return bool(wanted) and any(run == wanted for run in runs)


def _glued(text: str) -> str:
    return "".join(_WORD.findall(normalise(text)))
