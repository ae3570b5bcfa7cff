"""Why precomputed answers say what they say: who was asked, and what the log of the shop held.

``why.lmdb`` holds the JSON of a `Why` by its normalised query, in the form of the head store. No answer is made of it,
so it is read only when somebody asks: starting a service does not wait for it, and `check_whys` compares its digest
then. It is bounded: of each list a few, as many as a prompt shows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from domain.errors import ReleaseError
from domain.label import Tier
from domain.taxonomy import Taxonomy
from domain.text import normalise
from release.head import HeadStore, key_of
from release.manifest import WHY, Manifest, check_digest
from release.spool import Spool

__all__ = [
    "ActedOn",
    "Chosen",
    "Demand",
    "Evidence",
    "Followed",
    "Origin",
    "Why",
    "check_whys",
    "read_why",
    "write_whys",
]

MOST: Final = 6
"""Entries of each list of the evidence, at most."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Who gave a label, asked how.

    Attributes:
        model: Who answered.
        prompt: Id of the prompt, or ids with ``+`` between.
        key: Hash of the request that was answered, or hashes with ``+`` between.
        labelled: The day of the completion, in UTC, where the ledger has it; None for recorded answers.
        dropped: What the checks took out of the answer, counted by reason.
        same_context: Whether the log says today what the model was shown.
    """

    model: str
    prompt: str
    key: str
    labelled: date | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    same_context: bool = True


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A category's smoothed share of a query's demand, and its actions as logged.

    Attributes:
        id: Of the category.
        path: Its names from the root; filled in when it is read.
        share: In [0, 1], corrected for position.
        shown: The share that the model was shown; None where it was shown none.
        clicks: As logged.
        carts: As logged.
        purchases: As logged.
    """

    id: str
    path: tuple[str, ...] = ()
    share: float
    shown: float | None = None
    clicks: int = 0
    carts: int = 0
    purchases: int = 0


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A brand or attribute of what converted: its share of that, and its lift over the share in all conversions."""

    name: str
    value: str
    share: float
    lift: float


@dataclass(frozen=True, kw_only=True)
class ActedOn:
    """A product and its share of a query's actions, by weight."""

    id: str
    title: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Followed:
    """A query that came after this one, and how often."""

    query: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the log says of a query. Lists are sorted, best first.

    ``acted_share`` of the searches led to a click, a cart or a purchase; ``zero_share`` of them found nothing (None:
    the log does not tell).
    """

    searches: int
    clients: int
    acted_share: float
    zero_share: float | None = None
    categories: tuple[Demand, ...] = ()
    products: tuple[ActedOn, ...] = ()
    chosen: tuple[Chosen, ...] = ()
    next_queries: tuple[Followed, ...] = ()
    retyped: tuple[Followed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Why:
    """What is behind the precomputed answer of one normalised query; ``evidence`` is None where the log has none."""

    query: str
    tier: Tier
    origin: Origin
    evidence: Evidence | None = None


_why: Final[TypeAdapter[Why]] = TypeAdapter(Why)


def write_whys(path: Path, whys: Iterable[Why], keys: Set[bytes]) -> None:
    """Write the reasons of the answers whose keys are given; others are left out.

    Raises:
        ReleaseError: when two are of one query, or one is of a query that is not in normal form, or has a list that is
            longer than `MOST`.
    """
    with tempfile.TemporaryFile(dir=path.parent) as file:
        spool = Spool(file)
        for why in whys:
            subject = f"the reason of {why.query!r}"
            if not why.query or normalise(why.query) != why.query:
                raise ReleaseError(f"{subject} is for no query in normal form", hint="normalise the query")
            if why.evidence is not None and _longest(why.evidence) > MOST:
                raise ReleaseError(f"{subject} has a list of over {MOST}", hint="keep the first of each list")
            key = key_of(why.query)
            if key in keys and not spool.add(key, _why.dump_json(why, exclude_defaults=True)):
                raise ReleaseError(f"{subject} is there twice", hint="keep one for each normalised query")
        spool.write(path)


def check_whys(folder: Path, manifest: Manifest) -> None:
    """Read every byte of the reasons of a release, if it keeps any: 0.8 s a gigabyte.

    Raises:
        ReleaseError: where they are not those that were built.
    """
    if WHY in manifest.files:
        check_digest(folder, manifest, WHY)


def read_why(folder: Path, taxonomy: Taxonomy, normalised: str) -> Why | None:
    """Return the reason of one answer, categories with their paths; None where the release keeps none.

    Call `check_whys` once before: a damaged store may say anything, or end the process.

    Args:
        folder: Of the release.
        taxonomy: Of the release; a category that it has not is left out.
        normalised: The query.

    Raises:
        ReleaseError: when the store cannot be opened.
    """
    if not normalised or not (folder / WHY).is_file():
        return None
    store = HeadStore(folder / WHY)
    try:
        value = store.get(normalised)
    finally:
        store.close()
    if value is None:
        return None
    why = _why.validate_json(value)
    if why.evidence is None:
        return why
    known = (demand for demand in why.evidence.categories if demand.id in taxonomy)
    categories = tuple(replace(demand, path=taxonomy.path(demand.id)) for demand in known)
    return replace(why, evidence=replace(why.evidence, categories=categories))


def _longest(evidence: Evidence) -> int:
    lists = (
        evidence.categories,
        evidence.products,
        evidence.chosen,
        evidence.next_queries,
        evidence.retyped,
    )
    return max(map(len, lists))
