"""What the model answers, as it answers it: before any check against the shop."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict, TypeAdapter, ValidationError

from domain.understanding import AnnotationType, RewriteType, Specificity

__all__ = ["Answer", "AnswerAnnotation", "AnswerCategory", "AnswerRewrite", "Unparseable", "parse_answer"]


# As strict as the JSON schema that the model is given: no further fields, no number as a string, no NaN.
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_LONGEST_COMPLAINT = 300


@dataclass(frozen=True, kw_only=True)
class AnswerCategory:
    """A chosen candidate by its short id."""

    __pydantic_config__ = _STRICT
    id: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class AnswerAnnotation:
    """Words of the query and what they are."""

    __pydantic_config__ = _STRICT
    text: str
    type: AnnotationType
    value: str


@dataclass(frozen=True, kw_only=True)
class AnswerRewrite:
    """Another query that serves the need."""

    __pydantic_config__ = _STRICT
    query: str
    type: RewriteType
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to the `understand` prompt; its JSON schema is `prompts/files/understand.schema.json`."""

    __pydantic_config__ = _STRICT
    need: str
    spelling: str | None
    specificity: Specificity
    categories: tuple[AnswerCategory, ...]
    annotations: tuple[AnswerAnnotation, ...]
    rewrites: tuple[AnswerRewrite, ...]


@dataclass(frozen=True, kw_only=True)
class Unparseable:
    """An answer that is not of the schema; `complaint` is one sentence that a model can act on."""

    complaint: str


_adapter: TypeAdapter[Answer] = TypeAdapter(Answer)


def parse_answer(content: str) -> Answer | Unparseable:
    """Read a completion; a Markdown fence around the object is forgiven, anything else is not."""
    try:
        return _adapter.validate_json(_unfenced(content))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole answer"
        return Unparseable(complaint=f"{where}: {first['msg']}"[:_LONGEST_COMPLAINT])


def _unfenced(content: str) -> str:
    """Return what a fence holds, or the content; by hand, for a pattern takes hours on a page of blank lines."""
    opening, _, rest = content.strip().partition("\n")
    inside, _, closing = rest.rpartition("\n")
    return inside if opening.rstrip() in ("```", "```json") and closing.strip() == "```" else content
