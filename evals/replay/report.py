"""What a replay found, and how it is written and read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from domain.files import replace_atomically
from domain.withheld import Part
from evals.estimates import Estimate
from evals.replay.clauses import Way

__all__ = [
    "Chosen",
    "HarmedQuery",
    "Judged",
    "Listed",
    "Measure",
    "PartHarm",
    "Replay",
    "ReplayRow",
    "Tried",
    "Unjudged",
    "Verdict",
    "read_replay",
    "unjudged_pairs",
    "write_replay",
]

Measure = Literal["ndcg", "condensed", "judged", "recall", "zero"]

Verdict = Literal["withhold", "unjudged", "slight", "none"]
"""What to do about a part: withhold it, or nothing, for other ratings of unjudged products could undo its loss, or the
loss is slight, or there is none."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The judgements: queries, judged products, and queries without a product rated above 0, which have no nDCG.

    ``by_judge`` of the products are graded by a judge, for no person rated them.
    """

    queries: int
    products: int
    barren: int
    by_judge: int = 0


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A boost factor, and the mean nDCG@10 with it on the development half."""

    factor: float
    ndcg: float


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The boost factor of a system used in one way, and all that were tried."""

    system: str
    way: Way
    factor: float
    tried: tuple[Tried, ...]


@dataclass(frozen=True, kw_only=True)
class ReplayRow:
    """One system used in one way, over one set of queries.

    ``way`` is None where nothing is used. ``gains`` are paired differences to the search without any understanding.
    ``improved``, ``harmed`` and ``unchanged`` count queries by nDCG@10.
    """

    queries_of: str
    system: str
    way: Way | None
    factor: float | None
    queries: int
    measures: dict[Measure, Estimate]
    gains: dict[Measure, Estimate]
    improved: int
    harmed: int
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A product in a list; ``rating`` is None where nobody judged it, and a judge's grade where ``by_judge``."""

    product_id: str
    title: str
    rating: float | None
    by_judge: bool = False


@dataclass(frozen=True, kw_only=True)
class PartHarm:
    """What one part of an answer does alone; losses are nDCG@10 lost, negative where it gains.

    Attributes:
        part: The part.
        after: nDCG@10 with it.
        loss: What is lost by it, an unjudged product counting as rated 0.
        condensed_loss: The same, of the lists without their unjudged products.
        sure_loss: What is lost whatever the unjudged products would be rated.
        verdict: What to do.
    """

    part: Part
    after: float
    loss: float
    condensed_loss: float
    sure_loss: float
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class HarmedQuery:
    """A query that does worse with its understanding than without."""

    query: str
    searches: int
    before: float
    after: float
    parts: tuple[PartHarm, ...]
    list_before: tuple[Listed, ...]
    list_after: tuple[Listed, ...]

    @property
    def loss(self) -> float:
        """NDCG@10 lost by all parts together."""
        return self.before - self.after


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Systems side by side, and the queries that one of them harms, by searches times loss.

    Attributes:
        made: How it was made, to be printed; under ``judge``, where one stands in for people, how far it agrees with
            them.
        judged: What it was judged by.
        chosen: The boost factors.
        rows: Every system, way and set of queries.
        harm_of: Whose harm was looked for, how it was used, and with which factor.
        harmed: The queries it harms, those of the development half among them.
        draws: Resamples behind the intervals.
        seed: Their seed.
    """

    made: dict[str, str]
    judged: Judged
    chosen: tuple[Chosen, ...]
    rows: tuple[ReplayRow, ...]
    harm_of: str
    harm_way: Way
    harm_factor: float
    harmed: tuple[HarmedQuery, ...]
    draws: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """A product that nobody judged, in the list of a harmed query."""

    query: str
    product_id: str


def unjudged_pairs(replay: Replay) -> tuple[Unjudged, ...]:
    """Return what a person or a judge has to rate to settle the losses that are not sure, in the order of the harm."""
    return tuple(
        Unjudged(query=query.query, product_id=listed.product_id)
        for query in replay.harmed
        if any(part.verdict == "unjudged" for part in query.parts)
        for listed in dict.fromkeys((*query.list_before, *query.list_after))
        if listed.rating is None
    )


_adapter: TypeAdapter[Replay] = TypeAdapter(Replay)


def write_replay(path: Path, replay: Replay) -> None:
    """Write a replay as JSON, whole or not at all."""
    with replace_atomically(path) as file:
        file.write(_adapter.dump_json(replay, indent=2) + b"\n")


def read_replay(path: Path) -> Replay:
    """Read what `write_replay` wrote."""
    return _adapter.validate_json(path.read_bytes())
