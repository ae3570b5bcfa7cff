"""What a judge answers, as it answers it: verdicts by short id, each of use or not on its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from prompts.completion import Completion

__all__ = ["Answered", "AnsweredItem", "read_verdicts_of"]

_LONGEST_COMPLAINT = 300
_LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class _Verdicts:
    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    verdicts: list[Any]


_verdicts: TypeAdapter[_Verdicts] = TypeAdapter(_Verdicts)


@dataclass(frozen=True, kw_only=True)
class AnsweredItem:
    """What the judge said of one item: its reason, then each facet in the order of the rubric."""

    reason: str
    facets: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Verdicts by short id; `complaint` is one sentence about what is missing that a model can act on, or empty."""

    items: Mapping[str, AnsweredItem] = field(default_factory=dict)
    complaint: str = ""


def read_verdicts_of(completion: Completion, *, ids: Sequence[str], facets: Sequence[str]) -> Answered:
    """Read a completion. Only offered ids count, and of two verdicts on one item the last.

    Whatever stands around the JSON object is forgiven; a verdict with a field too many, too few or of another type is
    none, and the others count all the same.

    Args:
        completion: The completion.
        ids: The short ids of the items that were shown.
        facets: The facets of the rubric.
    """
    content = completion.content
    try:
        listed = _verdicts.validate_json(content[content.find("{") : content.rfind("}") + 1]).verdicts
    except ValidationError as error:
        if completion.finish == "length":
            return Answered(complaint="it was cut off at the longest answer that is taken; be briefer")
        first = error.errors(include_url=False, include_context=False)[0]
        return Answered(complaint=f"{_place(first['loc'])}: {first['msg']}"[:_LONGEST_COMPLAINT])
    found: dict[str, AnsweredItem] = {}
    for given in listed:
        if (item := _item(given, facets)) is not None and given["id"] in ids:
            found[given["id"]] = item
    lacking = [short for short in ids if short not in found]
    if not lacking:
        return Answered(items=found)
    wanted = ", ".join(["id", "reason", *facets])
    said = f"it holds no verdict with exactly {wanted} for {', '.join(lacking)}"
    return Answered(items=found, complaint=said[:_LONGEST_COMPLAINT])


def _item(given: Any, facets: Sequence[str]) -> AnsweredItem | None:
    if not isinstance(given, dict) or given.keys() != {"id", "reason", *facets}:
        return None
    reason, said = given["reason"], {name: given[name] for name in facets}
    strings = isinstance(given["id"], str) and isinstance(reason, str)
    if not strings or not all(isinstance(value, bool) for value in said.values()):
        return None
    return AnsweredItem(reason=reason[:_LONGEST_REASON], facets=said)


def _place(loc: Sequence[Any]) -> str:
    return ".".join(map(str, loc)) or "the whole answer"
