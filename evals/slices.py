"""Parts of a set of queries: all of them, those that share one attribute, those that share several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from domain.errors import UserError
from domain.taxonomy import Taxonomy
from domain.understanding import Specificity
from evals.branches import branch_names
from evals.case import Case

__all__ = [
    "ATTRIBUTES",
    "LEAST",
    "TIERS",
    "Attributes",
    "Cross",
    "Slice",
    "Slicing",
    "attributes_of",
    "crossed",
    "everything",
    "in_order",
    "select",
    "slices",
]

TIERS = ("head", "torso", "tail", "unseen")
"""Tiers by traffic; "unseen" is a query that nobody searched."""

ATTRIBUTES = ("tier", "specificity", "branch", "kind")
"""What every query has a value of, or none; a gold file adds labels of its own under other names."""

Slicing = str
"""What the queries of a slice have in common: "all", an attribute, or attributes with commas between."""

Attributes = Mapping[str, Sequence[str | None]]
"""The value of each query, in the order of the queries, by attribute; None is in no slice of that attribute."""

LEAST = 10
"""Queries of a slice of several attributes, or of a shop's label: an interval over fewer says little."""

_CLOSED = {"tier": TIERS, "specificity": get_args(Specificity)}
_NAMED = 20  # values that a hint lists


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """Some of the queries, by their places."""

    by: Slicing
    name: str
    members: NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cross:
    """The slices of several attributes at once; those with too few queries are only counted."""

    slices: tuple[Slice, ...]
    small: int

    def __iter__(self) -> Iterator[Slice]:
        return iter(self.slices)


def attributes_of(
    cases: Sequence[Case], *, tiers: Mapping[str, str], taxonomy: Taxonomy
) -> dict[str, list[str | None]]:
    """Return the attributes of labelled queries.

    ``branch`` is the part of the tree in which the first expected category lies, see `evals.branches`.

    Args:
        cases: The queries.
        tiers: Tier by normalised query; a query that is not in it is "unseen".
        taxonomy: The tree of the shop.
    """
    branches = branch_names(taxonomy)
    found: dict[str, list[str | None]] = {
        "tier": [tiers.get(case.normalized, "unseen") for case in cases],
        "specificity": [case.specificity for case in cases],
        "branch": [branches.get(case.categories[0]) if case.categories else None for case in cases],
        "kind": [case.kind for case in cases],
    }
    names = sorted({name for case in cases for name in case.labels})
    return found | {name: [case.labels.get(name) for case in cases] for name in names}


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
        yield Slice(by=by, name=name, members=_places(names, name))


def in_order(attributes: Attributes, by: str) -> Iterator[Slice]:
    """Yield the slices of one attribute; tiers and specificities in their own order, all others by name."""
    return slices(by, attributes[by], first=_CLOSED.get(by, ()))


def crossed(attributes: Attributes, names: Sequence[str], *, least: int = LEAST) -> Cross:
    """Return the slices in which the queries share a value of each of several attributes.

    Args:
        attributes: Of the queries.
        names: Of the attributes to cross.
        least: A slice with fewer queries, but any, is left out and counted.
    """
    every = [list(in_order(attributes, name)) for name in names]
    parts = [part for together in product(*every) if (part := _shared(together)).members.size]
    kept = tuple(part for part in parts if part.members.size >= least)
    return Cross(slices=kept, small=len(parts) - len(kept))


def select(spec: str, attributes: Attributes) -> Slice:
    """Return the slice that a text names: "all", "tier:tail", "tier:tail,specificity:broad" with commas for "and".

    A value may hold commas itself, as in "branch:Fruit, Nuts,tier:head". A tier or specificity that no query has gives
    a slice without queries; so do values that no query has together.

    Raises:
        UserError: there is no such attribute, or no query has such a value.
    """
    if spec == "all":
        return everything(len(next(iter(attributes.values()), ())))
    parts: list[Slice] = []
    rest = spec
    while rest or not parts:
        by, colon, rest = rest.partition(":")
        by, rest = by.strip(), rest.lstrip()
        if not colon or by not in attributes:
            raise UserError(
                f"{spec[:50]!r} names no slice: there is no attribute {by[:50]!r}", hint=_attributes_hint(attributes)
            )
        value = _leading_value(rest, attributes[by], by)
        if value is None:
            raise UserError(
                f"{spec[:50]!r} names no slice: no query has such a {by}", hint=_values_hint(attributes[by], by)
            )
        parts.append(Slice(by=by, name=value, members=_places(attributes[by], value)))
        rest = rest[len(value) + 1 :]
    return _shared(parts)


def _shared(parts: Sequence[Slice]) -> Slice:
    members = parts[0].members
    for part in parts[1:]:
        members = np.intersect1d(members, part.members, assume_unique=True)
    return Slice(by=",".join(p.by for p in parts), name=", ".join(p.name for p in parts), members=members)


def _places(names: Sequence[str | None], name: str) -> NDArray[np.intp]:
    return np.array([i for i, at in enumerate(names) if at == name], dtype=np.intp)


def _leading_value(text: str, names: Sequence[str | None], by: str) -> str | None:
    """Return the longest value with which a text begins, at its end or before a comma."""
    fits = [value for value in _values(names, by) if text == value or text.startswith(f"{value},")]
    return max(fits, key=len, default=None)


def _values(names: Sequence[str | None], by: str) -> list[str]:
    return [*_CLOSED.get(by, ()), *sorted({name for name in names if name is not None} - {*_CLOSED.get(by, ())})]


def _attributes_hint(attributes: Attributes) -> str:
    return f'a slice is "all" or ATTRIBUTE:VALUE, with commas between; attributes are {", ".join(attributes)}'


def _values_hint(names: Sequence[str | None], by: str) -> str:
    values = _values(names, by)
    more = f" and {len(values) - _NAMED} more" if len(values) > _NAMED else ""
    return f"{by} is one of {'; '.join(values[:_NAMED])}{more}" if values else f"no query has a {by}"
