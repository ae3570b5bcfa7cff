"""Worked examples for a prompt: queries of the shop with their answers, the most alike to the query asked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from domain.errors import PromptError
from domain.files import replace_atomically
from domain.label import Label
from domain.retrieval import RetrievalIndex
from domain.understanding import Understanding, understanding_adapter
from prompts.evidence import quote
from prompts.prompt_file import Task

__all__ = ["ExampleBank", "accepted", "read_examples", "render_examples", "write_examples"]

_AS_GOOD_AS_EQUAL = 0.95
"""Cosine from which a query counts as the one asked in other letters: its answer would be given away."""

_LEAST_CONFIDENCE = 0.4
"""Categories of an example with less are not shown: the prompts ask for none."""

_SURE = 0.8

_PARTS: dict[Task, tuple[str, ...]] = {
    "understand": ("specificity", "categories", "annotations", "rewrites"),
    "categories": ("specificity", "categories"),
    "rewrites": ("rewrites",),
    "annotations": ("annotations",),
    "discover": ("specificity", "categories"),
}


class ExampleBank:
    """Answered queries to choose examples from.

    Args:
        answers: One for each query; an empty answer to a normalised query is an example of abstaining.
        index: Its encoder tells which queries are alike, its stems which are the same.
    """

    def __init__(self, answers: Iterable[Understanding], index: RetrievalIndex) -> None:
        self._answers = sorted(answers, key=lambda answer: answer.normalized)
        self._index = index
        self._stems = [frozenset(index.stems(answer.normalized)) for answer in self._answers]
        self._vectors = index.encoder.encode([answer.normalized for answer in self._answers])

    @cached_property
    def fingerprint(self) -> str:
        """Digest of all that a model could be shown of the answers; empty where there are none."""
        shown = render_examples(self._answers, "understand")
        return hashlib.sha256(shown.encode()).hexdigest()[:16] if self._answers else ""

    def nearest(self, query: str, count: int = 4) -> list[Understanding]:
        """Return the answered queries most like a normalised query, nearest first, never the query itself.

        Nor any that has the same words in another form or order, or that the encoder can hardly tell from it.
        """
        if not self._answers:
            return []
        stems = frozenset(self._index.stems(query))
        [vector] = self._index.encoder.encode([query])
        similarity = np.round(self._vectors @ vector, 3)
        found: list[Understanding] = []
        for row in np.argsort(-similarity, kind="stable"):
            if similarity[row] < _AS_GOOD_AS_EQUAL and self._stems[row] != stems:
                found.append(self._answers[row])
                if len(found) == count:
                    break
        return found


def accepted(labels: Iterable[Label]) -> list[Understanding]:
    """Return the answers that are fit to be examples: the log bears out the first category, the checks the others.

    That is: no category and no annotation was dropped, and the category that the model is surest of (0.8 at least) is
    the one that most of the demand goes to.
    """
    found: list[Understanding] = []
    for label in labels:
        answer, made = label.understanding, label.provenance
        first = answer.categories[0] if answer.categories else None
        most = max(made.demand, key=lambda category_id: made.demand[category_id], default=None)
        clean = not any(reason.startswith(("category", "annotation")) for reason in made.dropped)
        if clean and first is not None and first.id == most and (first.confidence or 0.0) >= _SURE:
            found.append(answer)
    return found


def write_examples(path: Path, answers: Iterable[Understanding]) -> int:
    """Write examples as JSON Lines, all or nothing; return how many."""
    count = 0
    with replace_atomically(path) as file:
        for answer in answers:
            file.write(understanding_adapter.dump_json(answer) + b"\n")
            count += 1
    return count


def read_examples(path: Path) -> Iterator[Understanding]:
    """Yield what `write_examples` wrote.

    Raises:
        PromptError: naming the line that is no understanding.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield understanding_adapter.validate_json(line)
            except ValidationError as error:
                raise PromptError(
                    f"{path}: line {number} is no example: {str(error).splitlines()[0]}",
                    hint="`querywise prompts examples` writes the file anew",
                ) from None


def render_examples(examples: Sequence[Understanding], task: Task) -> str:
    """Return examples as a model reads them, a line each with the parts that the task asks for."""
    return "\n".join(f"- {quote(e.normalized)}: {_parts(e, task)}" for e in examples) or "none is given."


def _parts(example: Understanding, task: Task) -> str:
    # Whoever answered by hand may not have said how specific the query is: that is not an answer to show.
    shown = [part for part in _PARTS[task] if part != "specificity" or example.specificity]
    return "; ".join(_part(example, part) for part in shown)


def _part(example: Understanding, part: str) -> str:
    if part == "specificity":
        return f"specificity {example.specificity}"
    if part == "categories":
        sure = [c for c in example.categories if c.confidence is None or c.confidence >= _LEAST_CONFIDENCE]
        shown = [" > ".join(quote(name) for name in category.path) for category in sure]
    elif part == "annotations":
        shown = [f"{quote(a.text)} = {a.type} ({quote(a.value)})" for a in example.annotations]
    else:
        shown = [f"{quote(r.query)} ({r.type})" for r in example.rewrites]
    return f"{part} {', '.join(shown) or 'none'}"
