"""Ranking ideas so that the first few differ: maximal marginal relevance.

Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing summaries",
SIGIR 1998. Two ideas are alike in three ways: in how much of their paths down the tree is one, in the brands of what
they show, and in meaning; the similarity is a weighted mean of the three cosines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from pyversity import mmr

from domain.encoder import Vectors

__all__ = ["TRADE_OFF", "Facets", "category_coverage", "diversify", "intra_list_diversity", "similarities"]

TRADE_OFF: Final = 0.7
"""Lambda of the default ranking: what relevance counts, diversity counting the rest. Chosen on judged data: the least
at which the first ideas are as often right as by relevance alone, see docs/discovered.md.
"""

_CATEGORY: Final = 0.4
_BRAND: Final = 0.1
_MEANING: Final = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Facets:
    """By what an idea is like another: its path in the tree from the root, the brands it shows, a unit vector."""

    path: Sequence[str]
    brands: Mapping[str, int] = field(default_factory=dict)
    vector: Vectors


def diversify(
    relevance: Sequence[float], facets: Sequence[Facets], *, limit: int, trade_off: float = TRADE_OFF
) -> list[int]:
    """Return the places of up to `limit` ideas, best first: each the best of what is left, given those before it.

    Args:
        relevance: Of each idea, in [0, 1].
        facets: Of each idea.
        limit: How many.
        trade_off: Lambda, in [0, 1]: 1 ranks by relevance alone, ties as they were.

    Raises:
        ValueError: when the trade-off is not in [0, 1], or there is not one relevance for each idea.
    """
    if not 0.0 <= trade_off <= 1.0 or len(relevance) != len(facets):
        raise ValueError(f"{len(relevance)} relevances and {len(facets)} facets at a trade-off of {trade_off}")
    if not facets or limit <= 0:
        return []
    scores = np.array(relevance, dtype=np.float64)
    found = mmr(_features(facets), scores, k=limit, diversity=1.0 - trade_off)
    return [int(place) for place in found.indices]


def intra_list_diversity(facets: Sequence[Facets]) -> float:
    """Return the mean distance of two ideas of a list, 1 less their similarity; 0 for fewer than two.

    Ziegler, McNee, Konstan & Lausen, "Improving recommendation lists through topic diversification", WWW 2005.
    """
    if len(facets) < 2:
        return 0.0
    upper = np.triu_indices(len(facets), k=1)
    return float(1.0 - similarities(facets)[upper].mean())


def category_coverage(chosen: Collection[str], offered: Collection[str]) -> float:
    """Return the share of the offered categories that the chosen ones cover; 1 where none is offered.

    Subtopic recall of Zhai, Cohen & Lafferty, "Beyond independent relevance", SIGIR 2003, a category being a subtopic.
    """
    wanted = frozenset(offered)
    return len(wanted & frozenset(chosen)) / len(wanted) if wanted else 1.0


def similarities(facets: Sequence[Facets]) -> npt.NDArray[np.float64]:
    """Return how like each idea is to each, (ideas, ideas), 1 on the diagonal."""
    features = _features(facets)
    similar: npt.NDArray[np.float64] = features @ features.T
    return similar


def _features(facets: Sequence[Facets]) -> npt.NDArray[np.float64]:
    """Return rows whose dot products are the weighted means: unit blocks, each by the root of its weight."""
    paths = _units([Counter(f.path) for f in facets])
    brands = _units([Counter(f.brands) for f in facets])
    vectors = np.array([f.vector for f in facets], dtype=np.float64)
    blocks = ((_CATEGORY, paths), (_BRAND, brands), (_MEANING, vectors))
    features = np.hstack([weight**0.5 * block for weight, block in blocks])
    # A product without a brand shares none, and is itself all the same.
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit: npt.NDArray[np.float64] = features / np.where(lengths > 0, lengths, 1.0)
    return unit


def _units(bags: Sequence[Counter[str]]) -> npt.NDArray[np.float64]:
    columns = {name: i for i, name in enumerate(dict.fromkeys(name for bag in bags for name in bag))}
    units = np.zeros((len(bags), len(columns)))
    for row, bag in enumerate(bags):
        for name, count in bag.items():
            units[row, columns[name]] = count
    lengths = np.linalg.norm(units, axis=1, keepdims=True)
    filled: npt.NDArray[np.float64] = units / np.where(lengths > 0, lengths, 1.0)
    return filled
