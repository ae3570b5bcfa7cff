"""Traffic that is no shopper's: crawlers with impossible rates, and the shop's own people trying the search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from demo.behaviour import Behaviour
from demo.engine import HITS
from demo.sessions import DAYS, end_milliseconds
from demo.shelves import VARIANTS, Shelves

_CRAWLERS = 5
_CLICKING_CRAWLERS = 2
_TESTERS = 6
_MILLISECONDS_A_DAY = 86_400_000


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """One search with the result it saw (product indexes) and the positions, from 1, it clicked."""

    application: str
    client: str
    query: str
    time: int
    hits: tuple[int, ...]
    clicked: tuple[int, ...]


def crawlers(behaviour: Sequence[Behaviour], shelves: Shelves, count: int, rng: np.random.Generator) -> list[Stranger]:
    """Five clients that each search every one to three seconds for hours; two of them open the whole first page."""
    rows = []
    for number in range(_CRAWLERS):
        time = _some_day(rng)
        start = int(rng.integers(0, len(behaviour)))
        for step in range(count // _CRAWLERS + (number < count % _CRAWLERS)):
            query = (start + step) % len(behaviour)
            shown = _shown(shelves, query, rng)
            rows.append(
                Stranger(
                    application="web",
                    client=f"u{0xB07000 + number:012x}",
                    query=behaviour[query].query,
                    time=time,
                    hits=shown,
                    clicked=tuple(range(1, min(10, len(shown)) + 1)) if number < _CLICKING_CRAWLERS else (),
                )
            )
            time += int(rng.integers(900, 3_000))
    return rows


def internal_testers(
    behaviour: Sequence[Behaviour], shelves: Shelves, count: int, rng: np.random.Generator
) -> list[Stranger]:
    """People of the shop: any query, clicks wherever, under an application or client name that says internal."""
    rows = []
    for step in range(count):
        tester = int(rng.integers(0, _TESTERS))
        query = int(rng.integers(0, len(behaviour)))
        shown = _shown(shelves, query, rng)
        rows.append(
            Stranger(
                application="internal-qa" if tester % 2 else "web",
                client=f"internal-{tester}",
                query=behaviour[query].query,
                time=_some_day(rng) + step % 3_600_000,
                hits=shown,
                clicked=(int(rng.integers(1, len(shown) + 1)),) if shown and rng.random() < 0.7 else (),
            )
        )
    return rows


def _some_day(rng: np.random.Generator) -> int:
    # Never the last day: a crawl of some hours must end before the log does.
    day = int(rng.integers(2, DAYS))
    return end_milliseconds() - day * _MILLISECONDS_A_DAY + int(rng.integers(0, 60_000_000))


def _shown(shelves: Shelves, query: int, rng: np.random.Generator) -> tuple[int, ...]:
    row = shelves.hits[query, int(rng.integers(0, VARIANTS)), :HITS]
    return tuple(int(one) for one in row if one >= 0)
