"""BM25 over short texts. Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import bm25s
import numpy as np
import Stemmer

from domain.encoder import Vectors
from domain.text import normalise

__all__ = ["LexicalIndex", "Stems"]

_WORD = re.compile(r"\w+")


class Stems:
    """The words of a text in normal form, stemmed by the Snowball stemmer of a locale where there is one."""

    def __init__(self, locale: str) -> None:
        language = locale.split("-")[0].split("_")[0].lower()
        names = {"da": "danish", "de": "german", "en": "english", "es": "spanish", "fi": "finnish", "fr": "french"}
        names |= {"it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "sv": "swedish"}
        self._stemmer = Stemmer.Stemmer(names[language]) if language in names else None

    def __call__(self, text: str) -> list[str]:
        """Return the stems in order, repeats included."""
        words = _WORD.findall(normalise(text))
        return self._stemmer.stemWords(words) if self._stemmer else words


class LexicalIndex:
    """Scores every text of a collection against a query."""

    def __init__(self, bm25: bm25s.BM25, size: int) -> None:
        self._bm25 = bm25
        self._size = size

    @classmethod
    def build(cls, texts: Iterable[list[str]]) -> LexicalIndex:
        """Index texts that are given as stems."""
        documents = [stems or [""] for stems in texts]
        # Left to itself the library numbers stems in the order of a set, and every build would give other bytes.
        number = {stem: i for i, stem in enumerate(sorted({stem for stems in documents for stem in stems}))}
        bm25 = bm25s.BM25()
        bm25.index(([[number[stem] for stem in stems] for stems in documents], number), show_progress=False)
        return cls(bm25, len(documents))

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        self._bm25.save(str(folder), show_progress=False)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Read what `save` wrote, memory-mapped."""
        bm25 = bm25s.BM25.load(str(folder), mmap=True, show_progress=False)
        return cls(bm25, int(bm25.scores["num_docs"]))

    def scores(self, stems: list[str]) -> Vectors:
        """Return the BM25 score of each text, (size,) float32; zeros when no stem is known."""
        known = [stem for stem in stems if stem in self._bm25.vocab_dict]
        if not known:
            return np.zeros(self._size, dtype=np.float32)
        found: Vectors = self._bm25.get_scores(known)
        return found

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """Every stem that occurs."""
        return frozenset(self._bm25.vocab_dict) - {""}
