"""Clusters of queries that are nearly the same, so that a split never parts them.

Two queries fall together where they have the same set of stems, or the same letters with one letter too many, missing,
changed or swapped with its neighbour, spaces aside; and so does whatever is linked through others. Deleting letters
finds the latter without comparing all pairs, as in symmetric delete spelling correction (Garbe's SymSpell); a deleted
letter keeps its place, since "abcdef" and "bcdefg" share five letters and are two edits apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence

__all__ = ["Clusters"]

_SHORTEST = 6
"""Letters below which one edit makes another word, as in `cat` and `car`."""


class Clusters:
    """Clusters of normalised queries.

    Args:
        queries: All queries that a split has to be fair to.
        stems: Splits a text into stems.
    """

    def __init__(self, queries: Iterable[str], stems: Callable[[str], list[str]]) -> None:
        members = sorted(set(queries))
        self._parent = {query: query for query in members}
        alike: dict[tuple[str, str | int], str] = {}
        with_letters: dict[str, str] = {}
        for query in members:
            self._join(query, with_letters.setdefault(query.replace(" ", ""), query))
            if found := " ".join(sorted(set(stems(query)))):
                self._join(query, alike.setdefault((found, "stems"), query))
        for letters, query in with_letters.items():
            if len(letters) < _SHORTEST:
                continue
            for i in range(len(letters)):
                without = letters[:i] + letters[i + 1 :]
                swapped = letters[:i] + letters[i + 1 : i + 2] + letters[i] + letters[i + 2 :]
                self._join(query, alike.setdefault((without, i), query))
                self._join(query, with_letters.get(without, query))
                self._join(query, with_letters.get(swapped, query))

    def of(self, query: str) -> str:
        """Return the name of a query's cluster, which is its first member in order of the alphabet."""
        while (above := self._parent[query]) != query:
            self._parent[query] = self._parent[above]
            query = above
        return query

    def share(self, query: str) -> float:
        """Return a number in [0, 1) that is the same for all of a cluster and at random over clusters."""
        return zlib.crc32(self.of(query).encode()) / 2**32

    def touching(self, queries: Sequence[str]) -> set[str]:
        """Return the names of the clusters that hold one of some queries."""
        return {self.of(query) for query in queries}

    def _join(self, one: str, other: str) -> None:
        a, b = sorted((self.of(one), self.of(other)))
        self._parent[b] = a
