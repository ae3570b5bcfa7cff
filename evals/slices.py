"""Parts of a set of queries: all of them, those of one tier, those of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["TIERS", "Slice", "Slicing", "everything", "slices"]

TIERS = ("head", "torso", "tail", "unseen")
"""Tiers by traffic; "unseen" is a query that nobody searched."""

Slicing = Literal["all", "tier", "specificity", "kind"]
"""What the queries of a slice have in common; a kind is a name that the gold file gives."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """Some of the queries, by their places."""

    by: Slicing
    name: str
    members: NDArray[np.intp]


def everything(queries: int) -> Slice:
    """Return the slice of all queries."""
    return Slice(by="all", name="all", members=np.arange(queries))


def slices(by: Slicing, names: Sequence[str | None], *, first: Sequence[str] = ()) -> Iterator[Slice]:
    """Yield a slice for each name that a query has, those of `first` in their order and the others by name.

    Args:
        by: What the names are.
        names: The name of each query; a query with None is in no slice.
        first: Names that come before the others.
    """
    found = {name for name in names if name is not None}
    for name in [*(name for name in first if name in found), *sorted(found - set(first))]:
        yield Slice(by=by, name=name, members=np.array([i for i, at in enumerate(names) if at == name]))
