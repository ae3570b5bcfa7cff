"""What the model answers, as it answers it: before any check against the shop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from domain.understanding import AnnotationType, RewriteType, Specificity
from prompts.completion import Completion
from prompts.prompt_file import Task

__all__ = [
    "Answer",
    "AnswerAnnotation",
    "AnswerCategory",
    "AnswerIdea",
    "AnswerRewrite",
    "Unparseable",
    "join_answers",
    "parse_answer",
    "read_completion",
]


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
class _Understand:
    """The answer to a prompt that asks for everything; its JSON schema is `prompts/files/understand.schema.json`."""

    __pydantic_config__ = _STRICT
    need: str
    spelling: str | None
    specificity: Specificity
    categories: tuple[AnswerCategory, ...]
    annotations: tuple[AnswerAnnotation, ...]
    rewrites: tuple[AnswerRewrite, ...]


@dataclass(frozen=True, kw_only=True)
class _Categories:
    __pydantic_config__ = _STRICT
    need: str
    specificity: Specificity
    categories: tuple[AnswerCategory, ...]


@dataclass(frozen=True, kw_only=True)
class _Rewrites:
    __pydantic_config__ = _STRICT
    need: str
    spelling: str | None
    rewrites: tuple[AnswerRewrite, ...]


@dataclass(frozen=True, kw_only=True)
class _Annotations:
    __pydantic_config__ = _STRICT
    annotations: tuple[AnswerAnnotation, ...]


@dataclass(frozen=True, kw_only=True)
class AnswerIdea:
    """Something to show for the query: its heading, the search that finds it, and the model's reason."""

    __pydantic_config__ = _STRICT
    label: str
    query: str
    why: str


@dataclass(frozen=True, kw_only=True)
class _Discover:
    __pydantic_config__ = _STRICT
    need: str
    substitutes: tuple[AnswerIdea, ...]
    complements: tuple[AnswerIdea, ...]
    explore: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered about a query, by one prompt or by several that each ask for a part."""

    need: str = ""
    spelling: str | None = None
    specificity: Specificity | None = None
    categories: tuple[AnswerCategory, ...] = ()
    annotations: tuple[AnswerAnnotation, ...] = ()
    rewrites: tuple[AnswerRewrite, ...] = ()
    substitutes: tuple[AnswerIdea, ...] = ()
    complements: tuple[AnswerIdea, ...] = ()
    explore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Unparseable:
    """An answer that is not of the schema; `complaint` is one sentence that a model can act on."""

    complaint: str


_adapters: dict[Task, TypeAdapter[Any]] = {
    "understand": TypeAdapter(_Understand),
    "categories": TypeAdapter(_Categories),
    "rewrites": TypeAdapter(_Rewrites),
    "annotations": TypeAdapter(_Annotations),
    "discover": TypeAdapter(_Discover),
}


def parse_answer(content: str, task: Task = "understand") -> Answer | Unparseable:
    """Read a completion; a Markdown fence around the object is forgiven, anything else is not."""
    try:
        return Answer(**vars(_adapters[task].validate_json(_unfenced(content))))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole answer"
        return Unparseable(complaint=f"{where}: {first['msg']}"[:_LONGEST_COMPLAINT])


def read_completion(completion: Completion, task: Task) -> Answer | Unparseable:
    """Read a completion; of one that ran into its limit the complaint says so."""
    answer = parse_answer(completion.content, task)
    if isinstance(answer, Unparseable) and completion.finish == "length":
        return Unparseable(complaint="it was cut off at the longest answer that is taken; be briefer")
    return answer


def join_answers(answers: Iterable[Answer]) -> Answer:
    """Return one answer of the parts; where two give the same field, the first that gives anything counts."""
    parts = tuple(answers)
    names = [field.name for field in fields(Answer)]
    return Answer(**{n: next((v for part in parts if (v := getattr(part, n))), getattr(Answer(), n)) for n in names})


def _unfenced(content: str) -> str:
    """Return what a fence holds, or the content; by hand, for a pattern takes hours on a page of blank lines."""
    opening, _, rest = content.strip().partition("\n")
    inside, _, closing = rest.rpartition("\n")
    return inside if opening.rstrip() in ("```", "```json") and closing.strip() == "```" else content
