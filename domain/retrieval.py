"""Categories near a query, found by words and by meaning, in category names and in product titles.

Five rankings - embedding against names, embedding against parent and name, BM25 over names, and the categories of the
nearest products by embedding and by BM25 - are fused by reciprocal rank (Cormack, Clarke & Buettcher, "Reciprocal rank
fusion outperforms Condorcet and individual rank learning methods", SIGIR 2009).

Order is reproducible: scores are rounded and ties go to the category that comes first in the taxonomy.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from domain.encoder import ENCODER_FILES, Encoder, Vectors
from domain.errors import ShopError, StageMissing
from domain.files import replace_folder
from domain.lexical import LexicalIndex, Stems
from domain.taxonomy import Taxonomy

__all__ = [
    "Candidate",
    "Found",
    "IndexedProduct",
    "NearestCategories",
    "RankedProduct",
    "RetrievalIndex",
    "build_index",
    "fuse",
]

_Item = TypeVar("_Item", str, int)

_DEPTH = 40
_PRODUCTS = 60
_RANK_CONSTANT = 10
_LEAST_SIMILARITY = 0.5
_NEAR_THE_BEST = 0.9
# English words that no title need hold; as stems they are what they are as words.
_STOP_WORDS = frozenset(("a", "an", "and", "by", "for", "from", "in", "n", "of", "on", "or", "the", "to", "with"))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A category near a query; the score orders candidates and is no probability."""

    category_id: str
    score: float


@dataclass(frozen=True, kw_only=True)
class IndexedProduct:
    """What retrieval reads of a product."""

    product_id: str
    title: str
    brand: str | None
    category_id: str


@dataclass(frozen=True, kw_only=True)
class RankedProduct:
    """A product near a text.

    Attributes:
        row: Of the product, in the order in which the index was built.
        score: It orders products and is no probability.
        cosine: Of the text and the title.
        named: Share of the text's words, stop words aside, that title and brand hold.
        held: Share of them that title, brand and the category names on the product's path hold.
    """

    row: int
    score: float
    cosine: float
    named: float
    held: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: ranked category ids by source, and the cosine of the nearest name or title."""

    rankings: Mapping[str, list[str]]
    similarity: float

    def fused(self, limit: int) -> list[Candidate]:
        """Return up to `limit` categories over all sources, best first."""
        fused = fuse((1.0, ranking) for ranking in self.rankings.values())
        return [Candidate(category_id=i, score=score) for i, score in list(fused.items())[:limit]]


def fuse(rankings: Iterable[tuple[float, Sequence[_Item]]]) -> dict[_Item, float]:
    """Return reciprocal rank fusion of weighted rankings, best first, ties in order of first appearance."""
    fused: dict[_Item, float] = {}
    for weight, ranking in rankings:
        for rank, item in enumerate(ranking):
            fused[item] = fused.get(item, 0.0) + weight / (_RANK_CONSTANT + rank)
    return dict(sorted(fused.items(), key=lambda pair: -round(pair[1], 9)))


def build_index(
    folder: Path,
    *,
    taxonomy: Taxonomy,
    products: Sequence[IndexedProduct],
    encoder: Path,
    locale: str,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Write the index of a shop into `folder`, whole or not at all.

    Args:
        folder: Where to write.
        taxonomy: The category tree.
        products: The catalogue.
        encoder: A folder with the encoder's files; they are copied, so that the index is complete in itself.
        locale: The shop's locale; it picks the stemmer.
        progress: Called with the name of each part as it begins.

    Raises:
        ShopError: when the tree is empty.
    """
    if not len(taxonomy):
        raise ShopError("the taxonomy holds no category", hint="look at the quarantine for why its rows were refused")
    stems = Stems(locale)
    model = Encoder(encoder)
    ids = list(taxonomy)
    row = {category_id: i for i, category_id in enumerate(ids)}
    with replace_folder(folder) as out:
        for name in ENCODER_FILES:
            shutil.copyfile(encoder / name, out / name)
        progress("category names")
        np.save(out / "names.npy", model.encode([taxonomy[i].name for i in ids]))
        np.save(out / "paths.npy", model.encode([" > ".join(taxonomy.path(i)[-2:]) for i in ids]))
        texts = (stems(" ".join((*taxonomy.path(i)[-2:], taxonomy[i].name))) for i in ids)
        LexicalIndex.build(texts).save(out / "category_words")
        progress("product titles")
        np.save(out / "titles.npy", model.encode([p.title for p in products]))
        np.save(out / "title_category.npy", np.array([row[p.category_id] for p in products], dtype=np.int32))
        if products:
            LexicalIndex.build(stems(f"{p.title} {p.brand or ''}") for p in products).save(out / "product_words")
        about = {"locale": locale, "categories": ids, "products": len(products)}
        (out / "about.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")


