"""Labels that contradict each other, and which of them counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from release.exports.heard import CACHED, Said
from release.exports.rule import Kind

__all__ = ["Conflict", "Resolved", "Resolver"]

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

_CAUTION: Final[Mapping[Kind, int]] = {"substitute": 0, "broader": 1, "synonym": 2, "spelling": 3}

_AGAINST: Final[Mapping[Kind, Kind]] = {"synonym": "substitute", "broader": "broader"}
"""What the opposite label has to say where this one may not count."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What counts of the label of one query, no two of it with one target, and the conflicts found in it."""

    said: tuple[Said, ...]
    conflicts: Mapping[Conflict, int]


class Resolver:
    """Decides what counts of a label by the labels of the queries that it names, and of those that they name.

    Args:
        said: Returns what the label of a query says; nothing where there is none.
        may_be_misspelt: Whether the label of a query could have a mend for it; says so without a look at the label.
    """

    def __init__(self, said: Callable[[str], Sequence[Said]], may_be_misspelt: Callable[[str], bool]) -> None:
        self._said = said
        self._may_be_misspelt = may_be_misspelt
        self._mend = lru_cache(CACHED)(self._find_mend)
        self._of_one_kind = lru_cache(CACHED)(self._mended)

    def resolve(self, query: str) -> Resolved:
        """Return what counts of the label of a query. Chains of synonyms are not among the conflicts."""
        every = self._of_one_kind(query)
        kept = tuple(one for one in every.said if not self._loses(one))
        lost = Counter[Conflict]({"opposite": len(every.said) - len(kept)})
        return Resolved(said=kept, conflicts=Counter(every.conflicts) + lost)

    def _loses(self, one: Said) -> bool:
        """Whether the opposite label outweighs this one."""
        against = _AGAINST.get(one.kind)
        # Most labels end here, before anything that they name is read.
        if against is None or all(back.kind != against for back in self._said(one.target)):
            return False
        back = next((back for back in self._of_one_kind(one.target).said if back.target == one.query), None)
        return back is not None and back.kind == against and not (against == one.kind and _surer(one, back))

    def _mended(self, query: str) -> Resolved:
        """Keep one mend, put the end of its chain of mends in the place of every target, and one kind for each."""
        found = Counter[Conflict]()
        kept: dict[str, Said] = {}
        every = self._every(query)
        surest, mend = _surest_mend(every), self._mend(query)
        for said in every:
            if said.kind == "spelling" and said is not surest:
                found["two_kinds"] += 1
            elif said.kind == "spelling" and mend is None:
                found["opposite"] += 1
            elif (one := self._at_the_end(said, found)).target == query:
                found["itself"] += 1
            else:
                other = kept.get(one.target, one)
                found["two_kinds"] += one.kind != other.kind
                kept[one.target] = min(other, one, key=lambda each: (_CAUTION[each.kind], -each.confidence))
        return Resolved(said=tuple(kept.values()), conflicts=found)

    def _at_the_end(self, one: Said, found: Counter[Conflict]) -> Said:
        target, confidence, seen = one.target, one.confidence, {one.query}
        while target not in seen and (mend := self._mend(target)) is not None:
            seen.add(target)
            target, confidence = mend.target, min(confidence, mend.confidence)
        if target == one.target:
            return one
        found["spelling_chain" if one.kind == "spelling" else "misspelt_target"] += 1
        return replace(one, target=target, confidence=confidence)

    def _find_mend(self, query: str) -> Said | None:
        """Return the surest mend of a query, unless its target is mended to the query, and surer."""
        if not self._may_be_misspelt(query):
            return None
        mend = _surest_mend(self._every(query))
        back = None if mend is None else _surest_mend(self._every(mend.target))
        if mend is None or (back is not None and back.target == query and not _surer(mend, back)):
            return None
        return mend

    def _every(self, query: str) -> list[Said]:
        return [one for one in self._said(query) if one.target != query]


def _surest_mend(said: Iterable[Said]) -> Said | None:
    return min((one for one in said if one.kind == "spelling"), key=_unsureness, default=None)


def _surer(one: Said, other: Said) -> bool:
    return _unsureness(one) < _unsureness(other)


def _unsureness(one: Said) -> tuple[float, str]:
    return -one.confidence, one.target
