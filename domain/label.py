"""An understanding with where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from domain.files import replace_atomically
from domain.understanding import Understanding

__all__ = ["Label", "Provenance", "Tier", "read_labels", "write_labels"]

Tier = Literal["head", "torso", "tail"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Lineage of a label: who answered, asked how, shown what. ``dropped`` counts what the checks took out."""

    model: str
    prompt: str
    key: str
    context: str
    dropped: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Label:
    """One query of a shop, its tier and searches in the log, and its understanding."""

    query: str
    tier: Tier
    searches: int
    understanding: Understanding
    provenance: Provenance


_adapter: TypeAdapter[Label] = TypeAdapter(Label)


def write_labels(path: Path, labels: Iterable[Label]) -> int:
    """Write labels as JSON Lines, all or nothing; return how many."""
    count = 0
    with replace_atomically(path) as file:
        for label in labels:
            file.write(_adapter.dump_json(label) + b"\n")
            count += 1
    return count


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a file that `write_labels` wrote."""
    with path.open("rb") as file:
        for line in file:
            yield _adapter.validate_json(line)
