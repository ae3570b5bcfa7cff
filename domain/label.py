"""An understanding with where it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from domain.discovery import Ideas
from domain.files import replace_atomically
from domain.understanding import Understanding

__all__ = ["Label", "Provenance", "Tier", "label_adapter", "read_labels", "write_labels"]

Tier = Literal["head", "torso", "tail"]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Lineage of a label: who answered, asked how, shown what.

    Attributes:
        model: Who answered.
        prompt: Id of the prompt, or ids with ``+`` between.
        key: Hash of the request that was answered, or hashes with ``+`` between.
        context: Fingerprint of the contexts.
        dropped: What the checks took out of the answer, counted by reason.
        taxonomy: Fingerprint of the tree.
        demand: Share of the query's demand by category, as the model was shown it; empty where it was shown none.
        trimmed: How much was left out of a question that was too long.
        examples: Fingerprint of the examples to choose from; empty where the prompt shows none.
    """

    model: str
    prompt: str
    key: str
    context: str
    dropped: dict[str, int]
    taxonomy: str = ""
    demand: dict[str, float] = field(default_factory=dict)
    trimmed: int = 0
    examples: str = ""


@dataclass(frozen=True, kw_only=True)
class Label:
    """One query of a shop, its tier and searches in the log, and its understanding.

    ``ideas`` are what was proposed to show for it; None where nobody was asked.
    """

    query: str
    tier: Tier
    searches: int
    understanding: Understanding
    provenance: Provenance
    ideas: Ideas | None = None


label_adapter: TypeAdapter[Label] = TypeAdapter(Label)


def write_labels(path: Path, labels: Iterable[Label]) -> int:
    """Write labels as JSON Lines, all or nothing; return how many."""
    count = 0
    with replace_atomically(path) as file:
        for label in labels:
            file.write(label_adapter.dump_json(label) + b"\n")
            count += 1
    return count


def read_labels(path: Path) -> Iterator[Label]:
    """Yield the labels of a file that `write_labels` wrote."""
    with path.open("rb") as file:
        for line in file:
            yield label_adapter.validate_json(line)
