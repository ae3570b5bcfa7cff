"""Who searches what, when: sessions of several searches, each following from the one before or starting afresh."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from demo.behaviour import Behaviour
from demo.engine import Floats, Ints

DAYS = 120
END = datetime(2026, 11, 1, tzinfo=UTC)
_MILLISECONDS_A_DAY = 86_400_000
# Zipf-Mandelbrot: a search starts with the query of rank r with weight (r + 11) ** -1.08.
_OFFSET, _EXPONENT = 11.0, 1.08
_MOST_STEPS = 9
_GOES_ON = 0.56
_LISTED = 4
_HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 11, 11, 10, 9, 9, 10, 12, 14, 14, 13, 11, 8, 5, 2], dtype=np.float64)
_WEEK = np.array([1.0, 0.9, 0.9, 1.0, 1.1, 1.25, 1.35])


@dataclass(frozen=True, kw_only=True)
class Searches:
    """Aligned arrays, one row a search, ordered by session and time; times are milliseconds since 1970, UTC."""

    query: Ints
    session: Ints
    client: Ints
    time: Ints


def end_milliseconds() -> int:
    """The moment after the last possible search."""
    return int(END.timestamp() * 1000)


def start_weights(count: int) -> Floats:
    """How likely a fresh search is the query of rank 1, 2, ... `count`."""
    weights = (np.arange(1, count + 1, dtype=np.float64) + _OFFSET) ** -_EXPONENT
    shares: Floats = weights / weights.sum()
    return shares


def draw_searches(behaviour: Sequence[Behaviour], count: int, rng: np.random.Generator) -> Searches:
    """Exactly `count` searches by ordinary shoppers."""
    sessions = int(count * 0.6) + 10
    start = _starts(sessions, rng)
    # About three sessions a shopper over the months, and some far more often: loyal ones at the low numbers.
    shoppers = max(2, sessions // 3)
    client = (shoppers * rng.random(sessions) ** 1.5).astype(np.int64)
    following, chances = _transitions(behaviour)
    weights = start_weights(len(behaviour))
    current = rng.choice(len(behaviour), size=sessions, p=weights)
    alive = np.arange(sessions)
    time = start.copy()
    rows: list[tuple[Ints, Ints, Ints]] = []
    for _ in range(_MOST_STEPS):
        rows.append((current[alive], alive, time[alive]))
        roll = rng.random(len(alive))
        # The listed next queries are likelier than a fresh one: that is what makes a reformulation visible in the log.
        step = (roll[:, None] > chances[current[alive]]).sum(axis=1)
        listed = step < _LISTED
        goes = listed | (rng.random(len(alive)) < _GOES_ON)
        fresh = rng.choice(len(behaviour), size=len(alive), p=weights)
        nearest = following[current[alive], np.minimum(step, _LISTED - 1)]
        current[alive] = np.where(listed, nearest, fresh)
        quick, slow = rng.integers(6_000, 45_000, len(alive)), rng.integers(20_000, 160_000, len(alive))
        time[alive] += np.where(listed, quick, slow)
        alive = alive[goes]
    query, session, moment = (np.concatenate(column) for column in zip(*rows, strict=True))
    order = np.lexsort((moment, session))[:count]
    if len(order) < count:
        raise ValueError(f"{sessions} sessions gave only {len(order)} searches of {count}")
    return Searches(query=query[order], session=session[order], client=client[session[order]], time=moment[order])


def _starts(sessions: int, rng: np.random.Generator) -> Ints:
    last = end_milliseconds()
    first = last - DAYS * _MILLISECONDS_A_DAY
    day_weights = _WEEK[(np.arange(DAYS) + datetime.fromtimestamp(first / 1000, tz=UTC).weekday()) % 7]
    day = rng.choice(DAYS, size=sessions, p=day_weights / day_weights.sum())
    hour = rng.choice(24, size=sessions, p=_HOURS / _HOURS.sum())
    inside: npt.NDArray[np.int64] = rng.integers(0, 3_600_000, sessions)
    # The last half hour of the last day stays free, so that no session runs past the end of the log.
    starts: Ints = np.minimum(first + day * _MILLISECONDS_A_DAY + hour * 3_600_000 + inside, last - 1_800_000)
    return starts


def _transitions(behaviour: Sequence[Behaviour]) -> tuple[Ints, Floats]:
    """For each query up to four next queries and their cumulated chances; 0 past the last one."""
    index = {row.query: number for number, row in enumerate(behaviour)}
    following = np.zeros((len(behaviour), _LISTED), dtype=np.int64)
    chances = np.zeros((len(behaviour), _LISTED))
    for number, row in enumerate(behaviour):
        total = 0.0
        for slot in range(_LISTED):
            if slot < len(row.next):
                total += row.next[slot].probability
                following[number, slot] = index[row.next[slot].query]
            chances[number, slot] = total
    return following, chances
