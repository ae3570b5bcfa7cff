"""Labels as a system that can be measured like any other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from domain.label import Label
from domain.text import normalise
from domain.understanding import Understanding

__all__ = ["LabelledQueries"]


class LabelledQueries:
    """Answers the queries that have a label with it, and abstains from all others."""

    def __init__(self, labels: Iterable[Label]) -> None:
        self._answers = {label.query: label.understanding for label in labels}

    def __len__(self) -> int:
        return len(self._answers)

    def understand(self, queries: Sequence[str]) -> list[Understanding]:
        """Answer every query, in order."""
        return [self._answer(query) for query in queries]

    def _answer(self, query: str) -> Understanding:
        normalized = normalise(query)
        found = self._answers.get(normalized)
        if found is not None:
            return replace(found, query=query)
        return Understanding(
            query=query,
            normalized=normalized,
            source="fallback",
            reason="abstained_low_confidence" if normalized else "empty_query",
            release="",
        )
