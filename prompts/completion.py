"""One answer of a model, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter

__all__ = ["Completion", "Finish", "completion_adapter", "storable", "to_line"]

Finish = Literal["stop", "length", "refused"]
"""How an answer ended: of itself, at the limit of its length, or with the model's refusal (`content` may be empty)."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One answer of a model.

    `usage` holds the provider's counts, as far as it gave them: ``prompt_tokens`` (all of the input),
    ``cached_tokens`` and ``cache_write_tokens`` (of these, read from and written to the provider's cache), and
    ``completion_tokens``.
    """

    key: str
    content: str
    model: str
    usage: Mapping[str, Any] = field(default_factory=dict)
    finish: Finish = "stop"


completion_adapter: TypeAdapter[Completion] = TypeAdapter(Completion)


def to_line(completion: Completion) -> dict[str, Any]:
    """Return a completion as a line of a recording; how it ended is left out where it ended of itself."""
    line = {
        "key": completion.key,
        "content": completion.content,
        "model": completion.model,
        "usage": dict(completion.usage),
    }
    return line if completion.finish == "stop" else line | {"finish": completion.finish}


def storable(content: str) -> str:
    """Return a model's text with half surrogate pairs, which JSON may carry and UTF-8 may not, as question marks."""
    return content.encode("utf-8", "replace").decode()
