"""Categories by the words of their names, as somebody types."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import islice

from domain import Taxonomy, normalise

__all__ = ["CategorySearch"]

_WORDS = 12


class CategorySearch:
    """Finds categories whose path has words that begin like those of a text, or have the same stem.

    Lists of rows by word answer in milliseconds for tens of thousands of categories.

    Args:
        taxonomy: The tree.
        stems: Returns the stems of a text in order.
    """

    def __init__(self, taxonomy: Taxonomy, stems: Callable[[str], list[str]]) -> None:
        self._ids = tuple(taxonomy)
        self._sizes = [(len(_words(taxonomy[i].name)), len(taxonomy.lineage(i))) for i in self._ids]
        self._names = _Words((taxonomy[i].name for i in self._ids), stems)
        self._paths = _Words((" ".join(taxonomy.path(i)) for i in self._ids), stems)

    def find(self, text: str, limit: int = 20) -> list[str]:
        """Return up to `limit` ids, best first: most words found, then most of them in the category's own name."""
        words = list(dict.fromkeys(_words(text)))[:_WORDS]
        found = Counter(row for word in words for row in self._paths.begin(word))
        # Whoever types two words wants both; what has fewer is of use only where nothing has all.
        best = max(found.values(), default=0)
        own = Counter(row for word in words for row in self._names.begin(word) if found[row] == best)
        exact = Counter(row for word in words for row in self._names.are(word))
        ranked: list[int] = []
        for count in range(len(words), -1, -1):
            rows = own if count else found
            group = (row for row, n in rows.items() if own[row] == count and found[row] == best)
            ranked += sorted(group, key=lambda row: (-exact[row], *self._sizes[row], row))
            if len(ranked) >= limit:
                break
        return [self._ids[row] for row in ranked[:limit]]


class _Words:
    """The rows of texts by their words and stems."""

    def __init__(self, texts: Iterable[str], stems: Callable[[str], list[str]]) -> None:
        self._stems = stems
        words: defaultdict[str, set[int]] = defaultdict(set)
        by_stem: defaultdict[str, set[int]] = defaultdict(set)
        for row, text in enumerate(texts):
            for word in _words(text):
                words[word].add(row)
            for stem in stems(text):
                by_stem[stem].add(row)
        self._words, self._by_stem = dict(words), dict(by_stem)
        self._sorted = sorted(words)

    def are(self, word: str) -> set[int]:
        """Return the rows with this very word."""
        return self._words.get(word, set())

    def begin(self, word: str) -> set[int]:
        """Return the rows with a word that begins so, or has the same stem."""
        rows: set[int] = set()
        for known in islice(self._sorted, bisect_left(self._sorted, word), None):
            if not known.startswith(word):
                break
            rows |= self._words[known]
        for stem in self._stems(word):
            rows |= self._by_stem.get(stem, set())
        return rows


def _words(text: str) -> list[str]:
    return normalise(text).split()