class RetrievalIndex:
    """An index that `build_index` wrote, opened for reading; its matrices are memory-mapped.

    Args:
        folder: The index.
        threads: Threads of the encoder; 0 takes every core.

    Raises:
        StageMissing: when there is no index.
    """

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        if not (folder / "about.json").is_file():
            raise StageMissing(f"{folder} holds no retrieval index", hint="run `querywise index` first")
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        self._ids: list[str] = about["categories"]
        self.stems = Stems(about["locale"])
        self.encoder = Encoder(folder, threads=threads)
        self._names: Vectors = np.load(folder / "names.npy", mmap_mode="r")
        self._paths: Vectors = np.load(folder / "paths.npy", mmap_mode="r")
        # An array without rows cannot be mapped.
        self._titles: Vectors = np.load(folder / "titles.npy", mmap_mode="r" if about["products"] else None)
        self._title_category: npt.NDArray[np.int32] = np.load(folder / "title_category.npy")
        self._category_words = LexicalIndex.load(folder / "category_words")
        self._product_words = LexicalIndex.load(folder / "product_words") if about["products"] else None
        self._lineage_rows: npt.NDArray[np.intp] | None = None

    def search(self, query: str) -> Found:
        """Return the ranked category ids of each source for a normalised query; a source may find nothing."""
        stems = self.stems(query)
        [vector] = self.encoder.encode([query])
        names, paths = self._names @ vector, self._paths @ vector
        similarity = max(names.max(initial=0.0), paths.max(initial=0.0))
        rankings = {
            "names": self._categories(names),
            "paths": self._categories(paths),
            "category_words": self._categories(self._category_words.scores(stems)),
        }
        if self._product_words is not None:
            titles = self._titles @ vector
            similarity = max(similarity, titles.max(initial=0.0))
            # The fourth power lets one near product outweigh several that are only vaguely alike.
            rankings["titles"] = self._of_products(titles.clip(min=0) ** 4)
            rankings["product_words"] = self._of_products(self._product_words.scores(stems))
        return Found(rankings=rankings, similarity=float(similarity))

    def nearest(self, query: str, limit: int) -> list[Candidate]:
        """Return up to `limit` categories for a normalised query, nearest first; none for an empty query."""
        return self.search(query).fused(limit) if query else []

    def matches(self, text: str) -> bool:
        """Whether every word of a text occurs in the catalogue or in the category names: the shop can search for it."""
        indices = [self._category_words] + ([self._product_words] if self._product_words is not None else [])
        stems = self.stems(text)
        return bool(stems) and all(any(stem in index.vocabulary for index in indices) for stem in stems)

    def finds(self, text: str, taxonomy: Taxonomy) -> dict[str, int]:
        """Return how many products of each category hold every word of a text, stop words aside.

        A product holds the words of its title and brand, and of every category name on its path; a text without words
        is held by none.

        Args:
            text: A normalised text.
            taxonomy: The tree that the index was built of.
        """
        stems = self.words(text)
        if not stems or self._product_words is None:
            return {}
        lineages = self._lineages(taxonomy)
        found = np.ones(len(self._title_category), dtype=np.bool_)
        for stem in stems:
            on_path = self._category_words.scores([stem])[lineages].max(axis=1) > 0
            found &= (self._product_words.scores([stem]) > 0) | np.take(on_path, self._used_category)
        rows, counts = np.unique(self._title_category[found], return_counts=True)
        return {self._ids[row]: int(count) for row, count in zip(rows, counts, strict=True)}

    def words(self, text: str) -> list[str]:
        """Return the stems of a normalised text, each once, stop words left out."""
        return [stem for stem in dict.fromkeys(self.stems(text)) if stem not in _STOP_WORDS]

    def products(
        self,
        query: str,
        limit: int,
        *,
        taxonomy: Taxonomy,
        vector: Vectors | None = None,
        within: Sequence[str] = (),
    ) -> list[RankedProduct]:
        """Return up to `limit` products for a normalised text, best first; none for an empty one.

        Ranked by reciprocal rank fusion of the cosine to the title and BM25 over title and brand.

        Args:
            query: A normalised text.
            limit: How many.
            taxonomy: The tree that the index was built of.
            vector: The text's embedding, where it was made already.
            within: Categories that the text names; their products, by the cosine, are one ranking more.
        """
        if not query or limit <= 0 or self._product_words is None:
            return []
        if vector is None:
            [vector] = self.encoder.encode([query])
        cosines = self._titles @ vector
        depth = max(limit, _PRODUCTS)
        lineages = self._lineages(taxonomy)
        rankings = [_best(cosines, depth), _best(self._product_words.scores(self.stems(query)), depth)]
        if within:
            rows_within = [self._row[category_id] for category_id in within]
            inside: npt.NDArray[np.bool_] = np.any(np.isin(lineages, rows_within), axis=1)
            rankings.append(_best(np.where(inside[self._used_category], cosines, 0.0), depth))
        fused = list(fuse((1.0, ranking.tolist()) for ranking in rankings).items())[:limit]
        rows = np.array([row for row, _ in fused], dtype=np.intp)
        named, held = self._shares(self.words(query), rows, lineages)
        return [
            RankedProduct(row=row, score=score, cosine=float(cosines[row]), named=float(n), held=float(h))
            for (row, score), n, h in zip(fused, named, held, strict=True)
        ]

    def similarity(self, category_ids: Sequence[str], others: Sequence[str]) -> float:
        """Return the greatest cosine of a category's parent and name to another's; 0 where one side is empty."""
        if not category_ids or not others:
            return 0.0
        one, other = (self._paths[[self._row[i] for i in ids]] for ids in (category_ids, others))
        return float((one @ other.T).max())

    def _shares(
        self, stems: Sequence[str], rows: npt.NDArray[np.intp], lineages: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float64]:
        """Return the shares of stems that products hold, (2, rows): in title and brand, and there or on the path."""
        counts = np.zeros((2, len(rows)))
        if self._product_words is not None:
            of_rows = lineages[self._used_category[rows]]
            for stem in stems:
                in_title = self._product_words.scores([stem])[rows] > 0
                counts[0] += in_title
                counts[1] += in_title | (self._category_words.scores([stem])[of_rows] > 0).any(axis=1)
        return counts / max(1, len(stems))

    def category_similarity(self, vector: Vectors, category_ids: Sequence[str]) -> dict[str, float]:
        """Return the cosine of a query's vector to the nearest of each category's name, path and own product titles."""
        similarities: dict[str, float] = {}
        for category_id in category_ids:
            row = self._row[category_id]
            nearest = max(float(self._names[row] @ vector), float(self._paths[row] @ vector))
            products = np.flatnonzero(self._title_category == row)
            if products.size:
                nearest = max(nearest, float((self._titles[products] @ vector).max()))
            similarities[category_id] = nearest
        return similarities

    @cached_property
    def _row(self) -> dict[str, int]:
        return {category_id: row for row, category_id in enumerate(self._ids)}

    @cached_property
    def _used(self) -> npt.NDArray[np.int32]:
        """Rows of the categories that hold products."""
        return np.unique(self._title_category)

    @cached_property
    def _used_category(self) -> npt.NDArray[np.intp]:
        """For each product, where in `_used` its category stands."""
        return np.searchsorted(self._used, self._title_category)

    def _lineages(self, taxonomy: Taxonomy) -> npt.NDArray[np.intp]:
        """Return the rows from each used category to its root, (used, depth), short ones filled up with the root's."""
        if self._lineage_rows is None:
            paths = [[self._row[i] for i in reversed(taxonomy.lineage(self._ids[row]))] for row in self._used]
            depth = max(map(len, paths), default=1)
            filled = [path + path[-1:] * (depth - len(path)) for path in paths]
            self._lineage_rows = np.array(filled, dtype=np.intp).reshape(-1, depth)
        return self._lineage_rows

    def _categories(self, scores: Vectors) -> list[str]:
        return [self._ids[i] for i in _best(scores, _DEPTH)]

    def _of_products(self, scores: Vectors) -> list[str]:
        totals: dict[int, float] = {}
        for product in _best(scores, _PRODUCTS):
            category = int(self._title_category[product])
            totals[category] = totals.get(category, 0.0) + float(scores[product])
        ranked = sorted(totals, key=lambda category: (-round(totals[category], 4), category))
        return [self._ids[category] for category in ranked[:_DEPTH]]


class NearestCategories:
    """Retrieval careful enough to be served: only what is near, and nothing where nothing is.

    Each category after the first costs more precision than it brings recall, unless it scores about as high; below the
    least similarity are mostly words that name nothing. Both thresholds were chosen on labelled queries.
    """

    def __init__(self, index: RetrievalIndex) -> None:
        self._index = index

    def nearest(self, query: str, limit: int) -> list[Candidate]:
        """Return up to `limit` categories for a normalised query; none where not even a title is like it."""
        if not query:
            return []
        found = self._index.search(query)
        if found.similarity < _LEAST_SIMILARITY:
            return []
        candidates = found.fused(limit)
        return [c for c in candidates if c.score >= _NEAR_THE_BEST * candidates[0].score]


def _best(scores: Vectors, count: int) -> npt.NDArray[np.intp]:
    """Return the rows of the highest positive scores, best first, ties by row, whatever the processor sorts first."""
    rounded = np.round(scores, 4)
    if len(rounded) > count:
        least = np.partition(rounded, -count)[-count]
        rows = np.flatnonzero((rounded >= least) & (rounded > 0))
    else:
        rows = np.flatnonzero(rounded > 0)
    return rows[np.lexsort((rows, -rounded[rows]))][:count]
