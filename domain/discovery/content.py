"""Discovery content: what a shopper has not asked for and may be glad of, from idea to what a release keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from domain.files import replace_atomically
from domain.understanding import Discovery

__all__ = [
    "Content",
    "Idea",
    "Ideas",
    "Role",
    "Suggestion",
    "SuggestionKind",
    "content_adapter",
    "read_contents",
    "write_contents",
]

Role = Literal["substitute", "complement"]
SuggestionKind = Literal["next", "exploratory"]


@dataclass(frozen=True, kw_only=True)
class Idea:
    """What might be shown for a query: a label that a shopper reads, the normalised query that finds it, and why."""

    label: str
    query: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Ideas:
    """What a model proposes for one query, best first, before anybody has looked whether the shop can show it.

    ``explore`` are normalised queries in a shopper's own words that lead on from this one.
    """

    substitutes: tuple[Idea, ...] = ()
    complements: tuple[Idea, ...] = ()
    explore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A normalised query to go on with: one that shoppers search next, or one to explore."""

    query: str
    kind: SuggestionKind


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a release keeps for one normalised query, best first; every idea has at least one product.

    ``scarce`` says that the shop has little or nothing of what is asked, by its log or by its catalogue.
    """

    query: str
    scarce: bool = False
    substitutes: tuple[Discovery, ...] = ()
    complements: tuple[Discovery, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()


content_adapter: TypeAdapter[Content] = TypeAdapter(Content)


def write_contents(path: Path, contents: Iterable[Content]) -> int:
    """Write contents as JSON Lines, all or nothing; return how many."""
    count = 0
    with replace_atomically(path) as file:
        for content in contents:
            file.write(content_adapter.dump_json(content) + b"\n")
            count += 1
    return count


def read_contents(path: Path) -> Iterator[Content]:
    """Yield the contents of a file that `write_contents` wrote."""
    with path.open("rb") as file:
        for line in file:
            yield content_adapter.validate_json(line)
