"""The tagger, opened: the spans of a query, from a folder with `FILES`.

The model scores every tag for every word; the best sequence of tags makes the spans.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from domain.errors import ReleaseError
from domain.understanding import Annotation, AnnotationType
from release.student.features import Features
from release.student.tags import Scores, TypedSpan, best_tags, best_tags_of_one, spans_of
from release.student.word_features import WordFeatures
from release.student.word_scores import WEIGHTS, WordScores

__all__ = [
    "ABOUT",
    "FILES",
    "SCHEMA",
    "VALUES",
    "Tagger",
    "TaggerAbout",
    "Values",
    "best_tags",
    "read_tagger_about",
    "spans_of",
    "write_tagger_about",
]

ABOUT: Final = "tagger.json"
VALUES: Final = "values.json"
FILES: Final = (WEIGHTS, ABOUT, VALUES)

Values = Mapping[AnnotationType, Mapping[str, str]]
"""By type, the shop's form of a normalised text, where it is another than the text."""

SCHEMA: Final = 3
"""Of `tagger.json`."""
_CHARACTERS: Final = 256
_AT_ONCE: Final = 256
"""Places for words, and one between queries, that are scored together: so few that the product is made on the thread
that asks. Threads that numpy's BLAS wakes for more cost many times what they gain where other work has the cores."""

_FEW: Final = 5
"""Queries whose best tags are found sooner one by one than together."""

_WORD: Final = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class TaggerAbout:
    """What `tagger.json` says.

    Attributes:
        schema_version: Of this description.
        bits: What is hashed goes into ``2 ** bits`` rows.
        types: Types of spans, in the order of the tags.
        starts: Score of each tag for the first word.
        ends: Score of each tag for the last word.
        transitions: Score of each tag, by row, followed by each, by column.
    """

    schema_version: int
    bits: Annotated[int, Field(ge=1, le=30)]
    types: tuple[AnnotationType, ...]
    starts: tuple[FiniteFloat, ...]
    ends: tuple[FiniteFloat, ...]
    transitions: tuple[tuple[FiniteFloat, ...], ...]

    @property
    def tags(self) -> int:
        """How many tags there are."""
        return 1 + 2 * len(self.types)


_about: TypeAdapter[TaggerAbout] = TypeAdapter(TaggerAbout)
_values: TypeAdapter[dict[AnnotationType, dict[str, str]]] = TypeAdapter(dict[AnnotationType, dict[str, str]])


class Tagger:
    """Finds the spans of normalised queries. Use it from any thread.

    Args:
        folder: Where its files are.
        features: Read words by the folder's tokenizer; a student's will do.

    Raises:
        ReleaseError: when a file is missing or malformed, or the files do not belong together.
    """

    def __init__(self, folder: Path, features: Features) -> None:
        self.about = read_tagger_about(folder)
        self._values = _read_values(folder)
        self._scores = WordScores(folder, WordFeatures(features, bits=self.about.bits), tags=self.about.tags)
        self._starts = np.array(self.about.starts, dtype=np.float32)
        self._ends = np.array(self.about.ends, dtype=np.float32)
        self._transitions = np.array(self.about.transitions, dtype=np.float32)
        self._before = np.ascontiguousarray(self._transitions.T)

    def tag(self, queries: Sequence[str]) -> list[tuple[Annotation, ...]]:
        """Return the spans of each normalised query in their order; only its first 256 characters are read."""
        cut = [query[:_CHARACTERS] for query in queries]
        places = [[word.span() for word in _WORD.finditer(query)] for query in cut]
        found: list[tuple[Annotation, ...]] = [()] * len(queries)
        for some in _portions([len(words) for words in places]):
            tags = self._tags([[cut[i][start:end] for start, end in places[i]] for i in some])
            for i, row in zip(some, tags, strict=True):
                found[i] = tuple(self._annotation(cut[i], span) for span in spans_of(row, places[i], self.about.types))
        return found

    def _tags(self, queries: Sequence[Sequence[str]]) -> list[list[int]]:
        scores = self._scores(queries)
        lengths = [len(words) for words in queries]
        # Each query begins a row behind the end of the one before it.
        starts = [*accumulate((length + 1 for length in lengths[:-1]), initial=0)]
        if len(queries) <= _FEW:
            parts = [scores[start : start + length] for start, length in zip(starts, lengths, strict=True)]
            return [best_tags_of_one(part, starts=self._starts, ends=self._ends, before=self._before) for part in parts]
        # Places behind the end of a query are any row.
        places = np.array(starts)[:, None] + np.arange(max(lengths))
        scores = scores.take(places, axis=0, mode="clip")
        best = best_tags(scores, lengths, starts=self._starts, ends=self._ends, transitions=self._transitions)
        return [tags[:length] for tags, length in zip(best.tolist(), lengths, strict=True)]

    def _annotation(self, query: str, span: TypedSpan) -> Annotation:
        text = query[span.start : span.end]
        value = self._values.get(span.type, {}).get(text, text)
        return Annotation(text=text, start=span.start, end=span.end, type=span.type, value=value)


def _portions(lengths: Sequence[int]) -> list[list[int]]:
    """Part queries that have words into portions, so that none has too many places."""
    portions: list[list[int]] = []
    longest = 0
    for i, length in enumerate(lengths):
        if not length:
            continue
        longest = max(longest, length)
        if not portions or (len(portions[-1]) + 1) * (longest + 1) > _AT_ONCE:
            portions.append([])
            longest = length
        portions[-1].append(i)
    return portions


def read_tagger_about(folder: Path) -> TaggerAbout:
    """Read `tagger.json`.

    Raises:
        ReleaseError: when it is missing, malformed, of another schema version, or does not agree with itself.
    """
    path = folder / ABOUT
    try:
        about = _about.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(
            f"{path} cannot be read: {error}", hint="run `querywise distill` again, then `release build`"
        ) from error
    if about.schema_version != SCHEMA:
        raise ReleaseError(
            f"{path} has schema version {about.schema_version}, not {SCHEMA}",
            hint="run `querywise distill` again, then `release build`",
        )
    sizes = {len(about.starts), len(about.ends), len(about.transitions), *map(len, about.transitions)}
    if sizes != {about.tags}:
        raise ReleaseError(
            f"{path} does not have {about.tags} tags throughout",
            hint="run `querywise distill` again, then `release build`",
        )
    return about


def write_tagger_about(
    folder: Path,
    values: Values,
    *,
    bits: int,
    types: tuple[AnnotationType, ...],
    starts: Scores,
    ends: Scores,
    transitions: Scores,
) -> None:
    """Write `tagger.json` and `values.json`."""
    about = TaggerAbout(
        schema_version=SCHEMA,
        bits=bits,
        types=types,
        starts=tuple(starts.tolist()),
        ends=tuple(ends.tolist()),
        transitions=tuple(map(tuple, transitions.tolist())),
    )
    (folder / ABOUT).write_bytes(_about.dump_json(about))
    ordered = {kind: dict(sorted(forms.items())) for kind, forms in sorted(values.items())}
    (folder / VALUES).write_bytes(_values.dump_json(ordered))


def _read_values(folder: Path) -> Values:
    path = folder / VALUES
    try:
        return _values.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(
            f"{path} cannot be read: {error}", hint="run `querywise distill` again, then `release build`"
        ) from error
