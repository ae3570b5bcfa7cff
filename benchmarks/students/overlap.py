"""That nothing that is measured was learnt, and how much of it the shop's own texts give away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from distill.examples import Example
from distill.split import Lessons, Split
from domain.errors import QuerywiseError
from domain.lexical import Stems
from domain.text import normalise


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Category names that are a measured query, and pseudo-queries with the same words as one."""

    names: int
    catalogue: int


def overlap_of(lessons: Lessons, split: Split, examples: Mapping[str, Sequence[Example]]) -> Overlap:
    """Count the texts of the catalogue and the tree that are a measured query, or nearly one.

    Raises:
        QuerywiseError: when a query that was learnt is a measured one or nearly, or a pseudo-query is one.
    """
    of = split.clusters.of
    measured = {normalise(query) for query in lessons.gold} | {e.query for e in chain(split.held, split.test)}
    away = {of(query) for query in measured}
    for source in ("labels", "behaviour"):
        if leaked := [example.query for example in examples[source] if of(example.query) in away]:
            raise QuerywiseError(f"{len(leaked)} of the {source} are measured queries or nearly, as {leaked[0]!r}")
    made = {source: {example.query for example in examples[source]} for source in ("catalogue", "names")}
    if leaked := sorted(made["catalogue"] & measured):
        raise QuerywiseError(f"{len(leaked)} pseudo-queries are measured queries, as {leaked[0]!r}")
    stems = Stems(lessons.locale)
    bags = {frozenset(stems(query)) for query in measured} - {frozenset()}
    return Overlap(
        names=len(made["names"] & measured),
        catalogue=sum(frozenset(stems(query)) in bags for query in made["catalogue"]),
    )
