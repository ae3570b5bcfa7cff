"""Labels that contradict each other, and which of them counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from domain.understanding import RewriteType

__all__ = ["Conflict", "Resolved", "Said", "resolve"]

Conflict = Literal["two_kinds", "opposite", "itself", "misspelt_target", "spelling_chain", "synonym_chain"]
"""What was found, and what became of it:

================  =================================================================================================
two_kinds         one label says two things of one target: the more cautious counts, substitute before broader
                  before synonym before spelling
opposite          two labels contradict: each mends the other, or each calls the other broader: the surer counts, then
                  the one whose target comes first in the alphabet. A synonym that the other label calls a substitute
                  does not count
itself            after mending, the target is the query: it does not count
misspelt_target   the target is a query that another label mends: the mended one takes its place
spelling_chain    what mends is mended in turn: the end of the chain takes its place, as sure as the least sure link
synonym_chain     the target has synonyms of its own: both count, and neither is followed, since likeness wears off
================  =================================================================================================
"""

_CAUTION: Final[Mapping[RewriteType, int]] = {"substitute": 0, "broader": 1, "synonym": 2, "spelling": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """That a label calls `target` a rewrite of `query`."""

    type: RewriteType
    query: str
    target: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What counts, in the order of queries as they came, and the conflicts found."""

    said: tuple[Said, ...]
    conflicts: Mapping[Conflict, int]


def resolve(said: Iterable[Said]) -> Resolved:
    """Return what counts of what labels say; no two of it are of one query and one target."""
    found: Counter[Conflict] = Counter()
    every = [one for one in said if one.target != one.query]
    every = _one_way(every, _surest_mends(every), found)
    mended = _mend(every, _surest_mends(every), found)
    kept = _one_kind(mended, found)
    lost = {pair for pair, one in kept.items() if _loses(one, kept.get((one.target, one.query)))}
    found["opposite"] += len(lost)
    kept = {pair: one for pair, one in kept.items() if pair not in lost}
    sources = {one.query for one in kept.values() if one.type == "synonym"}
    found["synonym_chain"] += sum(one.type == "synonym" and one.target in sources for one in kept.values())
    return Resolved(said=tuple(kept.values()), conflicts=dict(+found))


def _surest_mends(said: Iterable[Said]) -> dict[str, Said]:
    """Return the mend of each misspelt query; of two, the surer."""
    mends: dict[str, Said] = {}
    for one in said:
        if one.type == "spelling" and ((best := mends.get(one.query)) is None or _surer(one, best)):
            mends[one.query] = one
    return mends


def _one_way(said: Iterable[Said], mends: Mapping[str, Said], found: Counter[Conflict]) -> list[Said]:
    """Drop the mends that are not the surest of their query, and the less sure of two that mend each other."""
    kept = []
    for one in said:
        if one.type == "spelling":
            back = mends.get(one.target)
            if mends[one.query] is not one:
                found["two_kinds"] += 1
                continue
            if back is not None and back.target == one.query and not _surer(one, back):
                found["opposite"] += 1
                continue
        kept.append(one)
    return kept


def _mend(said: Iterable[Said], mends: Mapping[str, Said], found: Counter[Conflict]) -> list[Said]:
    """Put the end of its chain of mends in the place of every target."""
    result = []
    for one in said:
        target, confidence, seen = one.target, one.confidence, {one.query}
        while (mend := mends.get(target)) is not None and target not in seen:
            seen.add(target)
            target, confidence = mend.target, min(confidence, mend.confidence)
        if target != one.target:
            found["spelling_chain" if one.type == "spelling" else "misspelt_target"] += 1
        if target == one.query:
            found["itself"] += 1
        else:
            result.append(one if target == one.target else replace(one, target=target, confidence=confidence))
    return result


def _one_kind(said: Iterable[Said], found: Counter[Conflict]) -> dict[tuple[str, str], Said]:
    """Return one kind for each query and target."""
    kept: dict[tuple[str, str], Said] = {}
    for one in said:
        pair = (one.query, one.target)
        other = kept.get(pair)
        if other is None:
            kept[pair] = one
            continue
        found["two_kinds"] += one.type != other.type
        kept[pair] = min(one, other, key=lambda each: (_CAUTION[each.type], -each.confidence))
    return kept


def _loses(one: Said, back: Said | None) -> bool:
    """Whether the opposite label outweighs this one."""
    if back is None:
        return False
    if one.type == "synonym":
        return back.type == "substitute"
    return one.type == back.type == "broader" and not _surer(one, back)


def _surer(one: Said, other: Said) -> bool:
    return (-one.confidence, one.target) < (-other.confidence, other.target)
